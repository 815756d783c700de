"""Fetching the files of a repository: into the cache of this package, or into a folder."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError
from zsl_bench.files import cache_dir, check_writable, read_json, sha256_bytes, write_json
from zsl_bench.hub.failures import client_tools
from zsl_bench.hub.references import HubSnapshot
from zsl_bench.hub.repositories import repository_folder
from zsl_bench.hub.transfer import fetch_files, is_complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zsl_bench.hub.listing import HubFile, HubListing
    from zsl_bench.hub.transfer import Transfer

RECORD = ".zsl-bench-download.json"
"""The file that says what a downloaded folder is."""


def fetch_listed(repo: HubListing, *, progress: Transfer | None = None) -> HubSnapshot:
    """Fetch the files of a listing into the cache of this package, or find them there.

    A stopped download goes on where it was; every file is checked against the Hub's hash of it;
    nothing that is there, or in the cache of the Hub's own client, is fetched again.

    Args:
        repo: The files.
        progress: Told the bytes.

    Raises:
        DatasetError: See :func:`zsl_bench.hub.transfer.fetch_files`.
    """
    folder = repository_folder(repo.repo, repo.kind) / repo.commit
    if not is_complete(repo, folder):
        with _locked(folder):
            _take_from_clients_cache(repo, folder, by_link=True)
            fetch_files(repo, folder, progress)
    return HubSnapshot(repo=repo.repo, commit=repo.commit, path=folder)


def download_folder(
    repo: HubListing,
    out: Path,
    *,
    progress: Transfer | None = None,
    check: Callable[[Path], object] | None = None,
) -> bool:
    """Download the files of a listing into a folder, which appears whole or not at all.

    They gather in a folder beside it, ``.NAME.download``, which a later run goes on with. A folder
    that this made of the same files before is checked and left as it is. Nothing in it is a link to
    a cache.

    Args:
        repo: The files.
        out: The folder.
        progress: Told the bytes.
        check: Handed the folder with all files before it gets its name, or the one that is there;
            what it raises ends the download.

    Returns:
        Whether anything was done.

    Raises:
        DatasetError: There is something else under that name, or beside it where the files would
            gather; the folder cannot be made; or see :func:`fetch_listed`. For weights a
            WeightsError.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - links stay
    with _disk_explained(repo, out):
        if _is_download(repo, out):
            if check is not None:
                check(out)
            return False
        _check_free(repo, out)
        staging = out.with_name(f".{out.name}.download")
        with _locked(staging):
            _forget_others(repo, staging)
            _take_from_clients_cache(repo, staging, by_link=False)
            fetch_files(repo, staging, progress)
            if check is not None:
                check(staging)
            if out.exists():
                out.rmdir()
            staging.rename(out)
    return True


@contextmanager
def _disk_explained(repo: HubListing, out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise repo.error(
            f"download {repo} into {out}",
            found=error.strerror or str(error),
            fix="choose another folder with --out",
        ) from error


def _check_free(repo: HubListing, out: Path) -> None:
    """Refuse a name that is taken, by a link too, which a folder cannot be put in the place of."""
    if out.is_symlink():
        found = "a symbolic link under that name"
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        found = "something else under that name"
    else:
        return
    raise repo.error(
        f"download {repo} into {out}", found=found, fix="choose another folder with --out"
    )


def _is_download(repo: HubListing, out: Path) -> bool:
    return _record(out) == repo.to_json() and is_complete(repo, out)


def _forget_others(repo: HubListing, staging: Path) -> None:
    """Begin anew where the folder holds what is left of another download, and only there."""
    if staging.is_symlink() or (staging.exists() and not _is_ours(staging)):
        raise repo.error(
            f"download {repo} into {staging}",
            found="something that is no unfinished download",
            fix="move it away, or choose another folder with --out",
        )
    if staging.exists() and _record(staging) != repo.to_json():
        shutil.rmtree(staging)
    staging.mkdir(parents=True, exist_ok=True)
    write_json(staging / RECORD, repo.to_json())


def _is_ours(staging: Path) -> bool:
    """Return whether a folder is of a download: by its record, or as it has no more than the start.

    A process that is killed while it writes the record leaves a temporary file of that name.
    """
    if not staging.is_dir():
        return False
    record = _record(staging)
    if isinstance(record, dict) and {"repo", "commit", "files"} <= record.keys():
        return True
    return all(path.name.startswith(f".{RECORD}.") for path in staging.iterdir())


def _record(folder: Path) -> Any:  # noqa: ANN401
    try:
        return read_json(folder / RECORD, what="download record")
    except ResultError:
        return None


def _take_from_clients_cache(repo: HubListing, folder: Path, *, by_link: bool) -> None:
    """Use the files that the Hub's own client has fetched before.

    Args:
        repo: The files.
        folder: Where they go.
        by_link: Save space by hard links where the disk has them: for a cache, which nobody edits.
    """
    for file, cached in _cached(repo, folder):
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.copy")
        part.unlink(missing_ok=True)
        if not (by_link and _linked(cached, part)):
            shutil.copyfile(cached, part)
        part.replace(target)


def _linked(source: str, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _cached(repo: HubListing, folder: Path) -> Iterator[tuple[HubFile, str]]:
    from huggingface_hub import try_to_load_from_cache

    for file in repo.files:
        if (folder / file.path).exists():
            continue
        cached = try_to_load_from_cache(
            repo.repo, file.path, revision=repo.commit, repo_type=repo.kind
        )
        if isinstance(cached, str) and file.fits(Path(cached)):
            yield file, os.path.realpath(cached)


def _locked(folder: Path) -> AbstractContextManager[Any]:
    """Keep a second process from fetching into the same folder at the same time."""
    name = sha256_bytes(os.fsencode(os.path.realpath(folder)))
    locks = cache_dir() / "hub" / "locks"
    check_writable(locks)
    lock: AbstractContextManager[Any] = client_tools().WeakFileLock(locks / f"{name}.lock")
    return lock
