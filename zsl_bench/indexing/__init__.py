"""Checked manifests: every file of a data set probed, in parallel and resumably.

``index_dataset`` and ``find_videos`` load on first use: the processes that probe do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.indexing.cache import ProbeCache
from zsl_bench.indexing.check import Check, CheckArguments, check_manifest
from zsl_bench.indexing.detail import check_detail_name, write_detail
from zsl_bench.indexing.findings import Finding, find_problems
from zsl_bench.indexing.probe import FileProbe, SegmentProbe
from zsl_bench.indexing.progress import IndexProgress
from zsl_bench.indexing.summary import check_lines, check_summary

if TYPE_CHECKING:
    from zsl_bench.indexing.api import find_videos, index_dataset

__all__ = [
    "Check",
    "CheckArguments",
    "FileProbe",
    "Finding",
    "IndexProgress",
    "ProbeCache",
    "SegmentProbe",
    "check_detail_name",
    "check_lines",
    "check_manifest",
    "check_summary",
    "find_problems",
    "find_videos",
    "index_dataset",
    "write_detail",
]

_LATE = ("find_videos", "index_dataset")


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _LATE:
        raise AttributeError(f"module 'zsl_bench.indexing' has no attribute {name!r}")
    from zsl_bench.indexing import api

    return getattr(api, name)
