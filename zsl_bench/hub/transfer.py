"""Fetching files of the Hub: resumed where they were cut off, checked before they get their name.

The Hub's own client throws a half-fetched file away when its process ends (huggingface-hub 2), so
the parts are kept here, and its ``http_get`` goes on behind them.
"""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, BinaryIO, Protocol

from zsl_bench.hub.failures import Asked, client_tools, explained, quiet_client

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.hub.listing import HubFile, HubListing

_AT_ONCE = 8
_MARGIN = 64 << 20
_MOST_BY_HTTP = 50_000_000_000
_PART = ".part"


class Transfer(Protocol):
    """Told how a download is getting on, in bytes."""

    def start(self, name: str, *, total: int, done: int) -> None:
        """A download of ``total`` bytes begins, of which ``done`` are there already."""
        ...

    def advance(self, size: int) -> None:
        """That many more bytes are there; fewer where some had to be thrown away."""
        ...

    def note(self, line: str) -> None:
        """Something that a person should know."""
        ...

    def finish(self) -> None:
        """The download is done, or stopping."""
        ...


class NoTransfer:
    """A transfer that says nothing."""

    def start(self, name: str, *, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, size: int) -> None:
        """Say nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


class _StoppedError(OSError):
    """A transfer is to end, as another one failed or the user stopped all."""


class _Counted:
    """A file that reports what is written to it, and refuses more once all are to stop."""

    def __init__(self, stream: BinaryIO, progress: Transfer, stop: threading.Event) -> None:
        self._stream = stream
        self._progress = progress
        self._stop = stop

    def write(self, data: bytes) -> int:
        """Write some bytes."""
        if self._stop.is_set():
            raise _StoppedError
        size = self._stream.write(data)
        self._progress.advance(size)
        return size

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def seek(self, position: int) -> int:
        """Go to a position: where the server sends the whole again instead of the rest."""
        self._progress.advance(position - self._stream.tell())
        return self._stream.seek(position)

    def truncate(self) -> int:
        """Cut the file off at the position."""
        return self._stream.truncate()


def fetch_files(repo: HubListing, folder: Path, progress: Transfer | None = None) -> None:
    """Fetch the files of a listing into a folder.

    A file that is there under its name with the right size is complete: it got the name only after
    its hash was found to be the Hub's. What a stopped download left of a file is gone on from by a
    range request. Several files come at once.

    Args:
        repo: The files.
        folder: Where they go, under the paths that they have in the repository.
        progress: Told the bytes.

    Raises:
        DatasetError: The Hub cannot be reached or refuses, a file is not what the Hub's hash says,
            or the disk has no space for the rest. For weights a WeightsError.
    """
    told = progress or NoTransfer()
    absent = [file for file in repo.files if not _is_there(folder / file.path, file)]
    if not absent:
        return
    have = sum(_size(_part_of(folder / file.path)) for file in absent)
    left = sum(file.size for file in absent)
    _check_space(repo, folder, left - have)
    told.start(str(repo), total=repo.size, done=repo.size - left + have)
    try:
        with quiet_client(), explained(_asked(repo)):
            _fetch_all(repo, absent, folder, told)
    finally:
        told.finish()


def is_complete(repo: HubListing, folder: Path) -> bool:
    """Return whether all files of a listing are in a folder."""
    return all(_is_there(folder / file.path, file) for file in repo.files)


def _asked(repo: HubListing) -> Asked:
    return Asked(
        repo=repo.repo,
        revision=repo.commit,
        instead="try again later: what was fetched is kept",
        error=repo.error,
    )


def _fetch_all(
    repo: HubListing, files: Sequence[HubFile], folder: Path, progress: Transfer
) -> None:
    stop = threading.Event()
    counted = _Locked(progress)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        try:
            tasks = [pool.submit(_fetch, repo, file, folder, counted, stop) for file in files]
            wait(tasks, return_when=FIRST_EXCEPTION)
            failures = [task.exception() for task in tasks if task.done()]
            failed = next((error for error in failures if error is not None), None)
            if failed is not None:
                raise failed
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


class _Locked(NoTransfer):
    """Passes on what several threads report, one at a time."""

    def __init__(self, progress: Transfer) -> None:
        self._progress = progress
        self._lock = threading.Lock()

    def advance(self, size: int) -> None:
        """Pass it on."""
        with self._lock:
            self._progress.advance(size)


def _fetch(
    repo: HubListing, file: HubFile, folder: Path, progress: Transfer, stop: threading.Event
) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get

    target = folder / file.path
    part = _part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    have = _size(part)
    if have > file.size:
        progress.advance(-have)
        part.unlink()
        have = 0
    _check_size(repo, file, have)
    url = hf_hub_url(repo.repo, file.path, repo_type=repo.kind, revision=repo.commit)
    with part.open("ab", buffering=0) as stream:
        http_get(
            url,
            _Counted(stream, progress, stop),  # type: ignore[arg-type]
            resume_size=have,
            headers={**client_tools().build_hf_headers(), "Accept-Encoding": "identity"},
            expected_size=file.size,
        )
        os.fsync(stream.fileno())
    if not file.fits(part):
        part.unlink()
        raise repo.error(
            f"{file.path} of {repo}",
            found="another content than the Hub has the hash of",
            fix="fetch it again; if it fails again, tell the repository's owners",
        )
    part.replace(target)


def _check_size(repo: HubListing, file: HubFile, have: int) -> None:
    if file.size > _MOST_BY_HTTP and have == 0:
        raise repo.error(
            f"{file.path} of {repo}",
            found="more than 50 GB, which the Hub does not send in one piece",
            fix=f"run hf download --repo-type {repo.kind} {repo.repo} {file.path}",
        )


def _check_space(repo: HubListing, folder: Path, needed: int) -> None:
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed + _MARGIN > free:
        raise repo.error(
            f"fetch {repo} into {folder}",
            found=f"{free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB to come",
            fix="free some space, choose another place, or fetch fewer files",
        )


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}{_PART}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_there(path: Path, file: HubFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size
