"""The Hugging Face Hub: weights folders and data sets, data only, pinned to a commit."""

from __future__ import annotations

from zsl_bench.hub.data import fetch_data, list_data
from zsl_bench.hub.fetching import download_folder, fetch_listed
from zsl_bench.hub.listing import HubFile, HubListing
from zsl_bench.hub.publish import Pushed, Upload, check_target, push_files
from zsl_bench.hub.references import HubSnapshot, parse_reference
from zsl_bench.hub.sources import DataFile, DataSource, Mirror, data_source, known_sources
from zsl_bench.hub.transfer import Transfer
from zsl_bench.hub.weights import FILES, fetch_snapshot, fetch_weights, list_weights

__all__ = [
    "FILES",
    "DataFile",
    "DataSource",
    "HubFile",
    "HubListing",
    "HubSnapshot",
    "Mirror",
    "Pushed",
    "Transfer",
    "Upload",
    "check_target",
    "data_source",
    "download_folder",
    "fetch_data",
    "fetch_listed",
    "fetch_snapshot",
    "fetch_weights",
    "known_sources",
    "list_data",
    "list_weights",
    "parse_reference",
    "push_files",
]
