"""Weights folders on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.errors import ResultError, WeightsError, one_line
from zsl_bench.files import read_json, sha256_file
from zsl_bench.hub.failures import Asked, explained, quiet_client, was_answered
from zsl_bench.hub.fetching import fetch_listed
from zsl_bench.hub.listing import MODEL, HubFile, HubListing
from zsl_bench.hub.references import HubSnapshot, is_commit, parse_reference
from zsl_bench.hub.repositories import list_repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.hub.transfer import Transfer

FILES = ("model.safetensors", "vectors.safetensors", "config.json", "card.json", "README.md")
"""The files of a weights folder; nothing else is fetched."""
_CARD, _CONFIG, _OPEN_CLIP = "card.json", "config.json", "open_clip_config.json"
_INSTEAD = "give a folder with path:DIR"


def fetch_snapshot(
    reference: str, *, files: Sequence[str] = FILES, progress: Transfer | None = None
) -> HubSnapshot:
    """Fetch files of a model on the Hub, or take them from a cache.

    A branch or tag is resolved to a commit, so that what is fetched is of one state and can be
    named. A stopped download goes on where it was, and every file is checked against the Hub's hash
    of it. Without a network, or with ``HF_HUB_OFFLINE`` set, this package's cache and that of the
    Hub's own client serve what they have. Tokens are those of the Hub's client; none is shown.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, where a revision is a commit, a branch or
            a tag; without one, the newest state.
        files: Names or patterns of the files that are fetched; all others stay where they are.
        progress: Told the bytes.

    Raises:
        WeightsError: The reference is malformed; there is no network, no such repository or
            revision, or no permission; a file is damaged; or no cache has it.
    """
    try:
        found = list_repository(reference, MODEL, instead=_INSTEAD)
    except WeightsError as error:
        return _cached_instead(reference, files, error)
    return fetch_listed(found.named(files), progress=progress)


def list_weights(reference: str) -> HubListing:
    """List the files of a weights folder on the Hub, at the commit that the reference stands for.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``, with or without ``hub:``.

    Raises:
        WeightsError: As :func:`fetch_snapshot`; or the repository holds no weights folder. Where it
            is a model of a library, the message says how that is named.
    """
    try:
        found = list_repository(reference, MODEL, instead=_INSTEAD)
    except WeightsError as error:
        found = _as_listing(_cached_instead(reference, FILES, error))
    names = {file.path for file in found.files}
    if _CARD in names:
        return found.named(FILES)
    if _OPEN_CLIP in names:
        raise _foreign(found, "open_clip", "a model of open_clip")
    if _CONFIG in names:
        config = _content(fetch_listed(found.only({_CONFIG})).path / _CONFIG)
        if "model_type" in config or "architectures" in config:
            kind = one_line(str(config.get("model_type") or "no type"))
            raise _foreign(found, "transformers", f"a model of transformers ({kind})")
    raise WeightsError(
        str(found),
        found=f"no weights folder: it has no {_CARD}",
        fix=f"name a repository with {', '.join(FILES[i] for i in (0, 2, 3))}, "
        "as zsl-bench push makes it",
    )


def fetch_weights(reference: str, *, progress: Transfer | None = None) -> HubSnapshot:
    """Fetch a weights folder from the Hub, or take it from a cache; see :func:`fetch_snapshot`.

    Raises:
        WeightsError: As :func:`list_weights`, or a file is damaged.
    """
    return fetch_listed(list_weights(reference), progress=progress)


def _from_clients_cache(reference: str, files: Sequence[str]) -> HubSnapshot:
    """Find what the Hub's own client has fetched before."""
    from huggingface_hub import snapshot_download

    repo, revision = parse_reference(reference.removeprefix("hub:"))
    asked = Asked(repo=repo, revision=revision, instead=_INSTEAD, error=WeightsError)
    with quiet_client(), explained(asked):
        path = Path(
            snapshot_download(
                repo, revision=revision, allow_patterns=list(files), local_files_only=True
            )
        )
    if not is_commit(path.name):
        raise WeightsError(str(asked), found=f"no commit in {path}", fix="update huggingface-hub")
    return HubSnapshot(repo=repo, commit=path.name, path=path)


def _cached_instead(reference: str, files: Sequence[str], refused: WeightsError) -> HubSnapshot:
    """Take from the client's cache what the Hub did not tell of, unless it said no to it.

    Raises:
        WeightsError: What the Hub answered; or nobody did, and no cache has it.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if refused.__cause__ is None or was_answered(refused):
        raise refused
    try:
        return _from_clients_cache(reference, files)
    except WeightsError:
        if isinstance(refused.__cause__, HfHubHTTPError):
            raise refused from refused.__cause__
        raise


def _as_listing(snapshot: HubSnapshot) -> HubListing:
    files = [
        HubFile(path=path.name, size=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(snapshot.path.iterdir())
        if path.is_file()
    ]
    return HubListing(repo=snapshot.repo, commit=snapshot.commit, files=tuple(files), kind=MODEL)


def _foreign(found: HubListing, library: str, what: str) -> WeightsError:
    name = str(found).removeprefix("hub:")
    return WeightsError(
        str(found),
        found=f"{what}, and no weights folder of zsl-bench",
        fix=f"name it {library}:{name}",
    )


def _content(path: Path) -> dict[str, object]:
    try:
        content = read_json(path, what=path.name)
    except ResultError:
        return {}
    return content if isinstance(content, dict) else {}
