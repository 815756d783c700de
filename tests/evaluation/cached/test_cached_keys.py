"""What is part of the key of a clip's output, so that nothing of another run is found."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import zsl_bench
from zsl_bench.clip_cache import summaries
from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation import identity, runner
from zsl_bench.video import ClipSpec
from zsl_bench.videos import Video


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


def test_the_digest_of_a_package_covers_names_and_contents(tmp_path, notes):
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
