"""Devices, and that fp32 means fp32."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.device import (
    choose_batch_size,
    choose_device,
    exact_fp32,
    fitting_batch_size,
    is_accelerating,
    is_out_of_memory,
    machine_memory,
    use_device,
)
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


GIB = 2**30


@pytest.mark.parametrize(
    ("memory", "pixels", "size"),
    [
        (64 * GIB, 16 * 112 * 112, 8),
        (4 * GIB, 16 * 112 * 112, 8),
        (2 * GIB, 16 * 112 * 112, 4),
        (GIB // 4, 16 * 112 * 112, 1),
        (4 * GIB, 16 * 224 * 224, 2),
        (4 * GIB, 8 * 56 * 56, 8),
    ],
)
def test_a_cpu_batch_takes_a_quarter_of_the_memory_at_most(memory, pixels, size):
    assert choose_batch_size("cpu", pixels=pixels, memory=memory) == size


def test_the_other_devices_have_one_size_where_nothing_is_measured():
    assert [choose_batch_size(kind, memory=GIB) for kind in ("cuda", "mps")] == [64, 16]


@given(clip=st.integers(1, 2**34), fixed=st.integers(0, 2**34), memory=st.integers(2**30, 2**38))
def test_a_measured_batch_fits_half_the_card_and_no_larger_one_does(clip, fixed, memory):
    size = fitting_batch_size(one=fixed + clip, two=fixed + 2 * clip, memory=memory)
    assert size in {8, 16, 32, 64, 128, 256, 512}
    assert size == 8 or fixed + size * clip <= memory / 2
    assert size == 512 or fixed + 2 * size * clip > memory / 2


def test_a_second_clip_that_takes_nothing_more_gives_the_largest_batch():
    assert fitting_batch_size(one=100, two=100, memory=GIB) == 512


def test_a_measurement_a_little_off_gives_the_same_batch():
    sizes = {
        fitting_batch_size(one=300 * 2**20, two=(300 + clip) * 2**20, memory=80 * GIB)
        for clip in (105, 110, 115)
    }
    assert sizes == {256}


def test_the_memory_is_the_machines_or_the_limit_of_its_group(tmp_path):
    machine = machine_memory(())
    assert machine > 2**28
    limit, none, absent = tmp_path / "limit", tmp_path / "max", tmp_path / "absent"
    limit.write_text(f"{2**27}\n")
    none.write_text("max\n")
    assert machine_memory((str(none), str(absent))) == machine
    assert machine_memory((str(none), str(limit))) == 2**27
    limit.write_text(f"{2**63}\n")
    assert machine_memory((str(limit),)) == machine


def test_a_system_that_does_not_say_its_memory_gets_whole_batches(monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert machine_memory(()) == 4 * GIB
    assert choose_batch_size("cpu", memory=machine_memory(())) == 8


@pytest.mark.parametrize(("name", "used"), [("cpu", []), ("cuda", []), ("cuda:1", ["cuda:1"])])
def test_a_numbered_card_becomes_the_current_one(monkeypatch, name, used):
    seen = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: seen.append(str(device)))
    use_device(torch.device(name))
    assert seen == used


def test_a_card_that_is_not_there_is_one_line(monkeypatch):
    def fails(_device):
        raise RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel errors")

    monkeypatch.setattr(torch.cuda, "set_device", fails)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ZslBenchError, match=r"device cuda:7: .* ordinal; choose one of the 2"):
        use_device(torch.device("cuda:7"))


def test_a_mark_of_that_name_is_no_way_to_accelerate():
    class Marked:
        accelerate = True

    class Able:
        def accelerate(self, options):
            """Do nothing."""

    assert not is_accelerating(Marked())
    assert is_accelerating(Able())


def raised_from(cause):
    error = ZslBenchError("run", found="x", fix="y")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (MemoryError(), True),
        (raised_from(MemoryError()), True),
        (raised_from(ValueError("out of memory")), False),
        (RuntimeError("shapes cannot be multiplied"), False),
        (None, False),
    ],
)
def test_a_lack_of_memory_is_known_in_all_its_forms(error, expected):
    assert is_out_of_memory(error) is expected
