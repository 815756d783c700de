"""The Hugging Face Hub: weights folders and data sets, data only, pinned to a commit."""

from __future__ import annotations

from zsl_bench.hub.data import (
    download_folder,
    fetch_data,
    fetch_listed,
    list_data,
)
from zsl_bench.hub.listing import HubFile, HubListing
from zsl_bench.hub.references import HubSnapshot, parse_reference
from zsl_bench.hub.sources import DataFile, DataSource, Mirror, data_source, known_sources
from zsl_bench.hub.transfer import Transfer
from zsl_bench.hub.weights import FILES, fetch_snapshot

__all__ = [
    "FILES",
    "DataFile",
    "DataSource",
    "HubFile",
    "HubListing",
    "HubSnapshot",
    "Mirror",
    "Transfer",
    "data_source",
    "download_folder",
    "fetch_data",
    "fetch_listed",
    "fetch_snapshot",
    "known_sources",
    "list_data",
    "parse_reference",
]
