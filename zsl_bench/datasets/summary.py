"""What a manifest holds, against what its data set is known to have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.errors import listing

if TYPE_CHECKING:
    from zsl_bench.videos import Manifest


def summary(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest's counts as plain JSON values.

    Returns:
        ``dataset``, ``split``, ``digest``, ``complete``; ``videos``, ``expected_videos`` (None
        where no official list is known), ``classes`` (with a video), ``num_classes``, ``groups``;
        the numbers of ``missing``, ``extra`` and ``unreadable`` files; ``per_class``, a list of
        ``name``, ``videos`` and ``expected``; and ``notes``.
    """
    counts = manifest.counts()
    expected = manifest.expected
    return {
        "dataset": manifest.dataset,
        "split": manifest.split,
        "digest": manifest.digest,
        "complete": not manifest.is_partial and not manifest.unreadable,
        "videos": len(manifest),
        "expected_videos": None if expected is None else sum(expected.values()),
        "classes": sum(count > 0 for count in counts.values()),
        "num_classes": len(counts),
        "groups": len({video.group for video in manifest.videos}),
        "missing": len(manifest.missing),
        "extra": len(manifest.extra),
        "unreadable": len(manifest.unreadable),
        "per_class": [
            {
                "name": name,
                "videos": count,
                "expected": None if expected is None else expected.get(name, 0),
            }
            for name, count in counts.items()
        ],
        "notes": list(manifest.notes),
    }


def summary_lines(manifest: Manifest) -> tuple[str, ...]:
    """Return a manifest's counts as lines for a person, the most important first.

    Example:
        >>> from pathlib import Path
        >>> from zsl_bench.datasets import open_dataset
        >>> manifest = open_dataset("ucf101", Path("UCF-101"))  # doctest: +SKIP
        >>> summary_lines(manifest)[0]  # doctest: +SKIP
        'ucf101, all: 13,320 of 13,320 videos, 101 of 101 classes'
    """
    facts = summary(manifest)
    total = facts["expected_videos"]
    lines = [
        f"{facts['dataset']}, {facts['split']}: {facts['videos']:,}"
        + (f" of {total:,} videos" if total is not None else " videos")
        + f", {facts['classes']} of {facts['num_classes']} classes"
    ]
    if manifest.missing:
        lines.append(f"{facts['missing']:,} missing: {listing(manifest.missing, limit=3)}")
    if manifest.unreadable:
        shown = (f"{video} ({reason})" for video, reason in manifest.unreadable)
        lines.append(f"{facts['unreadable']:,} unreadable: {listing(shown, limit=3)}")
    if manifest.extra:
        lines.append(f"{facts['extra']:,} extra, not evaluated: {listing(manifest.extra, limit=3)}")
    return (*lines, *manifest.notes)
