"""Archives into a folder: whole or not at all, resumable, archives inside archives included."""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.archives.contents import STATE_FOLDER, ArchiveError
from zsl_bench.archives.extraction import extract, files_below
from zsl_bench.archives.kinds import (
    archive_stem,
    find_archives,
    first_volume,
    is_archive,
    pieces_of,
)
from zsl_bench.errors import ResultError, listing
from zsl_bench.files import check_writable, read_json, sha256_json, write_json

if TYPE_CHECKING:
    from zsl_bench.archives.counting import ArchiveProgress


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What unpacking came to.

    Attributes:
        folder: Where the files are.
        archives: How many archives there were, those inside of archives included.
        files: Their files.
        bytes: Size of these files.
        skipped: How many of the archives were done from before.
    """

    folder: Path
    archives: int = 0
    files: int = 0
    bytes: int = 0
    skipped: int = 0

    def plus(self, other: Unpacked) -> Unpacked:
        """Return the sum with another one."""
        return Unpacked(
            folder=self.folder,
            archives=self.archives + other.archives,
            files=self.files + other.files,
            bytes=self.bytes + other.bytes,
            skipped=self.skipped + other.skipped,
        )


def unpack(archive: Path, into: Path, *, progress: ArchiveProgress | None = None) -> Unpacked:
    """Unpack an archive into a folder, and the archives inside it.

    An archive is unpacked beside its place and moved there when it is whole. What is finished is
    recorded, by name, size and time of change, and not done again. An archive inside (the 51 rar
    files of HMDB51) goes to where it lies, in a folder of its own name unless it has one single
    folder at its top, and is removed. Links and devices are left out.

    Args:
        archive: A rar, zip or tar file, or any volume of one.
        into: The folder; made where it is missing.
        progress: Told of the files.

    Raises:
        ArchiveError: An archive is damaged, unsafe, encrypted or too large for the disk, or no
            program unpacks it; or it would overwrite another file.
        ResultError: The folder cannot be written to.
    """
    check_writable(into)
    return _unpack(first_volume(archive), into, into, progress, own_folder=False)


def unpack_folder(folder: Path, into: Path, *, progress: ArchiveProgress | None = None) -> Unpacked:
    """Unpack every archive below a folder, to the same place below another one.

    Archives are treated as those inside of an archive; none is removed.

    Raises:
        ArchiveError: There is none, or as for :func:`unpack`.
        ResultError: The folder cannot be written to.
    """
    check_writable(into)
    target = into.resolve()
    archives = [a for a in find_archives(folder) if not a.resolve().is_relative_to(target)]
    if not archives:
        raise ArchiveError(
            f"unpack {folder}", found="no archives", fix="give a folder with rar, zip or tar files"
        )
    total = Unpacked(folder=into)
    for archive in archives:
        place = into / archive.parent.relative_to(folder)
        total = total.plus(_unpack(archive, place, into, progress, own_folder=True))
    return total


def _unpack(
    archive: Path, place: Path, into: Path, progress: ArchiveProgress | None, *, own_folder: bool
) -> Unpacked:
    """Unpack one archive, and those inside it, to a place below the folder with the records."""
    names = [path.name for path in _volumes(archive)]
    key = sha256_json([names[:1], place.relative_to(into).as_posix()])[:16]
    state = into / STATE_FOLDER
    state.mkdir(parents=True, exist_ok=True)
    record_file, inner = state / f"{key}.json", state / f"{key}.inner"
    record, skipped = _recorded(record_file, archive), 1
    if record is None:
        record, skipped = _fresh(archive, place, state / f"{key}.part", inner, progress), 0
        if own_folder and not record["single"]:
            record["top"] = archive_stem(archive)
        _move(archive, state / f"{key}.part", place / record["top"])
        write_json(record_file, record)
    shutil.rmtree(state / f"{key}.part", ignore_errors=True)
    total = Unpacked(
        folder=into,
        archives=1,
        files=record["files"],
        bytes=record["bytes"],
        skipped=skipped,
    )
    for name in record["inner"]:
        nested = inner / name
        below = place / record["top"] / Path(name).parent
        total = total.plus(_unpack(nested, below, into, progress, own_folder=True))
        nested.unlink(missing_ok=True)
    shutil.rmtree(inner, ignore_errors=True)
    return total


def _fresh(
    archive: Path, place: Path, part: Path, inner: Path, progress: ArchiveProgress | None
) -> dict[str, Any]:
    """Unpack into a folder of its own, put archives inside aside, and say what there is."""
    for folder in (part, inner):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        left_out = extract(archive, part, progress)
    except OSError as error:
        raise ResultError(
            f"unpack {archive.name} to {place}",
            found=error.strerror or str(error),
            fix="free some space or choose another place with --unpack-to; the same command goes "
            "on from there",
        ) from error
    finally:
        if progress is not None:
            progress.finish()
    if left_out and progress is not None:
        progress.note(f"{archive.name}: left out, links and devices: {listing(left_out)}")
    tops = list(part.iterdir())
    single = len(tops) == 1 and tops[0].is_dir()
    for file in files_below(part):
        if is_archive(file):
            aside = inner / file.relative_to(part)
            aside.parent.mkdir(parents=True, exist_ok=True)
            file.replace(aside)
    nested = find_archives(inner) if inner.is_dir() else ()
    files = files_below(part)
    return {
        "archive": archive.name,
        "stamp": _stamp(archive),
        "single": single,
        "top": "",
        "inner": [path.relative_to(inner).as_posix() for path in nested],
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
    }


def _move(archive: Path, part: Path, place: Path) -> None:
    for file in files_below(part):
        target = place / file.relative_to(part)
        if target.exists() and not filecmp.cmp(file, target, shallow=False):
            raise ArchiveError(
                f"unpack {archive.name}",
                found=f"another file is already at {target}",
                fix="move it away, or unpack to an empty folder with --unpack-to",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def _volumes(archive: Path) -> tuple[Path, ...]:
    return pieces_of(archive) if archive.is_file() else (archive,)


def _stamp(archive: Path) -> list[list[object]]:
    """Return name, size and time of change of an archive's first volume or its pieces."""
    stats = [(path.name, path.stat()) for path in _volumes(archive)]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in stats]


def _recorded(file: Path, archive: Path) -> dict[str, Any] | None:
    """Return the record of an archive that was unpacked before and has not changed since."""
    if not file.exists():
        return None
    try:
        record = read_json(file, what="record of unpacking")
    except ResultError:
        return None
    if not isinstance(record, dict) or (archive.is_file() and record["stamp"] != _stamp(archive)):
        return None
    return record
