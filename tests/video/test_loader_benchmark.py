from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "loader.py"


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    """The script."""
    return load_benchmark("loader")


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


def in_processes(*arguments):
    script = SCRIPT.with_name("loader_workers.py")
    command = [sys.executable, str(script), "--workers", "2", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(tmp_path, make_video):
    place = tmp_path / "all" / "clip"
    place.mkdir(parents=True)
    for number, frames in enumerate((40, 25)):
        made = make_video(f"{number}.avi", codec="mpeg4", frames=frames)
        shutil.copyfile(made, place / f"{number}.avi")
    return place.parent


def test_both_loaders_keep_their_order_in_processes(folder):
    assert in_processes("--child", "agree", folder) == {"agree": True}


def test_a_turn_is_measured_in_processes(folder):
    seen = in_processes("--child", "ours", "--count", "3", "--position", "1", folder)
    assert seen["wall"] > 0
    assert seen["cpu"] > 0
    assert seen["touched"] > 0
