"""The protocol catalogue: exactly which classes are candidates, in how many trials, for whom."""

from __future__ import annotations

from zsl_bench.protocols.catalogue import (
    CUSTOM,
    RECIPES,
    Protocol,
    custom_protocol,
    list_protocols,
    load_definition,
    resolve_protocol,
)
from zsl_bench.protocols.score import ProtocolScores, TrialScores, score_protocol

__all__ = [
    "CUSTOM",
    "RECIPES",
    "Protocol",
    "ProtocolScores",
    "TrialScores",
    "custom_protocol",
    "list_protocols",
    "load_definition",
    "resolve_protocol",
    "score_protocol",
]
