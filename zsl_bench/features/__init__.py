"""Features that any model has made: read from a file and matched to a data set's videos."""

from __future__ import annotations

from zsl_bench.features.build import LAYOUTS
from zsl_bench.features.matching import MatchedFeatures, match_features
from zsl_bench.features.pooling import POOLINGS
from zsl_bench.features.reading import read_features
from zsl_bench.features.record import Features

__all__ = [
    "LAYOUTS",
    "POOLINGS",
    "Features",
    "MatchedFeatures",
    "match_features",
    "read_features",
]
