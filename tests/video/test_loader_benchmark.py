from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "loader.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("loader_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("frames", [7, 30, 61])
@pytest.mark.parametrize("size", [(160, 120), (180, 161)])
def test_our_tensors_are_the_released_ones(frames, size, benchmark, make_video):
    path = make_video("plain.avi", codec="mpeg4", frames=frames, size=size)
    assert benchmark.largest_difference(path) <= benchmark.TOLERANCE


@pytest.mark.parametrize("claimed", [27, 31])
def test_also_where_the_header_counts_wrongly(claimed, benchmark, claim_frames):
    assert benchmark.largest_difference(claim_frames(claimed)) <= benchmark.TOLERANCE


@pytest.mark.datasets
def test_on_real_clips(benchmark, shared_data):
    videos = shared_data / "videos"
    for path in (
        videos / "ucf101/PushUps/v_PushUps_g01_c01.avi",
        videos / "hmdb51/wave/TrumanShow_wave_f_nm_np1_fr_med_26.avi",
    ):
        assert benchmark.largest_difference(path) <= benchmark.TOLERANCE
