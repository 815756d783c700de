"""The loss against its formula, one number after another."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zsl_bench.baselines.training.losses import word_vector_loss


def _batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(5, 300))
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    outputs = rng.normal(size=(5, 300)) * 7
    return torch.tensor(outputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)


def _formula(kind: str, outputs: torch.Tensor, targets: torch.Tensor) -> float:
    total = 0.0
    for output, target in zip(outputs.double().tolist(), targets.double().tolist(), strict=True):
        length = math.sqrt(sum(x * x for x in output))
        scale = 1.0 if kind == "eq2-raw" else length
        total += sum((x / scale - y) ** 2 for x, y in zip(output, target, strict=True))
    divisor = {"eq2-raw": 1, "unit-l2": len(outputs), "mse-released": 300 * len(outputs)}[kind]
    return total / divisor


@pytest.mark.parametrize("kind", ["unit-l2", "mse-released", "eq2-raw"])
def test_the_loss_is_its_formula(kind: str) -> None:
    outputs, targets = _batch()
    loss = word_vector_loss(kind, outputs, targets)
    assert loss.item() == pytest.approx(_formula(kind, outputs, targets), rel=1e-5)


def test_the_default_is_two_minus_two_cosines() -> None:
    outputs, targets = _batch(1)
    cosines = torch.nn.functional.cosine_similarity(outputs, targets, dim=1)
    loss = word_vector_loss("unit-l2", outputs, targets)
    assert loss.item() == pytest.approx(float((2 - 2 * cosines).mean()), rel=1e-5)


def test_the_released_loss_is_torch_mse_of_unit_outputs() -> None:
    outputs, targets = _batch(2)
    released = torch.nn.MSELoss()(outputs / outputs.norm(dim=1, keepdim=True), targets)
    assert word_vector_loss("mse-released", outputs, targets).item() == pytest.approx(
        released.item(), rel=1e-5
    )


def test_half_precision_outputs_are_scored_in_float32() -> None:
    outputs, targets = _batch(3)
    loss = word_vector_loss("unit-l2", outputs.bfloat16(), targets)
    assert loss.dtype == torch.float32
