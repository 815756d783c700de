from __future__ import annotations

from argparse import Namespace

import pytest


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    """The script."""
    return load_benchmark("random_clips")


def test_clips_of_originals_and_prepared_files_agree_and_are_measured(benchmark, make_video):
    files = [
        make_video("plain.avi", codec="mpeg4", frames=40, size=(180, 136)),
        make_video("grouped.mp4", options={"g": "12"}, frames=40, size=(180, 136)),
    ]
    quick = benchmark.compare("given", files, Namespace(quick=True, runs=2))
    assert quick["agree"]
    assert quick["ways"] == {}
    assert quick["bytes_prepared"] > 0
    slow = benchmark.compare("given", files, Namespace(quick=False, runs=2))
    assert set(slow["ways"]) == set(benchmark.WAYS)
    assert slow["ways"]["prepared"]["ratio"] == 1
    assert all(seen["clips_per_s"] > 0 for seen in slow["ways"].values())


def test_every_kind_has_to_reach_the_goal(benchmark):
    def row(ratio):
        return {"ways": {"original": {"ratio": ratio}}}

    assert benchmark.is_fast([row(3.0), row(20.0)])
    assert not benchmark.is_fast([row(2.9), row(20.0)])
    assert benchmark.is_fast([{"ways": {}}])
