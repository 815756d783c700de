"""What is wrong, or odd, about the files of a manifest, with what to do about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zsl_bench.datasets.expected import LISTED, official_list
from zsl_bench.errors import listing
from zsl_bench.indexing.probe import is_image, segment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zsl_bench.indexing.probe import FileProbe, SegmentProbe
    from zsl_bench.videos import Manifest, Video

Kind = Literal[
    "missing",
    "empty",
    "truncated",
    "undecodable",
    "unreachable",
    "changing",
    "segment-outside",
    "duplicate",
    "too-short",
    "count",
    "segment-end",
    "extra",
]

REMEDIES: dict[Kind, str] = {
    "missing": "download or unpack it; an evaluation without it is partial",
    "empty": "download or copy the file again",
    "truncated": "download or copy the file again",
    "undecodable": "download it again or from elsewhere; if it is no use, leave it out",
    "unreachable": "check the link, the disk and the permissions",
    "changing": "index again when nothing writes to the file any more",
    "segment-outside": "check that this is the right video, of the right length",
    "duplicate": "find out which is right: they may be copied under a wrong name",
    "too-short": "nothing, unless it should be longer: its last frame is repeated in a clip",
    "count": "nothing: the frames that are there are used",
    "segment-end": "nothing: the segment ends with the video",
    "extra": "nothing: it is not evaluated",
}
"""What to do about each kind, the worst first."""

_NO_PROBLEM = ("too-short", "count", "segment-end", "extra")
_SLACK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found.

    Attributes:
        kind: What it is.
        path: The file, below the manifest's root; empty where there is none.
        rows: Ids of the rows that it concerns.
        label: Their class; None where it is not known.
        reason: What was found, in words.
        remedy: What to do about it.
    """

    kind: Kind
    path: str
    rows: tuple[str, ...]
    label: str | None
    reason: str
    remedy: str

    @property
    def is_problem(self) -> bool:
        """Whether a video is missing or cannot be read, or files contradict each other."""
        return self.kind not in _NO_PROBLEM


def find_problems(
    manifest: Manifest, probes: Mapping[str, FileProbe], *, min_frames: int
) -> tuple[Finding, ...]:
    """Return what is wrong or odd, the worst kind first and by path within a kind.

    Args:
        manifest: The videos.
        probes: What their files are, by path; files without one are not judged.
        min_frames: How many frames a video should have.
    """
    rows = rows_by_path(manifest)
    copies = _copies(probes, rows)
    found = [*_missing(manifest), *_extra(manifest, probes, copies)]
    for path, videos in rows.items():
        probe = probes.get(path)
        if probe is not None:
            found += _of_file(probe, videos, min_frames)
        if path in copies:
            found.append(_duplicate(path, copies[path], rows))
    order = {kind: place for place, kind in enumerate(REMEDIES)}
    return tuple(sorted(found, key=lambda f: (order[f.kind], f.path, f.rows)))


def rows_by_path(manifest: Manifest) -> dict[str, list[Video]]:
    """Return the rows of each file."""
    rows: dict[str, list[Video]] = defaultdict(list)
    for video in manifest.videos:
        rows[video.path].append(video)
    return rows


def _finding(kind: Kind, path: str, videos: Iterable[Video], reason: str) -> Finding:
    videos = list(videos)
    labels = sorted({video.label for video in videos})
    return Finding(
        kind=kind,
        path=path,
        rows=tuple(video.id for video in videos),
        label=", ".join(labels) if labels else None,
        reason=reason,
        remedy=REMEDIES[kind],
    )


def _missing(manifest: Manifest) -> list[Finding]:
    listed = manifest.dataset in LISTED and bool(manifest.missing)
    official = official_list(manifest.dataset).videos if listed else {}
    return [
        Finding(
            kind="missing",
            path="",
            rows=(row,),
            label=official[row].label if row in official else None,
            reason="listed, but there is no file for it",
            remedy=REMEDIES["missing"],
        )
        for row in manifest.missing
    ]


def _extra(
    manifest: Manifest, probes: Mapping[str, FileProbe], copies: Mapping[str, str]
) -> list[Finding]:
    found = []
    for path in manifest.extra:
        reason = "not in the list of the data set"
        if path in copies:
            reason += f"; same content as {copies[path]}"
        elif path in probes and probes[path].problem is not None:
            reason += f"; {probes[path].reason}"
        found.append(_finding("extra", path, (), reason))
    return found


def _of_file(probe: FileProbe, videos: Iterable[Video], min_frames: int) -> list[Finding]:
    """Return the findings of a file, one for all its rows that have the same."""
    grouped: dict[tuple[Kind, str], list[Video]] = defaultdict(list)
    videos = list(videos)
    for video in videos:
        part = probe.part(segment_of(video))
        for kind, reason in _of_row(probe, part, min_frames):
            grouped[kind, reason].append(video)
    is_read = not any(kind == probe.problem for kind, _ in grouped)
    if probe.problem is not None and is_read:
        grouped["count", f"{probe.reason}; its segments are there"] = videos
    return [_finding(kind, probe.path, rows, why) for (kind, why), rows in grouped.items()]


def _of_row(probe: FileProbe, part: SegmentProbe, min_frames: int) -> Iterable[tuple[Kind, str]]:
    if part.problem is not None:
        yield part.problem, part.reason
        return
    if part.note:
        yield "count", part.note
    if part.frames is not None and part.frames < min_frames and not is_image(probe.path):
        yield "too-short", f"{part.frames} frames"
    lasts = probe.duration
    if lasts is not None and part.end is not None and part.end > lasts + _SLACK_SECONDS:
        yield "segment-end", f"the segment ends at {part.end:g} s, the video at {lasts:.2f} s"


def _copies(probes: Mapping[str, FileProbe], rows: Mapping[str, Iterable[Video]]) -> dict[str, str]:
    """Return, for each file whose content an earlier one has, that one; rows come before others."""
    first: dict[str, str] = {}
    copies: dict[str, str] = {}
    for path in sorted(probes, key=lambda path: (path not in rows, path)):
        digest = probes[path].sha256
        if digest is not None and first.setdefault(digest, path) != path:
            copies[path] = first[digest]
    return copies


def _duplicate(path: str, original: str, rows: Mapping[str, list[Video]]) -> Finding:
    reason = f"same content as {original}"
    labels = sorted({video.label for name in (path, original) for video in rows[name]})
    if len(labels) > 1:
        reason += f", under different labels ({listing(labels)})"
    return _finding("duplicate", path, rows[path], reason)
