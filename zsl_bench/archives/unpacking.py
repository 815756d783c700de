"""Unpacking archives, and those within them: resumable, atomic, and never outside the folder."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zsl_bench.archives.contents import ArchiveError, shown_name
from zsl_bench.archives.counting import Counter
from zsl_bench.archives.kinds import (
    Kind,
    archive_stem,
    find_archives,
    first_volume,
    is_named_so,
    kind_of,
    volumes_of,
)
from zsl_bench.archives.merging import conflicts, merge
from zsl_bench.archives.rars import RarArchive
from zsl_bench.archives.room import check_room, no_room, remove_tree
from zsl_bench.archives.state import Record, State
from zsl_bench.archives.tars import TarArchive
from zsl_bench.archives.zips import ZipArchive
from zsl_bench.errors import DatasetError, listing
from zsl_bench.files import sha256_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zsl_bench.archives.contents import Contents
    from zsl_bench.archives.counting import ArchiveProgress

MAX_DEPTH = 2
_BLOCK = 4096
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What archives gave, in this run and in earlier ones.

    Attributes:
        folder: The folder with the files.
        archives: How many archives were unpacked, those within others included.
        files: How many files they hold.
        bytes: The bytes of these files.
        skipped: How many of the archives were done already by an earlier run.
        left_out: Links and devices that were not unpacked.
    """

    folder: Path
    archives: int
    files: int
    bytes: int
    skipped: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Task:
    """An archive to unpack.

    Attributes:
        path: The archive, or its first volume.
        name: What it is called in messages.
        parent: The folder below the target that its files go to, or "".
        own_folder: Whether files that it has at its top go to a folder named after it.
        key: What its record is kept under.
        depth: In how many archives it lies.
    """

    path: Path
    name: str
    parent: str
    own_folder: bool
    key: str
    depth: int = 0


class _Archive(Protocol):
    """An archive that was opened."""

    files: int
    least_size: int
    largest_inner: int

    def extract(self, folder: Path, counter: Counter) -> Contents: ...


def unpack(archive: Path, into: Path, *, progress: ArchiveProgress | None = None) -> Unpacked:
    """Unpack an archive and the archives within it into a folder.

    The kind is told by the first bytes: rar (of either format and in volumes), zip, and tar, plain
    or compressed, whole or cut into pieces. An archive within it, such as the 51 of
    ``hmdb51_org.rar``, is unpacked where it lies and removed; where it has files at its top, they
    go to a folder named after it. Links are left out; a compressed rar with links is refused.

    An archive is unpacked into a hidden folder of ``into``, and moved to its place when it is
    whole. A run that was stopped goes on with what is not finished, and what is finished (by name,
    size and time of the archive, with all its files there in full size) is not repeated. A file
    that is there already with the same bytes stays; with others, it is an error.

    Args:
        archive: The archive, or any of its volumes.
        into: The folder, which is made where it is missing.
        progress: Told of every file.

    Raises:
        ArchiveError: An archive is damaged, cut off, encrypted or unsafe, or meets another file.
        DatasetError: There is no room or no program that unpacks rar, or a folder or file may not
            be read or written.
    """
    first = _located(archive.absolute())
    key = _key_of(volumes_of(first), parent="", own_folder=False)
    task = _Task(path=first, name=first.name, parent="", own_folder=False, key=key)
    return _unpack_all([task], into, progress)


def unpack_folder(folder: Path, into: Path, *, progress: ArchiveProgress | None = None) -> Unpacked:
    """Unpack all archives below a folder, such as the class archives of HMDB51 or Kinetics' parts.

    Each goes to the folder below ``into`` that it lies in below ``folder``; where it has files at
    its top, as the parts of Kinetics have, they go to a folder named after it. Archives that are
    damaged are named together at the end, when all others are done. See :func:`unpack`.

    Args:
        folder: The folder with the archives; it is left as it is.
        into: The folder that they are unpacked into, which is made where it is missing.
        progress: Told of every file.

    Raises:
        ArchiveError: Some of the archives cannot be unpacked.
        DatasetError: There is no archive, and as of :func:`unpack`.
    """
    archives = find_archives(folder)
    if into.resolve() != folder.resolve():
        archives = tuple(a for a in archives if not a.resolve().is_relative_to(into.resolve()))
    if not archives:
        raise DatasetError(
            f"archives in {shown_name(str(folder))}",
            found="no archives" if folder.is_dir() else "no such folder",
            fix="give the folder with the .rar, .zip or .tar.gz files",
        )
    tasks = []
    for archive in archives:
        first = _located(archive)
        parent = _below(first.parent, folder)
        key = _key_of(volumes_of(first), parent=parent, own_folder=True)
        name = f"{parent}/{first.name}" if parent else first.name
        tasks.append(_Task(path=first, name=name, parent=parent, own_folder=True, key=key))
    return _unpack_all(tasks, into, progress)


def _unpack_all(tasks: Sequence[_Task], into: Path, progress: ArchiveProgress | None) -> Unpacked:
    into = into.absolute()
    state = State(into)
    with state.locked(), _os_errors_told(into):
        state.clear({task.key for task in tasks})
        run = _Run(into, state, progress)
        tops = run.unpack_each(tasks)
        state.clear()
        records = [record for top in tops for record in state.with_inner(top)]
    return Unpacked(
        folder=into,
        archives=len(records),
        files=sum(len(record.files) for record in records),
        bytes=sum(size for record in records for _, size in record.files),
        skipped=len(records) - run.done,
        left_out=tuple(name for record in records for name in record.left_out),
    )


class _Run:
    """One run over some archives."""

    def __init__(self, into: Path, state: State, progress: ArchiveProgress | None) -> None:
        self._into = into
        self._state = state
        self._progress = progress
        self.done = 0

    def unpack_each(self, tasks: Sequence[_Task]) -> list[Record]:
        """Unpack archives; those that cannot be are told when the others are done."""
        records: list[Record] = []
        failed: list[ArchiveError] = []
        for number, task in enumerate(tasks):
            place = f" ({number + 1} of {len(tasks)})" if len(tasks) > 1 else ""
            try:
                records.append(self._unpack(task, f"{task.name}{place}"))
            except ArchiveError as error:
                failed.append(error)
        if failed:
            raise failed[0] if len(failed) == 1 else _several(failed, len(tasks))
        return records

    def _unpack(self, task: _Task, shown: str) -> Record:
        record = self._state.load(task.key)
        if record is None or not (record.is_finished and self._state.is_whole(record)):
            record = self._go_on(task, record) or self._from_scratch(task, shown)
        if task.depth:
            for volume in volumes_of(task.path):
                volume.unlink()
        return record

    def _go_on(self, task: _Task, record: Record | None) -> Record | None:
        """Finish what an earlier run unpacked and did not move, where there is such a thing."""
        waiting = self._state.waiting(task.key)
        if record is None or record.is_finished or not waiting.is_dir():
            return None
        self._unpack_inner(task, waiting)
        self._move(task, waiting)
        return self._finished(task, record) if self._state.is_whole(record) else None

    def _from_scratch(self, task: _Task, shown: str) -> Record:
        waiting = self._state.waiting(task.key)
        if waiting.exists():
            remove_tree(waiting)
        record = self._to_waiting(task, waiting, shown)
        self._unpack_inner(task, waiting)
        self._move(task, waiting)
        return self._finished(task, record)

    def _to_waiting(self, task: _Task, waiting: Path, shown: str) -> Record:
        """Unpack an archive into a folder of its own, laid out as below the target."""
        archive = _opened(task)
        inner = archive.largest_inner if task.depth < MAX_DEPTH else 0
        needed = archive.least_size + archive.files * _BLOCK + inner
        check_room(self._into, needed, what=task.name)
        with self._state.work_folder() as work:
            content = work / "content"
            content.mkdir()
            contents = self._extract(archive, content, shown)
            prefix = _prefix(task, contents)
            laid_out = work / "laid out"
            (laid_out / prefix).parent.mkdir(parents=True, exist_ok=True)
            content.rename(laid_out / prefix)
            record = _record_of(task, laid_out, prefix, contents)
            self._state.save(task.key, record)
            laid_out.rename(waiting)
        return record

    def _extract(self, archive: _Archive, content: Path, shown: str) -> Contents:
        if self._progress is None:
            return archive.extract(content, Counter(None))
        self._progress.start(f"unpacking {shown}", total=archive.files, done=0)
        try:
            return archive.extract(content, Counter(self._progress))
        finally:
            self._progress.finish()

    def _unpack_inner(self, task: _Task, waiting: Path) -> None:
        if task.depth < MAX_DEPTH:
            self.unpack_each([inner for inner, _ in _inner_tasks(task, waiting)])

    def _move(self, task: _Task, waiting: Path) -> None:
        others = [_below(path, self._into) for path in conflicts(waiting, self._into)]
        if others:
            remove_tree(waiting)
            raise ArchiveError(
                f"unpack {task.name} into {shown_name(str(self._into))}",
                found=f"other files of the same name there ({len(others):,}): {listing(others)}",
                fix="move them away, or unpack to an empty folder with --unpack-to",
            )
        merge(waiting, self._into)

    def _finished(self, task: _Task, record: Record) -> Record:
        finished = self._state.finish(task.key, record)
        remove_tree(self._state.waiting(task.key))
        self.done += 1
        if self._progress is not None and record.left_out:
            count = f"{len(record.left_out):,} ({listing(record.left_out)})"
            self._progress.note(f"{task.name}: links and devices left out: {count}")
        return finished


def _opened(task: _Task) -> _Archive:
    kind = kind_of(task.path, task.name)
    if kind is Kind.RAR:
        return RarArchive(task.path, task.name)
    if kind is Kind.ZIP:
        return ZipArchive(task.path, task.name)
    if kind is Kind.TAR:
        return TarArchive(task.path, task.name)
    raise ArchiveError(
        f"unpack {task.name}",
        found="a 7z archive, which is not read here",
        fix="unpack it with 7zz and give the folder",
    )


def _prefix(task: _Task, contents: Contents) -> str:
    """Return the folder below the target that an archive's contents go to."""
    is_flat = any("/" not in m.name and not is_named_so(m.name) for m in contents.members)
    parts = [task.parent, archive_stem(task.path) if task.own_folder and is_flat else ""]
    return "/".join(part for part in parts if part)


def _record_of(task: _Task, laid_out: Path, prefix: str, contents: Contents) -> Record:
    inner = _inner_tasks(task, laid_out) if task.depth < MAX_DEPTH else []
    apart = {volume for _, volumes in inner for volume in volumes}
    files = [(f"{prefix}/{m.name}" if prefix else m.name, m.size) for m in contents.members]
    return Record(
        archive=task.name,
        files=tuple((path, size) for path, size in files if laid_out / path not in apart),
        inner=tuple(one.key for one, _ in inner),
        left_out=tuple(map(shown_name, contents.left_out)),
    )


def _inner_tasks(task: _Task, laid_out: Path) -> list[tuple[_Task, tuple[Path, ...]]]:
    """Return the archives within one, which was unpacked as laid out, and their volumes."""
    tasks = []
    for path in find_archives(laid_out):
        volumes = volumes_of(path)
        place = _below(path, laid_out)
        inner = _Task(
            path=path,
            name=f"{path.name} in {task.name}",
            parent=_below(path.parent, laid_out),
            own_folder=True,
            key=f"{task.key}.{_digest([place, *(volume.stat().st_size for volume in volumes)])}",
            depth=task.depth + 1,
        )
        tasks.append((inner, volumes))
    return tasks


def _key_of(volumes: Sequence[Path], *, parent: str, own_folder: bool) -> str:
    files = [(volume.name, volume.stat()) for volume in volumes]
    identity = [[shown_name(name), status.st_size, status.st_mtime_ns] for name, status in files]
    return _digest([identity, shown_name(parent), own_folder])


def _digest(value: object) -> str:
    return sha256_json(value)[:24]


def _located(archive: Path) -> Path:
    if not archive.is_file():
        raise DatasetError(
            f"unpack {shown_name(str(archive))}",
            found="a folder" if archive.is_dir() else "no such file",
            fix="give an archive, such as UCF101.rar",
        )
    return first_volume(archive)


def _below(path: Path, folder: Path) -> str:
    below = path.relative_to(folder).as_posix()
    return "" if below == "." else below


def _several(failed: Sequence[ArchiveError], total: int) -> ArchiveError:
    each = (f"{error.asked.removeprefix('unpack ')} ({error.found})" for error in failed)
    return ArchiveError(
        f"unpack {total:,} archives",
        found=f"{len(failed):,} that cannot be unpacked: {listing(each)}",
        fix="get them again; the others are done and are not repeated",
    )


@contextmanager
def _os_errors_told(into: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in _FULL:
            raise no_room(f"into {shown_name(str(into))}", reason) from error
        place = f" ({shown_name(str(error.filename))})" if error.filename else ""
        raise DatasetError(
            f"unpack into {shown_name(str(into))}",
            found=f"{reason}{place}",
            fix="check the path and its permissions, or unpack to another folder with --unpack-to",
        ) from error
