"""From a manifest to prepared files and their manifest."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zsl_bench.datasets.scan import IMAGE_SUFFIXES
from zsl_bench.errors import DatasetError
from zsl_bench.files import write_json
from zsl_bench.parallel import Died, default_jobs, run_parallel
from zsl_bench.preparation.encode import Outcome, prepare_video
from zsl_bench.preparation.journal import Journal
from zsl_bench.preparation.names import FOLDER
from zsl_bench.preparation.packing import Packer
from zsl_bench.preparation.plan import (
    HIDDEN,
    MANIFEST,
    REPORT,
    SAMPLE,
    SCRATCH,
    SHARDS,
    Row,
    check_request,
    is_done,
    plan_rows,
    spread,
)
from zsl_bench.preparation.report import Work, make_report
from zsl_bench.preparation.settings import PrepareSettings
from zsl_bench.preparation.shards import require_webdataset
from zsl_bench.preparation.space import SpaceWatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.videos import Manifest

_MOST_LINES = 10


class PrepareProgress(Protocol):
    """Who is told how a preparation goes on."""

    def start(self, name: str, *, total: int, done: int) -> None:
        """Begin: how many videos there are, and how many are done from before."""

    def advance(self, count: int) -> None:
        """Count videos."""

    def note(self, line: str) -> None:
        """Say something."""

    def finish(self) -> None:
        """End."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a preparation gives.

    Attributes:
        manifest: The manifest of the prepared files, also written as ``manifest.json``.
        report: Sizes, speed and what was odd, also written as ``report.json``.
    """

    manifest: Manifest
    report: dict[str, Any]


def prepare(
    manifest: Manifest,
    out: str | Path,
    settings: PrepareSettings | None = None,
    *,
    jobs: int | None = None,
    shard_videos: int | None = None,
    progress: PrepareProgress | None = None,
) -> Prepared:
    """Re-encode the videos of a manifest for fast training and evaluation.

    Frame k of a prepared file is the k-th frame that decodes from its source or, of a segment, from
    the segment. Every file is written beside its place, decoded whole, compared, and then renamed.
    What is finished is kept in a journal: the same call goes on after it was stopped, and does a
    video again whose source changed. A video that cannot be prepared stays a row under
    ``unreadable``.

    Args:
        manifest: The videos; their root is left as it is.
        out: The folder for ``videos``, ``manifest.json`` and ``report.json``, not within the root.
        settings: How; None for the default.
        jobs: Processes; None for as many as there are processors.
        shard_videos: Pack this many videos into a webdataset tar under ``shards`` instead of
            keeping plain files.
        progress: Who is told.

    Raises:
        DatasetError: The manifest is one of images, or ``out`` lies within its root.
        ResultError: ``out`` has other files or files that were made otherwise, is in use, is full
            or will be, or cannot be written.
    """
    out = Path(out).expanduser()
    check_request(manifest, out, IMAGE_SUFFIXES)
    if shard_videos is not None:
        _check_shards(shard_videos)
    made = _prepare(
        manifest,
        out,
        settings or PrepareSettings(),
        default_jobs() if jobs is None else jobs,
        shard_videos,
        progress or _Silent(),
    )
    made.manifest.save(out / MANIFEST)
    write_json(out / REPORT, made.report)
    return made


def _prepare(
    manifest: Manifest,
    out: Path,
    settings: PrepareSettings,
    jobs: int,
    shard_videos: int | None,
    progress: PrepareProgress,
) -> Prepared:
    started = time.perf_counter()
    record = settings.record() | ({} if shard_videos is None else {"shard_videos": shard_videos})
    rows = plan_rows(manifest, out, settings)
    with Journal(out / HIDDEN, {"dataset": manifest.dataset, "settings": record}) as journal:
        shutil.rmtree(out / HIDDEN / SCRATCH, ignore_errors=True)
        packer = Packer(rows, manifest, out / SHARDS, journal, shard_videos)
        todo = [
            row for row in rows if not is_done(row, journal.outcomes, packed=packer.is_packed(row))
        ]
        journal.forget(row.key for row in todo)
        progress.start(manifest.dataset, total=len(rows), done=len(rows) - len(todo))
        try:
            _run(todo, journal, packer, jobs, progress)
        finally:
            progress.finish()
        shards = packer.finish()
        outcomes = [(row, journal.outcomes[row.key]) for row in rows]
        shutil.rmtree(out / HIDDEN / SCRATCH, ignore_errors=True)
        if shard_videos is not None:
            _remove_empty_folders(out / FOLDER)
    work = Work(seconds=time.perf_counter() - started, jobs=jobs, keys={row.key for row in todo})
    prepared = _prepared_manifest(manifest, out, outcomes, record)
    return Prepared(manifest=prepared, report=make_report(prepared, outcomes, work, shards))


def _check_shards(videos: int) -> None:
    if videos < 1:
        raise DatasetError("write shards", found=f"{videos} videos a shard", fix="give 1 or more")
    require_webdataset()


class _Silent:
    """Progress that nobody wants to see."""

    def start(self, name: str, *, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, line: str) -> None: ...

    def finish(self) -> None: ...


def _run(
    todo: Sequence[Row], journal: Journal, packer: Packer, jobs: int, progress: PrepareProgress
) -> None:
    """Prepare rows in parallel and write down each as it gets done."""
    if not todo:
        return
    order = spread(todo)
    watch = SpaceWatch(
        order[0].task.scratch.parent, sample=SAMPLE, left=sum(row.share for row in order)
    )
    problems = 0
    tasks = [row.task for row in order]
    with closing(run_parallel(prepare_video, tasks, jobs=jobs)) as outcomes:
        for position, answer in outcomes:
            row, outcome = order[position], _outcome(order[position], answer)
            if outcome.problem:
                row.task.target.unlink(missing_ok=True)
            journal.keep(row.key, outcome)
            packer.add(row)
            progress.advance(1)
            if outcome.problem:
                problems += 1
                _tell(progress, problems, f"{row.video.path}: {outcome.problem}")
            watch.count(row.share, outcome.bytes)


def _outcome(row: Row, answer: Outcome | Died) -> Outcome:
    if not isinstance(answer, Died):
        return answer
    with suppress(OSError):
        status = row.task.source.stat()
        return Outcome(
            source_bytes=status.st_size,
            source_mtime_ns=status.st_mtime_ns,
            problem=answer.reason,
            died=True,
        )
    return Outcome(source_bytes=0, source_mtime_ns=0, problem=answer.reason, died=True)


def _tell(progress: PrepareProgress, number: int, line: str) -> None:
    if number <= _MOST_LINES:
        progress.note(f"cannot be prepared: {line}")
    elif number == _MOST_LINES + 1:
        progress.note("more that cannot be prepared are in the manifest, under unreadable")


def _prepared_manifest(
    manifest: Manifest,
    out: Path,
    outcomes: Sequence[tuple[Row, Outcome]],
    record: Mapping[str, Any],
) -> Manifest:
    videos = tuple(
        replace(
            row.video,
            path=row.target,
            start=None,
            end=None,
            frames=None if outcome.problem else outcome.frames,
        )
        for row, outcome in outcomes
    )
    notes = manifest.notes
    if "shard_videos" in record:
        notes += (f"the videos are packed in {SHARDS}/, and plain files are not there",)
    return replace(
        manifest,
        root=out,
        videos=videos,
        extra=(),
        unreadable=tuple((row.video.id, o.problem) for row, o in outcomes if o.problem),
        notes=notes,
        preparation={"source": manifest.digest, **record},
    )


def _remove_empty_folders(folder: Path) -> None:
    """Remove folders that hold nothing but empty folders."""
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()
