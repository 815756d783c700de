"""Runs with a cache of clip outputs: what is found, what is not, and that results stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zsl_bench
from zsl_bench.clip_cache import digests, remove, summaries, verify
from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation import evaluate, identity, runner
from zsl_bench.video import ClipSpec
from zsl_bench.videos import Video


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Let files that were only just written count as settled."""
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**12))


class Notes:
    """A progress that remembers what it is told."""

    def __init__(self) -> None:
        self.notes, self.total, self.done, self.kept = [], 0, 0, 0

    def note(self, line: str) -> None:
        self.notes.append(line)

    def start(self, dataset: str, *, total: int, done: int) -> None:
        assert dataset
        self.total, self.done = total, done

    def advance(self, videos: int) -> None:
        self.done += videos

    def keep(self, videos: int) -> None:
        self.kept += videos

    def finish(self) -> None:
        pass


@pytest.fixture
def place(tmp_path, write_video):
    """Three classes of two short videos."""
    folder = tmp_path / "videos"
    for name, colour in (("red thing", (210, 30, 30)), ("green thing", (30, 190, 30))):
        for number, frames in enumerate((5, 18)):
            write_video(folder / name / f"clip{number}.avi", colour, frames=frames, size=(48, 32))
    return tmp_path


@pytest.fixture
def run(place):
    """Return a function that evaluates a model with the cache, and says what the model ran."""
    counter = iter(range(1000))

    def evaluated(model, data=None, **more):
        more = {"workers": 0, "batch_size": 4, "cache": place / "cache", **more}
        before = model.clips_run
        (result,) = evaluate(
            model, data={"colours": data or place / "videos"}, protocols="full",
            out=place / f"out{next(counter)}", **more,
        )  # fmt: skip
        return result, model.clips_run - before

    return evaluated


def test_a_second_run_runs_nothing_and_ends_the_same(colour_model, colour_folder, tmp_path):
    given = {"data": {"colours": colour_folder}, "protocols": "full", "workers": 0}
    fresh = colour_model()
    (plain,) = evaluate(fresh, out=tmp_path / "plain", **given)
    model = colour_model()
    for out, ran, hits in (("one", fresh.clips_run, None), ("two", 0, 15), ("three", 0, 15)):
        told, before = Notes(), model.clips_run
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


def test_new_videos_beside_known_ones_are_run(colour_model, place, run, write_video):
    run(colour_model())
    write_video(place / "videos" / "blue thing" / "new.avi", (30, 30, 200), frames=5)
    alone, _ = run(colour_model(), cache=None, batch_size=3)
    for batch_size, ran_some in ((3, True), (4, False)):
        told = Notes()
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


class Weighted(torch.nn.Module):
    """The colour model with one weight."""

    def __init__(self, inner, scale: float) -> None:
        super().__init__()
        self.inner, self.card = [inner], replace(inner.card, revision=None)
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    @property
    def clips_run(self) -> int:
        return self.inner[0].clips_run

    def embed_classes(self, classes):
        return self.inner[0].embed_classes(classes)

    def embed_clips(self, clips):
        return self.inner[0].embed_clips(clips) * self.scale


class Scores:
    """Scores classes itself: its outputs depend on them."""

    def __init__(self, inner) -> None:
        self.inner, self.card = inner, inner.card

    @property
    def clips_run(self) -> int:
        return self.inner.clips_run

    def score(self, clips, classes):
        return -torch.cdist(self.inner.embed_clips(clips), self.inner.embed_classes(classes))


def test_other_weights_never_hit(colour_model, place, run):
    _, all_clips = run(Weighted(colour_model(), 1.0))
    assert all_clips
    assert run(Weighted(colour_model(), 1.0))[1] == 0
    assert run(Weighted(colour_model(), 1.0000001))[1] == all_clips
    assert run(colour_model())[1] == all_clips, "another model"


@pytest.mark.parametrize(
    ("card", "settings"),
    [
        ({"revision": "2"}, {}),
        ({"name": "other"}, {}),
        ({"settings": {"prompts": "bare"}}, {}),
        ({"clip": ClipSpec(frames=16, size=32, short_side=48)}, {}),
        ({"clip": ClipSpec(frames=16, size=24, short_side=40)}, {}),
        ({}, {"policy": "first-16"}),
        ({}, {"precision": "bf16"}),
        ({}, {"allow_approximate": True}),
    ],
    ids=str,
)
def test_another_model_or_setting_never_hits(colour_model, place, run, card, settings):
    run(colour_model())
    _, alone = run(colour_model(**card), cache=None, **settings)
    _, ran = run(colour_model(**card), **settings)
    assert ran == alone > 0
    assert len(summaries(place / "cache")) == 2
    assert run(colour_model(**card), **settings)[1] == 0


@pytest.mark.parametrize(
    "changed",
    [
        (identity, "decoder_id", lambda *_: "another decoder"),
        (identity, "resizer_id", lambda *_: "another resizer"),
        (identity, "package_versions", lambda: {"torch": "99"}),
        (identity, "source_digest", lambda _: "sha256:other"),
        (identity, "package_digest", lambda _: "0" * 64),
        (runner, "arithmetic_of", lambda _: "cpu with 77 threads"),
        (runner, "card_name", lambda _: "another card"),
    ],
    ids=["decoder", "resizer", "versions", "code", "package", "device", "card"],
)
def test_other_tools_never_hit(colour_model, place, run, monkeypatch, changed):
    _, all_clips = run(colour_model())
    monkeypatch.setattr(*changed)
    assert run(colour_model())[1] == all_clips
    assert run(colour_model())[1] == 0


def test_the_digest_of_a_package_covers_names_and_contents(tmp_path):
    assert Path(zsl_bench.__file__).resolve().parent == identity._PACKAGE
    digests_of = set()
    for name, content in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("more/c.py", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        (tmp_path / "notes.txt").write_text(content)
        identity.package_digest.cache_clear()
        digests_of.add(identity.package_digest(tmp_path))
    assert len(digests_of) == 4
    two, nothing = (hashlib.sha256(content).hexdigest() for content in (b"2", b""))
    text = f'[["a.py","{two}"],["b.py","{two}"],["more/c.py","{nothing}"]]'
    assert identity.package_digest(tmp_path) == hashlib.sha256(text.encode()).hexdigest()


def test_a_cards_name_counts_where_there_is_one(monkeypatch):
    def fails(_):
        raise RuntimeError("no driver")

    parts = {"model": {"weights": "revision:1", "pooling": "mean"}, "manifest": {}}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert identity.card_name(torch.device("cpu")) is None
    named = identity.card_name(torch.device("cuda:1"))
    assert named == "card 1"
    made = [
        identity.clip_parts(parts, None, arithmetic="cuda", card=each)
        for each in (None, named, "other")
    ]
    assert [each.get("card") for each in made] == [None, "card 1", "other"]
    monkeypatch.setattr(torch.cuda, "get_device_name", fails)
    assert identity.card_name(torch.device("cuda")) is None


def test_pooling_batch_size_and_workers_are_no_part_of_the_key(colour_model, place, run):
    run(colour_model())
    for pooling in ("mean", "mean-of-unit"):
        alone, _ = run(colour_model(pooling=pooling), cache=None, batch_size=7)
        result, ran = run(colour_model(pooling=pooling), batch_size=7, workers=1)
        assert ran == 0
        assert result.arrays == alone.arrays


def test_scores_of_other_classes_never_hit(colour_model, place, run):
    result, all_clips = run(Scores(colour_model()))
    again, ran = run(Scores(colour_model()))
    assert ran == 0
    assert again.scores == result.scores
    (place / "videos" / "green thing").rename(place / "videos" / "blue thing")
    assert run(Scores(colour_model()))[1] == all_clips
    assert run(colour_model())[1] == all_clips
    (place / "videos" / "blue thing").rename(place / "videos" / "grey thing")
    assert run(colour_model())[1] == 0, "vectors of clips know no classes"


@pytest.mark.parametrize("how", ["written", "replaced"])
def test_other_bytes_of_the_same_name_size_and_time_never_hit(
    colour_model, place, run, write_video, how
):
    paths = [place / "videos" / name / "clip0.avi" for name in ("red thing", "green thing")]
    longest = max(path.stat().st_size for path in paths)
    red, green = (path.read_bytes().ljust(longest, b"\0") for path in paths)
    for path, content in zip(paths, (red, green), strict=True):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
    run(colour_model())
    time.sleep(0.02)
    place_of_new = paths[0] if how == "written" else place / "new"
    place_of_new.write_bytes(green)
    os.utime(place_of_new, (1e9, 1e9))
    place_of_new.rename(paths[0])
    alone, _ = run(colour_model(), cache=None)
    result, ran = run(colour_model())
    assert ran == 0, "the content is known, under another name"
    assert result.arrays == alone.arrays
    (entry,) = result.scores.values()
    assert entry["mean"]["top1"] == 0.75


def test_parts_of_a_video_have_their_own_entries(colour_model, place, run, write_video):
    write_video(place / "videos" / "red thing" / "clip1.avi", (210, 30, 30), frames=60)
    manifest = open_dataset("colours", place / "videos")

    def with_times(*times):
        (long,) = (v for v in manifest.videos if v.path == "red thing/clip1.avi")
        kept = [video for video in manifest.videos if video is not long]
        parts = [replace(long, id=f"{a}-{b}", start=a, end=b) for a, b in times]
        return replace(manifest, videos=(*kept, *parts))

    run(colour_model())
    assert run(colour_model(), data=with_times((None, None)))[1] == 0
    _, ran = run(colour_model(), data=with_times((None, 1.0), (1.0, 2.0)))
    assert ran
    assert run(colour_model(), data=with_times((1.0, 2.0), (None, 1)))[1] == 0
    assert run(colour_model(), data=with_times((1.0, 2.04)))[1]
    assert run(colour_model(), data=with_times((0.0, 1.0)))[1], "0 s and no start are two entries"
    assert isinstance(manifest.videos[0], Video)


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


def test_an_unversioned_model_caches_nothing_and_says_so_once(colour_model, place, run):
    told = Notes()
    result, _ = run(colour_model(revision=None), progress=told)
    assert len([line for line in told.notes if "nothing of colour is cached" in line]) == 1
    assert not (place / "cache").exists()
    assert "videos_from_cache" not in result.environment
    model = colour_model(revision=None)
    told = Notes()
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
def test_damaged_shards_are_run_again(colour_model, place, run, damage):
    first, all_clips = run(colour_model(), batch_size=2)
    shards = sorted((place / "cache").rglob("*.safetensors"))
    assert len(shards) == 4
    for path in shards[:2]:
        data = path.read_bytes()
        path.write_bytes(data[:-9] if damage == "cut" else data[:-9] + b"\x55" + data[-8:])
    told = Notes()
    result, ran = run(colour_model(), batch_size=2, progress=told)
    assert 0 < ran < all_clips
    assert result.arrays == first.arrays
    assert len([line for line in told.notes if "is passed over" in line]) == 2
    assert len(verify(place / "cache").damaged) == 2


def test_pruning_while_a_run_reads_costs_only_time(colour_model, place, run):
    first, all_clips = run(colour_model(), batch_size=2)

    class Prunes(Notes):
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


def test_a_cache_that_cannot_be_written_is_told_once_and_done_without(colour_model, place, run):
    (place / "cache").mkdir()
    (place / "cache" / "keys").write_text("")
    told = Notes()
    result, ran = run(colour_model(), batch_size=2, progress=told)
    assert ran
    told = [line for line in told.notes if "clips are not cached any more" in line]
    assert len(told) == 1
    assert result.coverage["scored"] == 4


def test_processes_that_share_a_run_share_the_cache(colour_model, place, run, monkeypatch):
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

    class LeavesAfterABlock(Notes):
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
    told = Notes()
    (result,) = evaluate(models[0], progress=told, **given)
    assert (told.done, told.kept) == (4, 2), "it ran the block that the other process left"
    assert all(0 < model.clips_run < all_clips - known_clips for model in models)
    assert sum(model.clips_run for model in models) == all_clips - known_clips
    assert result.scores == alone.scores
    assert result.environment["videos_from_cache"] == 2, "counted by whoever ran the block"
    (whole,) = summaries(place / "cache")
    assert whole.videos == 4


MODEL = """
import os
import time
import torch
import zsl_bench

class Slow:
    card = zsl_bench.ModelCard(
        name="slow", revision="1", policy="first-16", trained_on=(), pretrained_on=(),
        clip=zsl_bench.ClipSpec(frames=16, size=32, short_side=40),
    )

    def embed_classes(self, classes):
        return torch.tensor([[len(n), n.count("e"), 1.0] for n in classes.names])

    def embed_clips(self, clips):
        time.sleep(float(os.environ["DELAY"]))
        return clips.float().mean(dim=(1, 3, 4))

def load():
    return Slow()
"""


def start(place, out: str, delay: str = "0") -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "zsl_bench", "evaluate", "--model", "py:slow_cached:load", "--data",
        "colours=many", "--out", out, "--workers", "1", "--batch-size", "1", "--protocol",
        "full", "--json",
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": str(place),
            "DELAY": delay,
            "ZSL_BENCH_CLIP_CACHE": str(place / "kept"),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> dict:
    with process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return json.loads(stdout)[0]


@pytest.fixture
def many(place, write_video):
    """Videos in several blocks, and a model that takes its time."""
    for number in range(60):
        path = place / "many" / ("red", "green")[number % 2] / f"{number:03d}.avi"
        colour = (4 * number, 250 - 4 * number, 37 * number % 250)
        write_video(path, colour, frames=4, size=(48, 32))
    (place / "slow_cached.py").write_text(MODEL)
    return place


@pytest.mark.slow
def test_a_killed_run_loses_only_what_was_not_finished(many):
    with start(many, "out", delay="0.05") as process:
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
    resumed = finish(start(many, "elsewhere"))
    assert resumed["environment"]["videos_from_cache"] == kept.videos
    (whole,) = summaries(many / "kept")
    assert whole.videos == 60
    assert whole.clips == 60


@pytest.mark.slow
def test_two_runs_at_once_share_one_cache(many):
    both = [start(many, out, delay="0.01") for out in ("one", "two")]
    first, second = (finish(process) for process in both)
    assert first["scores"] == second["scores"]
    assert first["arrays"] == second["arrays"]
    assert not verify(many / "kept").damaged
    third = finish(start(many, "three"))
    assert third["environment"]["videos_from_cache"] == 60
    assert third["arrays"] == first["arrays"]
