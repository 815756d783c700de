from __future__ import annotations

from argparse import Namespace

import pytest


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    """The script."""
    return load_benchmark("decoders")


@pytest.mark.parametrize(
    ("name", "recipe"),
    [("grouped.mp4", {"options": {"g": "12"}}), ("plain.avi", {"codec": "mpeg4"})],
)
def test_ways_agree_and_are_measured(name, recipe, benchmark, make_video):
    path = make_video(name, frames=40, size=(180, 136), **recipe)
    others, _ = benchmark.other_decoders(cuda=False)
    quick = benchmark.compare(name, path, Namespace(quick=True, runs=1, others=others))
    assert quick["agree"]
    assert quick["tasks"] == {}
    slow = benchmark.compare(name, path, Namespace(quick=False, runs=1, others=others))
    assert set(slow["tasks"]) == {"clips", "spread", "random"}
    assert set(slow["tasks"]["random"]) == {"pyav", "counting", "opencv", *others}
    assert slow["tasks"]["random"]["pyav"]["ratio"] == 1


def test_frames_that_differ_are_noticed(benchmark, make_video, monkeypatch):
    path = make_video("grouped.mp4", frames=40, size=(180, 136), options={"g": "12"})
    plain = benchmark.counted_frames
    monkeypatch.setattr(benchmark, "counted_frames", lambda path, seed: plain(path, seed) ^ 1)
    row = benchmark.compare("given", path, Namespace(quick=True, runs=1, others=[]))
    assert not row["agree"]
