"""Models that score whole videos: what they are handed, and fitted methods among them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from zsl_bench import evaluate
from zsl_bench.assessment.array_file import Rows
from zsl_bench.baselines.extracted import (
    FitSettings,
    fit_method,
    method_model,
    read_clip_file,
    read_fitted_folder,
)
from zsl_bench.errors import ModelError, WordVectorError
from zsl_bench.evaluation.extract import extract
from zsl_bench.evaluation.store import KeptClips
from zsl_bench.evaluation.whole_videos import clips_of_videos, padded, video_lengths
from zsl_bench.model import LoadOptions, check_is_model, gives_scores, is_scoring, scores_videos
from zsl_bench.testing import Trial, run_rules
from zsl_bench.wordvectors import class_vectors

NAMES = ("blue thing", "green thing", "grey thing", "red thing", "yellow thing")


class OrderScorer:
    """Scores the first class by the last clip's red level and the others by constants."""

    def __init__(self, inner):
        self.card, self._inner, self.handed = inner.card, inner, []

    def embed_clips(self, clips):
        return self._inner.embed_clips(clips)

    def score_videos(self, features, lengths, classes):
        self.handed.append((features.copy(), lengths.copy(), classes))
        last = features[np.arange(len(features)), lengths - 1, 0]
        return np.stack([last, *(np.full(len(last), -i) for i in range(1, len(classes)))], axis=1)


def scores_of(out):
    (path,) = out.glob("*.npz")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.mark.parametrize("blocks", [(4,), (1, 3), (2, 0, 1, 1)])
def test_clips_of_videos_are_a_loop(blocks):
    counts, rng = np.array([2, 1, 3, 2]), np.random.default_rng(0)
    weights = rng.integers(1, 4, size=8)
    rows = rng.normal(size=(8, 3)).astype(np.float32)
    ends = np.cumsum([0, *counts])[np.cumsum([0, *blocks])]
    parts = tuple(partial(rows.__getitem__, slice(*pair)) for pair in pairwise(ends.tolist()))
    clips = KeptClips(vectors=Rows(shape=(8, 3), parts=parts), weights=weights, counts=counts)
    expected, start = [], 0
    for count in counts:
        video = []
        for i in range(start, start + count):
            video += [rows[i]] * weights[i]
        expected.append(np.stack(video))
        start += count
    found = list(clips_of_videos(clips))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert video_lengths(clips).tolist() == [len(video) for video in expected]
    features, lengths = padded(found)
    assert lengths.tolist() == [len(video) for video in expected]
    assert features.sum() == pytest.approx(sum(video.sum() for video in expected), rel=1e-4)


@pytest.mark.parametrize("keeping", ["nowhere", "results", "cache"])
def test_a_model_is_handed_all_clips_of_all_videos_in_order(
    colour_model, colour_folder, tmp_path, keeping
):
    model = OrderScorer(colour_model())
    check_is_model(model, "it")
    assert gives_scores(model)
    assert scores_videos(model)
    assert not is_scoring(model)
    file = extract(
        colour_model(), data=("colours", colour_folder), out=tmp_path / "f", workers=0, device="cpu"
    )
    places = {"out": tmp_path / "r"} if keeping != "nowhere" else {}
    if keeping == "cache":
        places["cache"] = tmp_path / "cache"
    runs = 1 if keeping == "nowhere" else 2
    for _ in range(runs):
        (result,) = evaluate(
            model, data={"colours": colour_folder}, workers=0, device="cpu", **places
        )
    assert len(model.handed) == runs
    for features, lengths, classes in model.handed:
        assert classes.names == file.classes.names
        assert np.array_equal(lengths, file.lengths)
        assert np.allclose(features, file.features, atol=1e-3)
    assert result.identity["model"]["scores"] == "cosine"
    if keeping != "nowhere":
        assert model._inner.clips_run == 15 * 25 - sum(file.lengths) + _distinct(colour_folder)
        arrays = scores_of(tmp_path / "r")
        assert np.allclose(arrays["scores"][:, 0], file.features[:, -1, 0], atol=1e-3)
        assert "clip_vectors" not in arrays


def _distinct(folder):
    from zsl_bench.datasets import open_dataset
    from zsl_bench.video import ClipSpec, clip_policy, load_clips

    manifest, spec = open_dataset("colours", folder), ClipSpec(frames=16, size=32, short_side=40)
    policy = clip_policy("paper-25")
    return sum(
        len(load_clips(manifest.resolve(video), policy, spec).weights) for video in manifest.videos
    )


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (lambda n, c: np.zeros((n, c + 1)), r"scores of \(15, 6\), not \(15, 5\)"),
        (lambda n, c: np.full((n, c), np.nan), "scores that are not finite"),
        (lambda n, c: np.zeros((n, c))[n + c], "IndexError"),
    ],
)
def test_bad_scores_are_refused(colour_model, colour_folder, scores, words):
    model = OrderScorer(colour_model())
    model.score_videos = lambda features, _, classes: scores(len(features), len(classes))
    with pytest.raises(ModelError, match=words):
        evaluate(model, data={"colours": colour_folder}, workers=0, device="cpu")


def test_clips_of_such_a_model_are_not_kept(colour_model, colour_folder, tmp_path):
    with pytest.raises(ModelError, match="no clip has a score"):
        evaluate(
            OrderScorer(colour_model()),
            data={"colours": colour_folder},
            out=tmp_path / "r",
            keep_clips=True,
        )


@pytest.fixture
def fitted(colour_model, colour_folder, tmp_path):
    """Return features of the coloured videos and a method fitted to all of their classes."""
    path = tmp_path / "features.safetensors"
    extract(colour_model(), data=("colours", colour_folder), out=path, workers=0, device="cpu")
    settings = FitSettings(allow_approximate=True, method=("regulariser=0.1",))
    fit_method("rr", path, tmp_path / "rr", settings)
    return path, read_fitted_folder(tmp_path / "rr")


LOOSE = LoadOptions(allow_approximate=True)


def test_a_method_on_videos_scores_as_it_does_on_their_features(
    fitted, colour_model, colour_folder, tmp_path
):
    path, folder = fitted
    model = method_model(folder, colour_model(), LOOSE)
    (result,) = evaluate(
        model, data={"colours": colour_folder}, out=tmp_path / "r", workers=0, device="cpu"
    )
    file = read_clip_file(path)
    vectors = class_vectors(file.classes, allow_approximate=True).matrix
    expected = folder.method.score(np.array(file.features), file.lengths, vectors)
    assert np.allclose(scores_of(tmp_path / "r")["scores"], expected, atol=1e-5)
    about = result.identity["model"]
    assert about["name"] == "rr-colour"
    assert about["settings"]["method_sha256"] == folder.digest()
    assert about["settings"]["setting"] == "inductive"
    assert result.identity["class_vectors"]["kind"].endswith("by word vectors")
    assert result.zero_shot["headline"].startswith("overlapping"), "its seen classes are declared"
    assert [one["dataset"] for one in about["declared"]["trained_on"]] == ["colours"]


def test_another_fit_is_another_identity(fitted, colour_model, tmp_path):
    path, folder = fitted
    other = fit_method(
        "rr", path, tmp_path / "b", FitSettings(allow_approximate=True, method=("regulariser=9",))
    )
    cards = [method_model(one, colour_model(), LOOSE).card for one in (folder, other)]
    assert cards[0].settings["method_sha256"] != cards[1].settings["method_sha256"]


def test_another_backbone_or_other_words_are_refused(fitted, colour_model, tmp_path):
    _, folder = fitted
    with pytest.raises(ModelError, match=r"another backbone.*weights differ"):
        method_model(folder, colour_model(revision="2"), LOOSE)

    class Deeper(colour_model):
        def features(self, clips):
            return clips.float().mean(dim=(1, 3, 4))

    with pytest.raises(ModelError, match=r"another backbone.*output differ"):
        method_model(folder, Deeper(), LOOSE)
    inner = colour_model()
    inner.card = replace(inner.card, settings={"layer": "4"})
    with pytest.raises(ModelError, match=r"another backbone.*settings differ"):
        method_model(folder, inner, LOOSE)
    with pytest.raises(ModelError, match="its one setting is backbone"):
        method_model(folder, colour_model(), LoadOptions(settings={"prompts": "bare"}))
    with pytest.raises(WordVectorError, match="word without a vector"):
        evaluate(
            method_model(folder, colour_model(), LoadOptions()),
            data={"colours": tmp_path / "videos"},
            workers=0,
        )
    others = tmp_path / "words.vec"
    others.write_text("2 3\nthing 1 0 0\nred 0 1 0\n")
    with pytest.raises(WordVectorError, match="fitted with others"):
        method_model(folder, colour_model(), LoadOptions(vectors=str(others)))


def test_the_rules_for_models_are_checked_on_single_clips(fitted, colour_model):
    _, folder = fitted
    model = method_model(folder, colour_model(), LOOSE)
    broken = [
        (outcome.rule, outcome.found)
        for outcome in run_rules(Trial(model=model))
        if outcome.state == "broken" and outcome.rule != "card_is_complete"
    ]
    assert not broken
