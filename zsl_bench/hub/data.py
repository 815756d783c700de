"""Data sets on the Hub: listed at one commit, fetched into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.hub.fetching import fetch_listed
from zsl_bench.hub.listing import DATASET
from zsl_bench.hub.repositories import list_repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.hub.listing import HubListing
    from zsl_bench.hub.references import HubSnapshot
    from zsl_bench.hub.transfer import Transfer


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
    return list_repository(reference, DATASET, instead="give a folder on the disk")


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
