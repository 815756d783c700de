"""Data sets on the Hub: listed at one commit, fetched into the cache or into a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.files import cache_dir, check_writable, read_json, sha256_bytes, write_json
from zsl_bench.hub.failures import Asked, client_tools, explained, was_answered
from zsl_bench.hub.listing import HubFile, HubListing, check_paths
from zsl_bench.hub.references import HubSnapshot, is_commit, parse_reference
from zsl_bench.hub.transfer import fetch_files, is_complete

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from zsl_bench.hub.transfer import Transfer

RECORD = ".zsl-bench-download.json"
"""The file that says what a downloaded folder is."""


def list_data(reference: str) -> HubListing:
    """List the files of a data set on the Hub, at the commit that the reference stands for.

    What the Hub said is kept, so that a listing of a commit, and of what a branch or tag last stood
    for, is there without a network, too.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, with or without ``hub:``.

    Raises:
        DatasetError: The reference is malformed; there is no such data set or revision, or no
            permission; the Hub cannot be reached, and no listing was kept.
    """
    repo, revision = parse_reference(reference.removeprefix("hub:"), error=DatasetError)
    if is_commit(revision) and (kept := _kept(repo, revision)) is not None:
        return kept
    try:
        found = _ask_hub(repo, revision)
    except DatasetError as error:
        commit = _revisions(repo).get(revision)
        kept = None if commit is None or was_answered(error) else _kept(repo, commit)
        if kept is None:
            raise
        return kept
    _keep(found, revision)
    return found


def fetch_data(
    reference: str, *, patterns: Sequence[str] | None = None, progress: Transfer | None = None
) -> HubSnapshot:
    """Fetch files of a data set on the Hub into the cache of this package.

    Only data files are fetched, never code. A stopped download goes on where it was; every file is
    checked against the Hub's hash of it; nothing that is there is fetched again.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, with or without ``hub:``.
        patterns: Which files, such as ``data/test-*``; None for all.
        progress: Told the bytes.

    Raises:
        DatasetError: See :func:`list_data`; no file fits; a file is damaged; the disk is full.
    """
    return fetch_listed(list_data(reference).select(patterns), progress=progress)


def fetch_listed(repo: HubListing, *, progress: Transfer | None = None) -> HubSnapshot:
    """Fetch the files of a listing into the cache of this package; see :func:`fetch_data`."""
    folder = _repo_folder(repo.repo) / repo.commit
    if not is_complete(repo, folder):
        with _locked(folder):
            _take_from_clients_cache(repo, folder)
            fetch_files(repo, folder, progress)
    return HubSnapshot(repo=repo.repo, commit=repo.commit, path=folder)


def download_folder(repo: HubListing, out: Path, *, progress: Transfer | None = None) -> bool:
    """Download the files of a listing into a folder, which appears whole or not at all.

    They gather in a folder beside it, ``.NAME.download``, which a later run goes on with. A folder
    that this made of the same files before is left as it is.

    Args:
        repo: The files.
        out: The folder.
        progress: Told the bytes.

    Returns:
        Whether anything was done.

    Raises:
        DatasetError: There is something else under that name; or see :func:`fetch_data`.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - links stay
    if _is_download(repo, out):
        return False
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(
            f"download {repo} into {out}",
            found="something else under that name",
            fix="choose another folder with --out",
        )
    staging = out.with_name(f".{out.name}.download")
    with _locked(staging):
        _forget_others(repo, staging)
        _take_from_clients_cache(repo, staging)
        fetch_files(repo, staging, progress)
        if out.exists():
            out.rmdir()
        staging.rename(out)
    return True


def _is_download(repo: HubListing, out: Path) -> bool:
    return _record(out) == repo.to_json() and is_complete(repo, out)


def _forget_others(repo: HubListing, staging: Path) -> None:
    """Begin anew where the folder holds what is left of another download."""
    if staging.exists() and _record(staging) != repo.to_json():
        shutil.rmtree(staging)
    write_json(staging / RECORD, repo.to_json())


def _record(folder: Path) -> Any:  # noqa: ANN401
    try:
        return read_json(folder / RECORD, what="download record")
    except ResultError:
        return None


def _ask_hub(repo: str, revision: str) -> HubListing:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    instead = "give a folder on the disk"
    with explained(Asked(repo=repo, revision=revision, instead=instead, error=DatasetError)):
        commit = api.dataset_info(repo, revision=revision).sha or ""
        tree = api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
        files = tuple(_file(entry) for entry in tree if isinstance(entry, RepoFile))
    found = HubListing(
        repo=repo, commit=commit, files=tuple(sorted(files, key=lambda file: file.path))
    )
    if not is_commit(commit):
        raise DatasetError(str(found), found="no commit", fix="update huggingface-hub")
    check_paths(found)
    return found


def _file(entry: Any) -> HubFile:  # noqa: ANN401
    if entry.lfs is None:
        return HubFile(path=entry.path, size=entry.size, blob=entry.blob_id)
    return HubFile(path=entry.path, size=entry.lfs.size, sha256=entry.lfs.sha256)


def _repo_folder(repo: str) -> Path:
    return cache_dir() / "hub" / f"datasets--{repo.replace('/', '--')}"


def _revisions(repo: str) -> dict[str, str]:
    try:
        return dict(read_json(_repo_folder(repo) / "revisions.json", what="list of revisions"))
    except ResultError:
        return {}


def _keep(found: HubListing, revision: str) -> None:
    folder = _repo_folder(found.repo)
    write_json(folder / f"{found.commit}.json", found.to_json())
    write_json(folder / "revisions.json", {**_revisions(found.repo), revision: found.commit})


def _kept(repo: str, commit: str) -> HubListing | None:
    path = _repo_folder(repo) / f"{commit}.json"
    try:
        return HubListing.from_json(read_json(path, what="listing"))
    except (ResultError, KeyError, TypeError):
        return None


def _take_from_clients_cache(repo: HubListing, folder: Path) -> None:
    """Use the files that the Hub's own client has fetched before."""
    for file, cached in _cached(repo, folder):
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.copy")
        part.unlink(missing_ok=True)
        try:
            os.link(cached, part)
        except OSError:
            shutil.copyfile(cached, part)
        part.replace(target)


def _cached(repo: HubListing, folder: Path) -> Iterator[tuple[HubFile, str]]:
    from huggingface_hub import try_to_load_from_cache

    for file in repo.files:
        if (folder / file.path).exists():
            continue
        cached = try_to_load_from_cache(
            repo.repo, file.path, revision=repo.commit, repo_type="dataset"
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
