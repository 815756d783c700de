"""Weights folders on the Hugging Face Hub: data only, pinned to a commit."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from zsl_bench.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = ("model.safetensors", "vectors.safetensors", "config.json", "card.json", "README.md")
"""The files of a weights folder; nothing else is fetched."""

_REFERENCE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class HubSnapshot:
    """Files of a Hub repository as they were at one commit.

    Attributes:
        repo: ``org/repo``.
        commit: The commit, 40 hex digits.
        path: The folder in the Hub's cache.
    """

    repo: str
    commit: str
    path: Path

    def __str__(self) -> str:
        """Return the reference that gives these very files again."""
        return f"hub:{self.repo}@{self.commit}"


def fetch_snapshot(reference: str) -> HubSnapshot:
    """Fetch a weights folder from the Hub, or take it from the Hub's cache.

    A branch or tag is resolved to a commit, so that what is fetched is of one state and can be
    named. Without a network, or with ``HF_HUB_OFFLINE`` set, the cache serves what it has. Tokens
    are those of the Hub's own client; none is shown.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, where a revision is a commit, a branch or
            a tag; without one, the newest state.

    Raises:
        WeightsError: The reference is malformed; there is no network, no such repository or
            revision, or no permission; or the cache has not got it.
    """
    from huggingface_hub import snapshot_download

    repo, revision = parse_reference(reference)
    with _explained(repo, revision):
        path = Path(snapshot_download(repo, revision=revision, allow_patterns=list(FILES)))
    if not _COMMIT.fullmatch(path.name):
        raise WeightsError(
            f"hub:{reference}", found=f"no commit in {path}", fix="update huggingface-hub"
        )
    return HubSnapshot(repo=repo, commit=path.name, path=path)


def parse_reference(reference: str) -> tuple[str, str]:
    """Split ``org/repo@revision`` into repository and revision, ``main`` where none is given.

    Raises:
        WeightsError: It is not of that form.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or ".." in reference:
        raise WeightsError(
            f"hub:{reference}", found="no org/repo@revision", fix="spell it like hub:org/repo@v1"
        )
    return match["repo"], match["revision"] or "main"


@contextmanager
def _explained(repo: str, revision: str) -> Iterator[None]:
    """Turn what the Hub's client raises into one line; no address, header or token is repeated."""
    from huggingface_hub.errors import HfHubHTTPError

    # The client's transport errors derive from its bases, whichever HTTP library it uses.
    bases = cast("tuple[type[Exception], ...]", HfHubHTTPError.__bases__)
    expected: tuple[type[Exception], ...] = (OSError, ValueError, *bases)
    try:
        yield
    except expected as error:
        cause = error.__cause__
        answered = isinstance(cause, HfHubHTTPError) and not isinstance(error, HfHubHTTPError)
        found, fix = _explanation(cause if answered and cause is not None else error, revision)
        raise WeightsError(f"hub:{repo}@{revision}", found=found, fix=fix) from error


def _explanation(error: BaseException, revision: str) -> tuple[str, str]:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return f"no revision {revision!r} in it", "name a commit, branch or tag that it has"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "no such repository, or one that needs permission",
            "check the name; for a private or gated one ask for access and run hf auth login",
        )
    if isinstance(error, LocalEntryNotFoundError):
        return (
            "it is not in the cache and the Hub cannot be reached",
            "connect to the internet (and unset HF_HUB_OFFLINE), or give a folder with path:DIR",
        )
    if isinstance(error, HfHubHTTPError):
        return _answer(error.response.status_code)
    if isinstance(error, ValueError):
        return "a name that the Hub does not allow", "spell it like hub:org/repo@v1"
    return (
        getattr(error, "strerror", None) or f"no connection to the Hub ({type(error).__name__})",
        "connect to the internet, or give a folder with path:DIR",
    )


def _answer(status: int) -> tuple[str, str]:
    if status in {401, 403}:
        return f"the Hub refuses access ({status})", "ask for access and run hf auth login"
    if status == 429:
        return "the Hub says too many requests (429)", "wait a few minutes, or run hf auth login"
    return f"the Hub answers with status {status}", "try again later"
