"""Weights that are published on the Hub: by reference, or under a name of the bundled table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.baselines.folders import WeightsFolder, inspect_folder
from zsl_bench.baselines.weights import MODEL_FILE
from zsl_bench.errors import MissingWeightsError, WeightsError, near_matches
from zsl_bench.files import read_asset, sha256_file
from zsl_bench.hub import download_folder, list_weights, parse_reference

if TYPE_CHECKING:
    from zsl_bench.hub import HubListing, Transfer


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights on the Hub.

    Attributes:
        reference: ``org/repo`` or ``org/repo@revision``.
        sha256: Digest of the tensor file; empty to take what ``config.json`` says.
    """

    reference: str
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A weights folder that was downloaded.

    Attributes:
        repo: The repository at its commit, with the files that were fetched.
        folder: What the folder holds.
        is_new: Whether anything was done.
    """

    repo: HubListing
    folder: WeightsFolder
    is_new: bool


def published_weights(name: str) -> Published:
    """Return where the weights of a bundled model are published.

    Raises:
        MissingWeightsError: Its weights are not published.
        WeightsError: The table has no such name.
    """
    table = read_asset("weights.json")["weights"]
    if name not in table:
        given = [known for known, entry in table.items() if entry["published"] is not None]
        raise WeightsError(
            f"weights {name!r}",
            found="neither ORG/NAME nor a name under which weights are published",
            fix=near_matches(name, given) if given else "give ORG/NAME[@REVISION]",
        )
    entry = table[name]
    if entry["published"] is None:
        raise MissingWeightsError(f"model {name!r}", found="no published weights", fix=entry["how"])
    published = entry["published"]
    return Published(
        reference=f"{published['repo']}@{published['revision']}", sha256=published["sha256"]
    )


def check_published(folder: Path, published: Published) -> None:
    """Compare a tensor file with the digest that the bundled table has of it, where it has one.

    Raises:
        WeightsError: They differ.
    """
    file = folder / MODEL_FILE
    if published.sha256 and file.exists() and sha256_file(file) != published.sha256:
        raise WeightsError(
            f"weights hub:{published.reference}",
            found="a digest other than the published one",
            fix="report it",
        )


def download_weights(
    name: str, out: Path | None = None, *, progress: Transfer | None = None
) -> Downloaded:
    """Download a weights folder from the Hub, check it, and give it its name when it is whole.

    Args:
        name: ``org/repo`` or ``org/repo@revision``, with or without ``hub:``, or a name of the
            bundled table, such as ``e2e``.
        out: The folder; None for ``weights/`` and the repository's name.
        progress: Told the bytes.

    Raises:
        WeightsError: There is no such repository or revision, or no permission; the Hub cannot be
            reached; what it has is no weights folder, is damaged, or of another network.
    """
    reference = name.removeprefix("hub:")
    named = "/" not in reference and not name.startswith("hub:")
    published = published_weights(name) if named else Published(reference=reference)
    repo, _ = parse_reference(published.reference)
    found = list_weights(published.reference)
    place = Path("weights") / repo.partition("/")[2] if out is None else out

    def check(folder: Path) -> None:
        check_published(folder, published)
        inspect_folder(folder)

    is_new = download_folder(found, place, progress=progress, check=check)
    return Downloaded(repo=found, folder=inspect_folder(place), is_new=is_new)
