"""Devices, and that fp32 means fp32."""

from __future__ import annotations

import pytest
import torch

from zsl_bench.device import choose_device, exact_fp32
from zsl_bench.errors import ZslBenchError


def switches() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tf32_is_off_under_fp32_and_put_back(precision):
    before = switches()
    with exact_fp32(precision):
        assert switches() == ((False, False) if precision == "fp32" else before)
    assert switches() == before


def test_auto_takes_what_there_is_and_cpu_always_works():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_one_line():
    with pytest.raises(ZslBenchError, match="choose the device cpu"):
        choose_device("cuda")
