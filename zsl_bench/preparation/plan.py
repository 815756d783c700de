"""Which file becomes which, what is done already, and in which order the rest is done."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.errors import DatasetError, ResultError, listing
from zsl_bench.files import check_writable, sha256_bytes, sha256_json
from zsl_bench.preparation.encode import SUFFIX, Task
from zsl_bench.preparation.names import FOLDER, target_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.preparation.encode import Outcome
    from zsl_bench.preparation.settings import PrepareSettings
    from zsl_bench.videos import Manifest, Video

HIDDEN, SCRATCH = ".prepare", "scratch"
MANIFEST, REPORT, SHARDS = "manifest.json", "report.json", "shards"
SAMPLE = 8
"""Videos that are prepared first, spread over the data set, to estimate the space that all need."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the manifest with what is to be done.

    Attributes:
        video: The row.
        task: What a process is given.
        target: The prepared file below the output folder, with ``/``.
        key: What the journal calls it: a hash of id, source path, times and target.
        share: Its part of the size of its source file, which other rows may use too, in bytes.
    """

    video: Video
    task: Task
    target: str
    key: str
    share: int


def plan_rows(manifest: Manifest, out: Path, settings: PrepareSettings) -> tuple[Row, ...]:
    """Return what is to be done for every row of a manifest, in the manifest's order."""
    targets = target_paths(manifest.videos, SUFFIX)
    uses = Counter(video.path for video in manifest.videos)
    rows = []
    for video in manifest.videos:
        source, target = manifest.resolve(video), targets[video.id]
        task = Task(
            source=source,
            target=out / target,
            scratch=out / HIDDEN / SCRATCH,
            settings=settings,
            start=video.start,
            end=video.end,
        )
        key = sha256_json([video.id, video.path, video.start, video.end, target])
        share = _size_of(source) // uses[video.path]
        rows.append(Row(video=video, task=task, target=target, key=key, share=share))
    return tuple(rows)


def check_request(manifest: Manifest, out: Path, image_suffixes: frozenset[str]) -> None:
    """Refuse what is no videos, and folders that one would not want to have written to.

    Raises:
        DatasetError: The manifest is one of images, or the folders lie in each other.
        ResultError: The output folder holds other files, or cannot be written to.
    """
    images = [v.path for v in manifest.videos if Path(v.path).suffix.lower() in image_suffixes]
    if images:
        raise DatasetError(
            f"prepare {manifest.dataset}",
            found=f"images ({listing(images, limit=2)})",
            fix="give a data set of videos; training reads images as they are",
        )
    inner, outer = (Path(os.path.realpath(path)) for path in (out, manifest.root))
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DatasetError(
            f"prepare {manifest.dataset} into {out}",
            found=f"a folder that holds the videos or lies among them ({manifest.root})",
            fix="choose a folder beside it",
        )
    taken = [name for name in (FOLDER, SHARDS, MANIFEST, REPORT) if (out / name).exists()]
    if taken and not (out / HIDDEN).is_dir():
        raise ResultError(
            f"prepare into {out}",
            found=f"other files ({listing(taken)})",
            fix="choose an empty folder, or one that prepare has made",
        )
    check_writable(out)


def is_done(row: Row, outcomes: Mapping[str, Outcome], *, packed: bool) -> bool:
    """Return whether a row needs no work: its outcome is known and nothing changed since.

    A source that is gone has not changed. A video that a process died of is tried again.

    Args:
        row: The row.
        outcomes: What is known, by key.
        packed: Whether the prepared file is in a shard and needs not be there itself.
    """
    outcome = outcomes.get(row.key)
    if outcome is None or (outcome.died and not packed):
        return False
    if not _is_unchanged(row.task.source, outcome):
        return False
    return packed or bool(outcome.problem) or _size_of(row.task.target) == outcome.bytes


def _is_unchanged(source: Path, outcome: Outcome) -> bool:
    try:
        status = source.stat()
    except OSError:
        return not outcome.problem
    return (status.st_size, status.st_mtime_ns) == (outcome.source_bytes, outcome.source_mtime_ns)


def _size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 where it cannot be reached."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def spread(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with some from all over the data set first."""
    step = max(len(rows) // SAMPLE, 1)
    first = rows[::step][:SAMPLE]
    chosen = {row.key for row in first}
    return [*first, *(row for row in rows if row.key not in chosen)]


def shard_groups(rows: Sequence[Row], videos: int) -> list[list[Row]]:
    """Return the rows of every shard, mixed over the classes by a hash of their ids."""
    mixed = sorted(rows, key=lambda row: sha256_bytes(row.video.id.encode()))
    return [mixed[first : first + videos] for first in range(0, len(mixed), videos)]
