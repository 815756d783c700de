"""A cache whose videos or shards are damaged, that is pruned, shared or left by a killed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zsl_bench.clip_cache import remove, summaries, verify
from zsl_bench.evaluation import evaluate

if TYPE_CHECKING:
    import subprocess


def test_an_unreadable_video_is_not_cached(colour_model, place, run):
    broken = place / "videos" / "red thing" / "clip0.avi"
    whole = broken.read_bytes()
    broken.write_bytes(b"RIFF, then nothing")
    for hits in (None, 3):
        result, _ = run(colour_model(), allow_unreadable=True)
        assert result.environment.get("videos_from_cache") == hits
        assert result.coverage["scored"] == 3
    broken.write_bytes(whole)
    result, ran = run(colour_model())
    assert ran
    assert result.coverage["scored"] == 4
    assert result.environment["videos_from_cache"] == 3


def test_an_unversioned_model_caches_nothing_and_says_so_once(colour_model, place, run, notes):
    told = notes()
    result, _ = run(colour_model(revision=None), progress=told)
    assert len([line for line in told.notes if "nothing of colour is cached" in line]) == 1
    assert not (place / "cache").exists()
    assert "videos_from_cache" not in result.environment
    model = colour_model(revision=None)
    told = notes()
    data = {"colours": place / "videos", "hues": place / "videos"}
    evaluate(model, data=data, cache=place / "cache", progress=told, workers=0, protocols="full")
    assert len([line for line in told.notes if "is cached" in line]) == 1


def test_kept_clips_are_the_same_from_the_cache(colour_model, place, run):
    first, _ = run(colour_model(), keep_clips=True)
    second, ran = run(colour_model(), keep_clips=True)
    assert ran == 0
    assert second.arrays == first.arrays
    with np.load(place / "out0" / first.arrays["file"]) as arrays:
        assert "clip_vectors" in arrays
    plain, ran = run(colour_model())
    assert ran == 0
    assert plain.arrays["sha256"] != first.arrays["sha256"]
    with np.load(place / "out2" / plain.arrays["file"]) as arrays:
        assert "clip_vectors" not in arrays


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_shards_are_run_again(colour_model, place, run, damage, notes):
    first, all_clips = run(colour_model(), batch_size=2)
    shards = sorted((place / "cache").rglob("*.safetensors"))
    assert len(shards) == 4
    for path in shards[:2]:
        data = path.read_bytes()
        path.write_bytes(data[:-9] if damage == "cut" else data[:-9] + b"\x55" + data[-8:])
    told = notes()
    result, ran = run(colour_model(), batch_size=2, progress=told)
    assert 0 < ran < all_clips
    assert result.arrays == first.arrays
    assert len([line for line in told.notes if "is passed over" in line]) == 2
    assert len(verify(place / "cache").damaged) == 2


def test_pruning_while_a_run_reads_costs_only_time(colour_model, place, run, notes):
    first, all_clips = run(colour_model(), batch_size=2)

    class Prunes(notes):
        def advance(self, videos: int) -> None:
            super().advance(videos)
            if self.done == 1:
                remove(place / "cache", (place / "cache").rglob("*.safetensors"))

    for hashed_before in (True, False):
        if not hashed_before:
            shutil.rmtree(place / "cache" / "digests")
        told = Prunes()
        result, ran = run(colour_model(), batch_size=2, progress=told)
        assert 0 < ran < all_clips
        assert (told.done, told.kept) == (4, 4)
        assert result.arrays == first.arrays
        assert result.environment["videos_from_cache"] == 1
        assert not [line for line in told.notes if "passed over" in line]
        run(colour_model(), batch_size=2)


def test_a_cache_that_cannot_be_written_is_told_once_and_done_without(
    colour_model, place, run, notes
):
    (place / "cache").mkdir()
    (place / "cache" / "keys").write_text("")
    told = notes()
    result, ran = run(colour_model(), batch_size=2, progress=told)
    assert ran
    told = [line for line in told.notes if "clips are not cached any more" in line]
    assert len(told) == 1
    assert result.coverage["scored"] == 4


def test_processes_that_share_a_run_share_the_cache(colour_model, place, run, monkeypatch, notes):
    """Each of two processes runs a block of two videos, one of which is in the cache."""
    alone, all_clips = run(colour_model(), cache=None)
    known = place / "known"
    for name in ("red thing", "green thing"):
        (known / name).mkdir(parents=True)
        shutil.copy(place / "videos" / name / "clip0.avi", known / name)
    _, known_clips = run(colour_model(), data=known)
    given = {
        "data": {"colours": place / "videos"}, "protocols": "full", "out": place / "shared",
        "cache": place / "cache", "workers": 0, "batch_size": 7, "share": True,
    }  # fmt: skip

    class LeavesAfterABlock(notes):
        def keep(self, videos: int) -> None:
            super().keep(videos)
            raise KeyboardInterrupt

    models = [colour_model(), colour_model()]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(KeyboardInterrupt):
        evaluate(models[1], progress=LeavesAfterABlock(), **given)
    (one,) = summaries(place / "cache")
    assert one.videos == 3
    monkeypatch.setenv("RANK", "0")
    told = notes()
    (result,) = evaluate(models[0], progress=told, **given)
    assert (told.done, told.kept) == (4, 2), "it ran the block that the other process left"
    assert all(0 < model.clips_run < all_clips - known_clips for model in models)
    assert sum(model.clips_run for model in models) == all_clips - known_clips
    assert result.scores == alone.scores
    assert result.environment["videos_from_cache"] == 2, "counted by whoever ran the block"
    (whole,) = summaries(place / "cache")
    assert whole.videos == 4


@pytest.fixture
def many(place, write_video):
    """Videos in several blocks."""
    for number in range(60):
        path = place / "many" / ("red", "green")[number % 2] / f"{number:03d}.avi"
        colour = (4 * number, 250 - 4 * number, 37 * number % 250)
        write_video(path, colour, frames=4, size=(48, 32))
    return place


@pytest.fixture
def start(many, start_slow_run):
    """Return a function that starts an evaluation of the videos with a cache beside them."""

    def begin(out: str, delay: str = "0") -> subprocess.Popen[str]:
        return start_slow_run(
            many, "--data", "colours=many", "--out", out, "--workers", "1", "--batch-size", "1",
            "--protocol", "full", "--json", DELAY=delay, OMP_NUM_THREADS="1",
            ZSL_BENCH_CLIP_CACHE=str(many / "kept"),
        )  # fmt: skip

    return begin


def finish(process: subprocess.Popen[str]) -> dict:
    with process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return json.loads(stdout)[0]


@pytest.mark.slow
def test_a_killed_run_loses_only_what_was_not_finished(many, start):
    with start("out", delay="0.05") as process:
        limit = time.monotonic() + 90
        while len(list((many / "kept").rglob("*.safetensors"))) < 3:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < limit, "no shard was written"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert not verify(many / "kept").damaged
    (kept,) = summaries(many / "kept")
    assert kept.videos >= 24
    resumed = finish(start("elsewhere"))
    assert resumed["environment"]["videos_from_cache"] == kept.videos
    (whole,) = summaries(many / "kept")
    assert whole.videos == 60
    assert whole.clips == 60


@pytest.mark.slow
def test_two_runs_at_once_share_one_cache(many, start):
    both = [start(out, delay="0.01") for out in ("one", "two")]
    first, second = (finish(process) for process in both)
    assert first["scores"] == second["scores"]
    assert first["arrays"] == second["arrays"]
    assert not verify(many / "kept").damaged
    third = finish(start("three"))
    assert third["environment"]["videos_from_cache"] == 60
    assert third["arrays"] == first["arrays"]
