"""How far a score moves when what no protocol fixes is changed: class text, words, clips."""

from __future__ import annotations

from zsl_bench.workflows.sensitivity.report import Figures, ProtocolRow, Sensitivity, VariantRow
from zsl_bench.workflows.sensitivity.run import sensitivity

__all__ = ["Figures", "ProtocolRow", "Sensitivity", "VariantRow", "sensitivity"]
