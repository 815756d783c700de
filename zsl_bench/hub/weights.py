"""Weights folders on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.errors import WeightsError
from zsl_bench.hub.failures import Asked, explained
from zsl_bench.hub.references import HubSnapshot, is_commit, parse_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = ("model.safetensors", "vectors.safetensors", "config.json", "card.json", "README.md")
"""The files of a weights folder; nothing else is fetched."""


def fetch_snapshot(reference: str, *, files: Sequence[str] = FILES) -> HubSnapshot:
    """Fetch a weights folder from the Hub, or take it from the Hub's cache.

    A branch or tag is resolved to a commit, so that what is fetched is of one state and can be
    named. Without a network, or with ``HF_HUB_OFFLINE`` set, the cache serves what it has. Tokens
    are those of the Hub's own client; none is shown.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, where a revision is a commit, a branch or
            a tag; without one, the newest state.
        files: Names or patterns of the files that are fetched; all others stay where they are.

    Raises:
        WeightsError: The reference is malformed; there is no network, no such repository or
            revision, or no permission; or the cache has not got it.
    """
    from huggingface_hub import snapshot_download

    repo, revision = parse_reference(reference)
    instead = "give a folder with path:DIR"
    with explained(Asked(repo=repo, revision=revision, instead=instead, error=WeightsError)):
        path = Path(snapshot_download(repo, revision=revision, allow_patterns=list(files)))
    if not is_commit(path.name):
        raise WeightsError(
            f"hub:{reference}", found=f"no commit in {path}", fix="update huggingface-hub"
        )
    return HubSnapshot(repo=repo, commit=path.name, path=path)
