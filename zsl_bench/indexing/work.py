"""Which files of a manifest there are, and which of them a check still has to open."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zsl_bench.indexing.probe import WHOLE, ProbeTask, changed, look_at, probe_file, segment_of
from zsl_bench.parallel import Died, run_parallel

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from zsl_bench.indexing.probe import FileProbe, Level, Segment
    from zsl_bench.videos import Manifest

_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a manifest, by their paths below its root.

    Attributes:
        places: Where each lies.
        looks: What the disk says of each.
        segments: For those that are rows, the segments that are; empty for whole files.
    """

    places: Mapping[str, Path]
    looks: Mapping[str, FileProbe]
    segments: Mapping[str, tuple[Segment, ...]]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Look at every file without opening it."""
        places: dict[str, Path] = {}
        segments: dict[str, set[Segment]] = defaultdict(set)
        for video in manifest.videos:
            if video.path not in places:
                places[video.path] = manifest.resolve(video)
            segments[video.path].add(segment_of(video))
        for path in manifest.extra:
            place = place_of_extra(manifest.root, path)
            if place is not None:
                places.setdefault(path, place)
        return cls(
            places=places,
            looks={path: look_at(place, path) for path, place in places.items()},
            segments={path: _sorted(parts) for path, parts in segments.items()},
        )

    def to_hash(self, level: Level, *, every: bool) -> set[str]:
        """Return the files whose content is to be hashed: all, or those of equal size."""
        sizes = {path: look.size for path, look in self.looks.items() if look.problem is None}
        if every:
            return set(sizes)
        counts = Counter(sizes.values())
        return {path for path, size in sizes.items() if level != "names" and counts[size] > 1}


@dataclass(kw_only=True)
class Work:
    """What is known of the files of a manifest, and what is to be found out.

    Attributes:
        probes: What is known, by path.
        tasks: What is to be found out.
        cached: How many files nothing is to be found out of, as an earlier check has opened them.
    """

    probes: dict[str, FileProbe]
    tasks: list[ProbeTask] = field(default_factory=list)
    cached: int = 0

    @classmethod
    def plan(
        cls, files: Files, known: Mapping[str, FileProbe], *, level: Level, digest: bool
    ) -> Self:
        """Return the work that is left.

        Args:
            files: The files.
            known: What earlier checks have found of those that have not changed.
            level: How far to look.
            digest: Whether to hash all files.
        """
        work = cls(probes={path: replace(p, level=level) for path, p in files.looks.items()})
        hashed = files.to_hash(level, every=digest)
        for path, look in files.looks.items():
            if look.problem is None:
                work._add(files, path, known.get(path), level=level, hashed=path in hashed)
        return work

    def _add(
        self, files: Files, path: str, known: FileProbe | None, *, level: Level, hashed: bool
    ) -> None:
        wanted = files.segments.get(path)
        open_it = level != "names" and wanted is not None
        if known is not None:
            self.probes[path] = known
            open_it = open_it and not known.covers(level, wanted or ())
        hash_it = hashed and (known is None or known.sha256 is None)
        if open_it or hash_it:
            before = () if known is None else ((p.start, p.end) for p in known.segments)
            self.tasks.append(
                ProbeTask(
                    place=files.places[path],
                    path=path,
                    level=level if open_it else "names",
                    digest=hash_it,
                    segments=_sorted({*(wanted or ()), *before}),
                )
            )
        elif known is not None:
            self.cached += 1

    def results(self, jobs: int) -> Generator[tuple[ProbeTask, FileProbe, bool]]:
        """Do the tasks, putting what they find into ``probes``.

        Yields:
            A task, what is known of its file now, and whether that will stay so.
        """
        with closing(run_parallel(probe_file, self.tasks, jobs=jobs)) as found:
            for position, probe in found:
                task = self.tasks[position]
                known = self.probes[task.path]
                if isinstance(probe, Died):
                    reason = f"decoding it does not end well: {probe.reason}"
                    known = replace(known, level=task.level, problem="undecodable", reason=reason)
                else:
                    known = _merged(known, probe, task)
                self.probes[task.path] = known
                lasting = not isinstance(probe, Died) and known.problem not in _PASSING
                yield task, known, lasting


_PASSING = ("changing", "unreachable")


def _merged(known: FileProbe, found: FileProbe, task: ProbeTask) -> FileProbe:
    same = (known.size, known.mtime_ns) == (found.size, found.mtime_ns)
    if not same and task.level == "names":
        return changed(found)
    if not same or found.problem in _PASSING:
        return found
    if task.level == "names":
        judged = known.opened or known.problem is not None
        return replace(known, sha256=found.sha256, level=known.level if judged else "names")
    return replace(found, sha256=found.sha256 or known.sha256)


def _sorted(segments: set[Segment]) -> tuple[Segment, ...]:
    return tuple(sorted(segments - {WHOLE}, key=lambda s: (s[0] or 0.0, s[1] or 0.0, str(s))))


def place_of_extra(root: Path, path: str) -> Path | None:
    r"""Return where an extra file lies, or None where its path leads out of the root.

    The path is shown with ``\xNN`` for bytes that are not UTF-8; it is turned back.
    """
    base = os.path.abspath(root)  # noqa: PTH100 - must not follow links
    for name in (path, _unescaped(path)):
        place = Path(os.path.normpath(Path(base) / name))
        if not place.is_relative_to(base):
            return None
        if os.path.lexists(place):
            return place
    return Path(os.path.normpath(Path(base) / path))


def _unescaped(path: str) -> str:
    raw = _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), os.fsencode(path))
    return os.fsdecode(raw)
