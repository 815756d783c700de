"""The one rule for videos that are missing: an error by default, bounds where they are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from zsl_bench.videos import Manifest


def check_present(manifest: Manifest, *, verb: str, allowed: bool) -> None:
    """Refuse to score a part of a data set as if it were the whole.

    Args:
        manifest: The videos.
        verb: What was asked, for the message.
        allowed: Whether the user puts up with it.

    Raises:
        DatasetError: Videos are missing, or a class has none; they are named.
    """
    if manifest.is_partial and not allowed:
        raise DatasetError(
            f"{verb} {manifest.dataset}",
            found=_what_is_missing(manifest),
            fix="add them, or give --allow-partial (bounds beside every number) "
            "or --restrict-to-present (other candidates, no published protocol)",
        )


def _what_is_missing(manifest: Manifest) -> str:
    if manifest.missing and manifest.expected:
        total = sum(manifest.expected.values())
        named = listing(manifest.missing, limit=3)
        return f"{len(manifest.missing)} of its {total} videos are missing: {named}"
    empty = [name for name, count in manifest.counts().items() if not count]
    named = listing(empty, limit=3)
    return f"{len(empty)} of its {len(manifest.classes)} classes have no video: {named}"
