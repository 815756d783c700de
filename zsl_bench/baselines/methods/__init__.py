"""Zero-shot methods on clip features: they know neither videos nor networks."""

from __future__ import annotations

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod
from zsl_bench.baselines.methods.inputs import ClipFeatures
from zsl_bench.baselines.methods.spec import MethodSpec

__all__ = ["ClipFeatures", "FeatureMethod", "FittedMethod", "MethodSpec"]
