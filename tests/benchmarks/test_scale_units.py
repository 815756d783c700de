"""The unit costs that can be counted, and what is computed from unit costs given by hand."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import pytest

from zsl_bench.evaluation.store import VectorStore

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    """The scripts, which import each other by their bare names."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("scale_model", "scale_units", "scale")
    return argparse.Namespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def costs(modules):
    units = modules.scale_units
    run = units.RunUnits(
        clip_flops=10**11,
        block=20,
        block_bytes=24_000,
        block_operations=10,
        block_read_seconds=0.001,
        look_seconds=1e-6,
        stat_seconds=1e-6,
        manifest_bytes=400,
    )
    video = units.VideoUnits(
        frames=300,
        clips=20,
        size_bytes=500_000,
        decode_seconds=0.1,
        training_clip_seconds=0.05,
    )
    return run, video


def cluster(modules, **changes):
    given = {"processes": 8, "workers": 7, "bandwidth": 1e9, "latency": 0.001, **changes}
    return modules.scale_model.Cluster(**given)


def test_operations_of_a_clip_are_those_of_the_literature(modules):
    assert modules.scale_units.clip_flops("r2plus1d_18") == pytest.approx(2 * 40.52e9, rel=2e-3)


def test_a_block_is_as_large_as_the_file_that_is_kept(modules, tmp_path):
    vectors = modules.scale_units.vectors_of(20)
    store = VectorStore(tmp_path, "key", stamps=range(20), block=20)
    store.save(0, vectors)
    (kept,) = tmp_path.glob("vectors/*/*.npz")
    assert kept.stat().st_size == len(vectors.to_bytes()) >= 20 * 300 * 4


def test_measured_units_are_of_the_things_they_name(modules):
    found = modules.scale_units.measure_run(64, blocks=50)
    assert found.block == 20
    assert found.block_operations >= 6  # claimed, read, removed; listed; written and renamed
    assert 100 < found.manifest_bytes < 5000


def test_a_plan_by_hand(modules, costs):
    run, video = costs
    plan = modules.scale.plan(
        video, run, cluster(modules), videos=1_000_000, flops=100e12, parts=10
    )
    assert plan["model_hours"] == pytest.approx(1e6 * 20 * 1e11 / 100e12 / 8 / 3600)
    assert plan["decoding_hours"] == pytest.approx(1e6 * (0.1 + 0.0005 + 0.001) / 56 / 3600)
    assert plan["reading_hours"] == pytest.approx(1e6 * 500_000 / 1e9 / 3600)
    assert plan["start_hours"] == pytest.approx(1e6 * 0.001 / 16 / 3600)
    looks = min(5000 * 1e-6, 0.02 * 20 * 20 * 1e11 / 100e12)
    books = 10 * 0.001 + looks + 7 * (0.001 + 0.001)
    assert plan["books_hours"] == pytest.approx(50_000 * books / 8 / 3600)
    assert plan["block_files"] == 5000
    assert plan["read_tb"] == pytest.approx(0.5)
    assert plan["clip_vectors_gb"] == pytest.approx(1e6 * 20 * 1200 / 1e9)
    assert plan["binds"] == "model"
    assert plan["agree"]
    assert plan["hours"] >= plan["bound_hours"] + 0.99 * plan["start_hours"]


def test_looks_take_a_share_of_the_time_however_long_the_list(modules, costs):
    run, video = costs

    def plan(parts):
        return modules.scale.plan(
            video, run, cluster(modules), videos=10_000_000, flops=1e15, parts=parts
        )

    whole, cut = plan(1), plan(100)
    assert whole["binds"] == cut["binds"] == "decoding"
    per_block = 10 * 0.001 + 7 * (0.001 + 0.001)
    least = 500_000 * per_block / 8 / 3600
    assert least < cut["books_hours"] <= whole["books_hours"]
    assert whole["books_hours"] <= least + 0.02 * whole["model_hours"] * 1.0001
    assert cut["vectors_gb"] == pytest.approx(whole["vectors_gb"])


def test_training_by_hand(modules, costs):
    run, video = costs
    (row,) = modules.scale.training({"kinetics": video}, run, gpus=1, cores=16, flops=[60e12])
    assert row["loading_hours"] == pytest.approx(15e6 * 0.05 / 16 / 3600)
    assert row["stepping_hours"] == pytest.approx(15e6 * 3 * 1e11 / 60e12 / 3600)
    assert row["binds"] == "devices"
    assert row["cores_needed"] == pytest.approx(16 * row["loading_hours"] / row["stepping_hours"])
