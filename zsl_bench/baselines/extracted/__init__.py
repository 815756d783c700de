"""Extracted clip features: their file, what their backbone has seen, methods fitted to them."""

from __future__ import annotations

from zsl_bench.baselines.extracted.clip_file import ClipFile, read_clip_file, write_clip_file
from zsl_bench.baselines.extracted.encoder import ClipEncoder
from zsl_bench.baselines.extracted.fitting import FitSettings, fit_method
from zsl_bench.baselines.extracted.folder import FittedFolder, read_fitted_folder
from zsl_bench.baselines.extracted.leakage import Leakage, leakage
from zsl_bench.baselines.extracted.model import MethodModel, method_model
from zsl_bench.baselines.extracted.record import BackboneRecord

__all__ = [
    "BackboneRecord",
    "ClipEncoder",
    "ClipFile",
    "FitSettings",
    "FittedFolder",
    "Leakage",
    "MethodModel",
    "fit_method",
    "leakage",
    "method_model",
    "read_clip_file",
    "read_fitted_folder",
    "write_clip_file",
]
