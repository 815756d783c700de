"""Checking every file of a manifest: in parallel, going on where a stopped check was."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, TypedDict

from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.indexing.cache import ProbeCache
from zsl_bench.indexing.findings import find_problems
from zsl_bench.indexing.probe import LEVELS, segment_of
from zsl_bench.indexing.progress import Silent
from zsl_bench.indexing.work import Files, Work
from zsl_bench.parallel import default_jobs
from zsl_bench.video import decoder_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.indexing.findings import Finding
    from zsl_bench.indexing.probe import FileProbe, Level
    from zsl_bench.indexing.progress import IndexProgress
    from zsl_bench.videos import Manifest


class CheckArguments(TypedDict, total=False):
    """The keyword arguments of :func:`check_manifest` that say how to check."""

    level: Level
    digest: bool
    min_frames: int
    jobs: int | None
    use_cache: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Check:
    """What a check of a manifest found.

    Attributes:
        manifest: The manifest, with the frame counts of its rows and those that cannot be read.
        level: How far the check looked.
        probes: What each file is, by its path below the root, extra files included.
        findings: What is wrong or odd, the worst kind first.
        seconds: How long the check took.
        probed: How many files were opened.
        cached: How many files were known from earlier checks.
        jobs: In how many processes files were opened.
        notes: What a person should know of the check itself, a sentence each.
    """

    manifest: Manifest
    level: Level
    probes: Mapping[str, FileProbe]
    findings: tuple[Finding, ...]
    seconds: float
    probed: int
    cached: int
    jobs: int
    notes: tuple[str, ...] = ()


def check_manifest(  # noqa: PLR0913
    manifest: Manifest,
    *,
    level: Level = "quick",
    digest: bool = False,
    min_frames: int = 16,
    jobs: int | None = None,
    use_cache: bool = True,
    progress: IndexProgress | None = None,
) -> Check:
    """Check every file of a manifest.

    Args:
        manifest: The videos.
        level: ``names`` opens no file. ``quick`` reads header, first frame and all packets, and
            finds what an evaluation would call unreadable, apart from damage inside of packets.
            ``decode`` decodes every frame and finds that as well.
        digest: Hash all files; else only those of equal size, and under ``names`` none.
        min_frames: Name videos with fewer frames than this.
        jobs: How many processes open files; None for as many as there are processors.
        use_cache: Whether to pass over files that an earlier check has opened and that have not
            changed since, and to keep what is found for a later one.
        progress: Told how the check is getting on.

    Raises:
        ZslBenchError: An argument is not what it should be, or no process can be started.
    """
    _check_arguments(level, jobs)
    begun, told = time.monotonic(), progress or Silent()
    files = Files.of(manifest)
    reader = f"{decoder_id()} pillow {metadata.version('pillow')}"
    with ProbeCache(reader) if use_cache else nullcontext() as cache:
        known = {} if cache is None else cache.find(files.places, files.looks)
        work = Work.plan(files, known, level=level, digest=digest)
        jobs = min(jobs or default_jobs(), max(len(work.tasks), 1))
        _do(work, jobs, cache, told, manifest.dataset)
    notes = () if cache is None else tuple(cache.notes)
    for note in notes:
        told.note(note)
    return Check(
        manifest=_judged(manifest, work.probes, level),
        level=level,
        probes=work.probes,
        findings=find_problems(manifest, work.probes, min_frames=min_frames),
        seconds=time.monotonic() - begun,
        probed=len(work.tasks),
        cached=work.cached,
        jobs=jobs,
        notes=notes,
    )


def _check_arguments(level: str, jobs: int | None) -> None:
    if level not in LEVELS:
        raise ZslBenchError(
            f"check level {level!r}", found="no such level", fix=near_matches(level, LEVELS)
        )
    if jobs is not None and jobs < 1:
        raise ZslBenchError(f"{jobs} jobs", found="no process to work", fix="give 1 or more")


def _do(
    work: Work, jobs: int, cache: ProbeCache | None, progress: IndexProgress, name: str
) -> None:
    total = len(work.tasks) + work.cached
    if not total:
        return
    progress.start(name, total=total, done=work.cached)
    try:
        with closing(work.results(jobs)) as results:
            for task, probe, lasting in results:
                if cache is not None and lasting:
                    cache.add(task.place, probe)
                progress.advance(1)
    finally:
        progress.finish()


def _judged(manifest: Manifest, probes: Mapping[str, FileProbe], level: Level) -> Manifest:
    """Return the manifest with what the probes say of its rows.

    A check that opens no file has nothing to say against what an earlier one has found.
    """
    unreadable = dict(manifest.unreadable) if level == "names" else {}
    videos = []
    for video in manifest.videos:
        part = probes[video.path].part(segment_of(video))
        if part.problem is not None:
            unreadable[video.id] = part.reason
        known = part.problem is None and part.frames is not None
        videos.append(replace(video, frames=part.frames) if known else video)
    return replace(manifest, videos=tuple(videos), unreadable=tuple(unreadable.items()))
