"""Runs with a cache of clip outputs: what is found again, and that results stay the same."""

from __future__ import annotations

import shutil

import pytest

from zsl_bench.clip_cache import digests, summaries
from zsl_bench.evaluation import evaluate


def test_a_second_run_runs_nothing_and_ends_the_same(colour_model, colour_folder, tmp_path, notes):
    given = {"data": {"colours": colour_folder}, "protocols": "full", "workers": 0}
    fresh = colour_model()
    (plain,) = evaluate(fresh, out=tmp_path / "plain", **given)
    model = colour_model()
    for out, ran, hits in (("one", fresh.clips_run, None), ("two", 0, 15), ("three", 0, 15)):
        told, before = notes(), model.clips_run
        (result,) = evaluate(
            model, out=tmp_path / out, cache=tmp_path / "cache", progress=told, **given
        )
        assert model.clips_run - before == ran
        assert result.environment.get("videos_from_cache") == hits
        assert (told.total, told.done, told.kept) == (15, 15, 15)
        assert result.identity == plain.identity
        assert result.scores == plain.scores
        assert (tmp_path / out / result.arrays["file"]).read_bytes() == (
            tmp_path / "plain" / plain.arrays["file"]
        ).read_bytes()
    (kept,) = summaries(tmp_path / "cache")
    assert (kept.model, kept.policy, kept.videos) == ("colour", "paper-25", 15)
    assert kept.clips == fresh.clips_run


def test_a_second_run_hashes_and_decodes_nothing(colour_model, place, run, monkeypatch):
    run(colour_model())
    monkeypatch.setattr(digests, "sha256_file", lambda _: pytest.fail("hashed"))
    monkeypatch.setattr("zsl_bench.evaluation.loading.load_clips", lambda *_: pytest.fail("read"))
    result, ran = run(colour_model())
    assert ran == 0
    assert result.environment["videos_from_cache"] == 4


@pytest.mark.parametrize("workers", [0, 1])
def test_copies_in_another_data_set_are_found_by_content(colour_model, place, run, workers):
    first, _ = run(colour_model())
    others = place / "others"
    shutil.copytree(place / "videos" / "red thing", others / "blue thing")
    shutil.copytree(place / "videos" / "green thing", others / "grey thing")
    (others / "grey thing" / "clip0.avi").rename(others / "grey thing" / "renamed.avi")
    result, ran = run(colour_model(), data=others, workers=workers)
    assert ran == 0
    assert result.environment["videos_from_cache"] == 4
    assert result.identity["classes"] != first.identity["classes"]
    again, _ = run(colour_model(), data=others, cache=None)
    assert again.scores == result.scores
    assert "videos_from_cache" not in again.environment


def test_new_videos_beside_known_ones_are_run(colour_model, place, run, write_video, notes):
    run(colour_model())
    write_video(place / "videos" / "blue thing" / "new.avi", (30, 30, 200), frames=5)
    alone, _ = run(colour_model(), cache=None, batch_size=3)
    for batch_size, ran_some in ((3, True), (4, False)):
        told = notes()
        result, ran = run(colour_model(), batch_size=batch_size, progress=told)
        assert bool(ran) is ran_some
        assert (told.done, told.kept) == (5, 5)
        assert result.scores == alone.scores
    assert result.environment["videos_from_cache"] == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_known_block_behind_a_new_one_loses_nothing(
    colour_model, place, run, write_video, workers
):
    given = {"workers": workers, "batch_size": 1, "policy": "first-16"}
    for number in range(8):
        path = place / "videos" / "red thing" / f"clip{number}.avi"
        write_video(path, (210 - number, 30, 30), frames=5, size=(48, 32))
    shutil.rmtree(place / "videos" / "green thing")
    run(colour_model(), **given)
    for number in range(8):
        path = place / "videos" / "blue thing" / f"new{number}.avi"
        write_video(path, (30, 30 + number, 200), frames=5, size=(48, 32))
    _, ran = run(colour_model(), **given)
    assert ran == 8, "a block of new videos, and then one of known ones"
    result, ran = run(colour_model(), **given)
    assert ran == 0
    assert result.environment["videos_from_cache"] == 16


def test_without_the_cache_no_vector_is_taken_that_came_from_it(colour_model, place):
    given = {
        "data": {"colours": place / "videos"}, "protocols": "full", "workers": 0, "batch_size": 4,
    }  # fmt: skip
    cached = {**given, "cache": place / "cache"}
    evaluate(colour_model(), out=place / "first", **cached)
    out, model = place / "out", colour_model()
    (result,) = evaluate(model, out=out, **cached)
    assert (model.clips_run, result.environment["videos_from_cache"]) == (0, 4)
    (alone,) = evaluate(model, out=out, **given)
    everything = model.clips_run
    assert everything > 0
    assert "videos_from_cache" not in alone.environment
    for _ in range(2):
        (again,) = evaluate(model, out=out, **cached)
        evaluate(model, out=out, **given)
    assert "videos_from_cache" not in again.environment, "the folder has vectors of its own"
    assert model.clips_run == everything
