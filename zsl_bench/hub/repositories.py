"""Listing a repository on the Hub at one commit, and keeping what the Hub said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError
from zsl_bench.files import cache_dir, read_json, write_json
from zsl_bench.hub.failures import Asked, explained, was_answered
from zsl_bench.hub.listing import HubFile, HubListing, check_paths, error_of
from zsl_bench.hub.references import is_commit, parse_reference

if TYPE_CHECKING:
    from pathlib import Path


def list_repository(reference: str, kind: str, *, instead: str) -> HubListing:
    """List the files of a repository on the Hub, at the commit that a reference stands for.

    What the Hub said is kept, so that a listing of a commit, and of what a branch or tag last stood
    for, is there without a network, too.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, with or without ``hub:``.
        kind: ``dataset`` or ``model``.
        instead: What a user can do without the Hub, as the end of a sentence.

    Raises:
        DatasetError: The reference is malformed; there is no such data set or revision, or no
            permission; the Hub cannot be reached, and no listing was kept. For a model a
            WeightsError.
    """
    error = error_of(kind)
    repo, revision = parse_reference(reference.removeprefix("hub:"), error=error)
    if is_commit(revision) and (kept := _kept(repo, kind, revision)) is not None:
        return kept
    asked = Asked(repo=repo, revision=revision, instead=instead, error=error)
    try:
        found = _ask_hub(asked, kind)
    except error as refused:
        commit = _revisions(repo, kind).get(revision)
        kept = None if commit is None or was_answered(refused) else _kept(repo, kind, commit)
        if kept is None:
            raise
        return kept
    _keep(found, revision)
    return found


def repository_folder(repo: str, kind: str) -> Path:
    """Return the folder of this package's cache where a repository's files go."""
    return cache_dir() / "hub" / f"{kind}s--{repo.replace('/', '--')}"


def _ask_hub(asked: Asked, kind: str) -> HubListing:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    with explained(asked):
        commit = api.repo_info(asked.repo, revision=asked.revision, repo_type=kind).sha or ""
        tree = api.list_repo_tree(asked.repo, recursive=True, revision=commit, repo_type=kind)
        files = tuple(_file(entry) for entry in tree if isinstance(entry, RepoFile))
    found = HubListing(
        repo=asked.repo,
        commit=commit,
        files=tuple(sorted(files, key=lambda file: file.path)),
        kind=kind,
    )
    if not is_commit(commit):
        raise asked.error(str(found), found="no commit", fix="update huggingface-hub")
    check_paths(found)
    return found


def _file(entry: Any) -> HubFile:  # noqa: ANN401
    if entry.lfs is None:
        return HubFile(path=entry.path, size=entry.size, blob=entry.blob_id)
    return HubFile(path=entry.path, size=entry.lfs.size, sha256=entry.lfs.sha256)


def _revisions(repo: str, kind: str) -> dict[str, str]:
    try:
        return dict(
            read_json(repository_folder(repo, kind) / "revisions.json", what="list of revisions")
        )
    except ResultError:
        return {}


def _keep(found: HubListing, revision: str) -> None:
    folder = repository_folder(found.repo, found.kind)
    write_json(folder / f"{found.commit}.json", found.to_json())
    revisions = {**_revisions(found.repo, found.kind), revision: found.commit}
    write_json(folder / "revisions.json", revisions)


def _kept(repo: str, kind: str, commit: str) -> HubListing | None:
    path = repository_folder(repo, kind) / f"{commit}.json"
    try:
        return HubListing.from_json(read_json(path, what="listing"))
    except (ResultError, KeyError, TypeError):
        return None
