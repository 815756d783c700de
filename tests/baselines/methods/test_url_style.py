"""The stand-in for URL: building blocks, similarities and the shared space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zsl_bench.baselines.methods.inputs import Centring, ClipFeatures
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.baselines.methods.url_style import UrlStyle, halves, similarities
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def world(*, seed: int = 0) -> dict[str, Any]:
    """Clips are a linear map of class vectors with noise; the last four classes are unseen."""
    generator = np.random.default_rng(seed)
    words = generator.standard_normal((24, 6))
    middles = words @ generator.standard_normal((6, 30))
    labels = np.repeat(np.arange(24), 5)
    clips = middles[labels][:, None] + 0.5 * generator.standard_normal((len(labels), 4, 30))
    lengths = generator.integers(1, 5, len(labels))
    seen = labels < 20
    return {
        "seen": (clips[seen], lengths[seen], labels[seen], words[:20]),
        "test": (clips[~seen], lengths[~seen], words[20:]),
        "truth": labels[~seen] - 20,
    }


def test_similarities_equal_a_loop() -> None:
    generator = np.random.default_rng(1)
    clips, lengths = generator.standard_normal((3, 4, 5)), np.array([1, 4, 2])
    blocks = generator.standard_normal((6, 5))
    blocks /= np.linalg.norm(blocks, axis=1, keepdims=True)
    videos, mean = ClipFeatures.of(clips, lengths), generator.standard_normal(5)
    found = similarities(videos, Centring(mean=mean), blocks)
    for video in range(3):
        for block in range(6):
            cosines = [
                clip @ blocks[block] / np.linalg.norm(clip)
                for clip in clips[video, : lengths[video]] - mean
            ]
            assert found[video, block] == pytest.approx(max(0, np.mean(cosines)), abs=1e-6)


def test_clips_said_often_leave_a_video_as_it_is() -> None:
    generator = np.random.default_rng(2)
    clips, blocks = generator.standard_normal((2, 3, 5)), np.eye(5)
    once = ClipFeatures.of(clips, np.array([3, 2]))
    often = ClipFeatures.of(np.repeat(clips, 4, axis=1), np.array([12, 8]))
    centring = Centring(mean=np.full(5, 0.2))
    assert similarities(often, centring, blocks) == pytest.approx(
        similarities(once, centring, blocks)
    )


def test_halves_hold_a_vector_without_negative_numbers() -> None:
    assert halves(np.array([[1.0, -2.0, 0.0]])).tolist() == [[1, 0, 0, 0, 2, 0]]


@pytest.mark.parametrize(("semantic", "name"), [("nmf", "url-style"), ("ridge", "url-style+ridge")])
def test_unseen_classes_are_found(tmp_path: Path, semantic: str, name: str) -> None:
    made = world()
    fitted = UrlStyle().fit(*made["seen"], config={"semantic": semantic})
    scores = fitted.score(*made["test"])
    assert (scores.argmax(axis=1) == made["truth"]).mean() > 0.5
    assert (fitted.spec.name, fitted.spec.fidelity) == (name, "stand-in")
    again = load_fitted(save_method(fitted, tmp_path))
    assert again.spec == fitted.spec
    assert (again.score(*made["test"]) == scores).all()


def test_the_same_seed_gives_the_same_bytes() -> None:
    made = world()["seen"]
    first, second, other = (UrlStyle().fit(*made, seed=seed).arrays() for seed in (3, 3, 4))
    assert all((first[name] == second[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_a_class_of_one_clip_has_one_block() -> None:
    clips, words = np.eye(3)[:, None, :], np.eye(3)
    fitted = UrlStyle().fit(clips, [1, 1, 1], [0, 1, 2], words)
    assert fitted.arrays()["blocks"].shape == (3, 3)


def test_an_unknown_way_to_names_is_refused() -> None:
    with pytest.raises(ModelError, match="choose from nmf, ridge"):
        UrlStyle().fit(*world()["seen"], config={"semantic": "jsd"})


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ModelError, match="from 1"):
        UrlStyle().fit(*world()["seen"], config={"bags": 0})
