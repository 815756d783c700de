"""Preparing videos: re-encoded small with many key frames, cut, verified, or packed in shards."""

from __future__ import annotations

from zsl_bench.preparation.api import Prepared, PrepareProgress, prepare
from zsl_bench.preparation.codecs import CODECS, writable_codecs
from zsl_bench.preparation.report import report_lines
from zsl_bench.preparation.scaling import prepared_size
from zsl_bench.preparation.settings import SCALERS, PrepareSettings

__all__ = [
    "CODECS",
    "SCALERS",
    "PrepareProgress",
    "PrepareSettings",
    "Prepared",
    "prepare",
    "prepared_size",
    "report_lines",
    "writable_codecs",
]
