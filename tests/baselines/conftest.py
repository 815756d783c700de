"""A network small enough to save and load in a moment, registered like the paper's."""

import pytest
from torch import nn

from zsl_bench.baselines import networks, weights
from zsl_bench.baselines.models import random_model
from zsl_bench.baselines.networks import Architecture


def _tiny_backbone():
    return nn.Sequential(
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU()
    )


@pytest.fixture
def tiny(monkeypatch):
    """Register the architecture ``tiny`` for one test and return a random model of it."""
    known = {
        **networks.ARCHITECTURES,
        "tiny": Architecture(build=_tiny_backbone, feature_dim=8, dropout=0.05),
    }
    for module in (networks, weights):
        monkeypatch.setattr(module, "ARCHITECTURES", known)
    return random_model(network="tiny", seed=3)
