"""The simulation of an evaluation against sums by hand, a recurrence and the closed-form bound."""

from __future__ import annotations

import heapq
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scale_model.py"


def load():
    spec = importlib.util.spec_from_file_location("scale_model_under_test", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scale = load()
TIMES = st.sampled_from([0.0, 0.25, 1.0, 3.0])
WORKLOADS = st.builds(
    scale.Workload,
    videos=st.integers(1, 60),
    block=st.integers(1, 9),
    size_bytes=st.sampled_from([0, 64, 512]),
    decode_seconds=TIMES,
    model_seconds=TIMES,
    block_seconds=TIMES,
)
CLUSTERS = st.builds(
    scale.Cluster,
    processes=st.integers(1, 4),
    workers=st.integers(1, 4),
    bandwidth=st.just(256.0),
    latency=TIMES,
)


def one_process_by_recurrence(work, cluster):
    """When the last block is kept, for one process: when each video is read, decoded and run."""
    free = [0.0] * cluster.workers
    pipe, begun, device = 0.0, [], 0.0
    for number in range(work.videos):
        start = heapq.heappop(free)
        before = number - scale.PREFETCH * cluster.workers
        if before >= 0:
            start = max(start, begun[before])
        pipe = max(pipe, start + cluster.latency) + work.size_bytes / cluster.bandwidth
        decoded = pipe + work.decode_seconds
        heapq.heappush(free, decoded)
        begun.append(max(decoded, device))
        last = (number + 1) % work.block == 0 or number + 1 == work.videos
        device = begun[-1] + work.model_seconds + (work.block_seconds if last else 0.0)
    return device


@settings(deadline=None, max_examples=200)
@given(work=WORKLOADS, cluster=CLUSTERS)
def test_one_process_is_the_recurrence(work, cluster):
    alone = replace(cluster, processes=1)
    assert scale.simulate(work, alone).seconds == pytest.approx(
        one_process_by_recurrence(work, alone)
    )


@settings(deadline=None, max_examples=200)
@given(work=WORKLOADS, cluster=CLUSTERS)
def test_laws(work, cluster):
    outcome, limits = scale.simulate(work, cluster), scale.bound(work, cluster)
    assert outcome.seconds >= limits.seconds * (1 - 1e-9)
    serial = work.videos * (
        cluster.latency
        + work.size_bytes / cluster.bandwidth
        + work.decode_seconds
        + work.model_seconds
    )
    assert outcome.seconds <= serial + work.blocks * work.block_seconds + 1e-9
    assert len(outcome.finished) == work.videos
    assert list(outcome.finished) == sorted(outcome.finished)
    assert sum(outcome.blocks) == work.blocks
    assert all(0 <= share <= 1 + 1e-9 for share in outcome.busy.values())


def test_by_hand():
    work = scale.Workload(
        videos=2, block=2, size_bytes=100, decode_seconds=2, model_seconds=3, block_seconds=0.5
    )
    cluster = scale.Cluster(processes=1, workers=1, bandwidth=100, latency=1)
    # read at 2, decoded at 4, run until 7; the second is decoded at 8, run until 11, kept at 11.5
    outcome = scale.simulate(work, cluster)
    assert outcome.finished == (7, 11.5)
    limits = scale.bound(work, cluster)
    assert (limits.decoding, limits.reading, limits.model) == (8, 2, 6.5)
    assert limits.binding == "decoding"
    assert outcome.busy["workers"] == pytest.approx(8 / 11.5)


BASE = scale.Workload(
    videos=4000, block=20, size_bytes=1e6, decode_seconds=0.1, model_seconds=0.1, block_seconds=0.01
)
CASES = {
    "decoding": replace(BASE, decode_seconds=2.0, model_seconds=0.05),
    "reading": replace(BASE, size_bytes=2e8),
    "model": replace(BASE, model_seconds=1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_where_one_resource_binds_the_bound_is_reached(name):
    cluster = scale.Cluster(processes=8, workers=8, bandwidth=1e9, latency=0.001)
    limits = scale.bound(CASES[name], cluster)
    assert limits.binding == name
    assert scale.simulate(CASES[name], cluster).seconds <= 1.05 * limits.seconds


@pytest.mark.parametrize("name", CASES)
def test_a_sample_says_how_long_the_whole_takes(name):
    cluster = scale.Cluster(processes=4, workers=3, bandwidth=1e9, latency=0.001)
    whole = scale.simulate(CASES[name], cluster).seconds
    assert scale.estimate(CASES[name], cluster, sample=1500) == pytest.approx(whole, rel=0.03)
    assert scale.estimate(CASES[name], cluster) == whole


def test_more_of_what_binds_helps_and_of_the_rest_does_not():
    cluster = scale.Cluster(processes=2, workers=2, bandwidth=1e9, latency=0.001)
    work = CASES["decoding"]
    before = scale.simulate(work, cluster).seconds
    assert scale.simulate(work, replace(cluster, workers=4)).seconds < 0.55 * before
    assert scale.simulate(work, replace(cluster, bandwidth=1e12)).seconds > 0.98 * before
