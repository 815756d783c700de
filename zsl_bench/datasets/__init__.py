"""Readers: from what is on the disk to a manifest, one small reader per layout."""

from __future__ import annotations

from zsl_bench.datasets.csv_list import read_csv_list
from zsl_bench.datasets.expected import LISTED, OfficialList, OfficialVideo, official_list
from zsl_bench.datasets.images import open_images
from zsl_bench.datasets.names import dataset_name, known_datasets
from zsl_bench.datasets.opening import READERS, open_dataset
from zsl_bench.datasets.own_list import read_list
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.datasets.summary import summary, summary_lines

__all__ = [
    "LISTED",
    "READERS",
    "DatasetRequest",
    "OfficialList",
    "OfficialVideo",
    "dataset_name",
    "known_datasets",
    "official_list",
    "open_dataset",
    "open_images",
    "read_csv_list",
    "read_list",
    "summary",
    "summary_lines",
]
