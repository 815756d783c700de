"""BiDiLEL step by step against plain formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from zsl_bench.baselines.methods.bidilel import Bidilel, Placement, distance_scale
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def world(*, seed: int = 0, classes: int = 12, videos: int = 6) -> dict[str, Any]:
    """Clips are a linear map of class vectors with noise; the last four classes are unseen."""
    generator = np.random.default_rng(seed)
    words = generator.standard_normal((classes, 9))
    middles = words @ generator.standard_normal((9, 20))
    labels = np.repeat(np.arange(classes), videos)
    clips = middles[labels][:, None] + 0.5 * generator.standard_normal((len(labels), 3, 20))
    seen = labels < classes - 4
    return {
        "seen": (clips[seen], np.full(seen.sum(), 3), labels[seen], words[: classes - 4]),
        "test": (clips[~seen], np.full((~seen).sum(), 3), words[classes - 4 :]),
        "truth": labels[~seen] - (classes - 4),
    }


def accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == truth).mean())


@pytest.mark.parametrize(
    "config",
    [{}, {"start": "random"}, {"kernel": "rbf", "kernel_centres": 30}, {"graph_neighbours": 3}],
    ids=str,
)
def test_unseen_classes_are_found(config: dict[str, Any]) -> None:
    made = world(classes=24)
    fitted = Bidilel().fit(*made["seen"], config=config)
    assert accuracy(fitted.score(*made["test"]), made["truth"]) > 0.6


def test_scores_are_distances_from_projections_to_points() -> None:
    made = world()
    fitted = Bidilel().fit(*made["seen"])
    clips, lengths, words = made["test"]
    embedded, points = fitted.embed(clips, lengths), fitted.class_points(words)
    assert embedded is not None
    assert points is not None
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1.0)
    for video, candidate in [(0, 0), (5, 3), (23, 2)]:
        apart = np.sqrt(((embedded[video] - points[candidate]) ** 2).sum())
        assert fitted.score(clips, lengths, words)[video, candidate] == pytest.approx(-apart)


def test_a_seen_candidate_stays_at_its_landmark() -> None:
    made = world()
    clips, lengths, labels, words = made["seen"]
    fitted = Bidilel().fit(*made["seen"])
    embedded, points = fitted.embed(clips, lengths), fitted.class_points(words[[5, 2]])
    assert embedded is not None
    assert points is not None
    for point, label in zip(points, [5, 2], strict=True):
        middle = embedded[labels == label].mean(axis=0)
        assert point == pytest.approx(middle / np.linalg.norm(middle))


def test_points_depend_on_the_other_candidates() -> None:
    made = world()
    clips, lengths, words = made["test"]
    fitted = Bidilel().fit(*made["seen"])
    few, every = fitted.score(clips, lengths, words[:2]), fitted.score(clips, lengths, words)
    assert fitted.spec.jointly_embeds_classes
    assert np.abs(few - every[:, :2]).max() > 1e-6
    order = np.array([2, 0, 3, 1])
    assert fitted.score(clips, lengths, words[order]) == pytest.approx(every[:, order])


def test_the_scale_is_least_squares_over_pairs() -> None:
    generator = np.random.default_rng(1)
    words, landmarks = generator.standard_normal((5, 4)), generator.standard_normal((5, 3))
    between, apart = [], []
    for first in range(5):
        for second in range(first):
            between.append([np.linalg.norm(words[first] - words[second])])
            apart.append(np.linalg.norm(landmarks[first] - landmarks[second]))
    solved = np.linalg.lstsq(np.array(between), np.array(apart), rcond=None)[0]
    assert distance_scale(words, landmarks) == pytest.approx(solved[0])
    assert distance_scale(words[:1], landmarks[:1]) == 1.0


def test_classes_of_a_shared_space_are_placed_where_they_are() -> None:
    generator = np.random.default_rng(2)
    words = generator.standard_normal((20, 6))
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    turned = 3 * words @ np.linalg.qr(generator.standard_normal((6, 6)))[0]
    placement = Placement(
        words=words[:15],
        landmarks=turned[:15],
        first_guess=np.zeros((6, 6)),
        scale=distance_scale(words[:15], turned[:15]),
        steps=300,
        seed=0,
    )
    assert placement.points(words) == pytest.approx(turned, abs=1e-3)


def test_two_names_alike_share_their_point() -> None:
    made = world()
    words = made["test"][2]
    points = Bidilel().fit(*made["seen"]).class_points(np.concatenate([words, words[:1]]))
    assert points is not None
    assert points[-1] == pytest.approx(points[0], abs=1e-6)


def test_self_training_moves_each_class_to_its_nearest_videos() -> None:
    made = world()
    clips, lengths, words = made["test"]
    fitted = Bidilel().fit(*made["seen"], config={"neighbours": 4})
    adapted = fitted.adapt(clips, lengths, words)  # type: ignore[attr-defined]
    embedded, points = fitted.embed(clips, lengths), fitted.class_points(words)
    assert embedded is not None
    assert points is not None
    moved = [
        np.mean(sorted(embedded, key=lambda row: ((row - point) ** 2).sum())[:4], axis=0)
        for point in points
    ]
    assert adapted.score(clips, lengths, words) == pytest.approx(-cdist(embedded, moved))
    assert (adapted.spec.name, adapted.spec.setting) == ("bidilel+st", "transductive")
    assert fitted.spec.setting == "inductive"


@pytest.mark.parametrize("config", [{}, {"start": "random", "kernel": "rbf"}], ids=str)
def test_saved_and_read_again_scores_alike(tmp_path: Path, config: dict[str, Any]) -> None:
    made = world()
    fitted = Bidilel().fit(*made["seen"], config=config)
    adapted = fitted.adapt(*made["test"])  # type: ignore[attr-defined]
    for name, each in (("base", fitted), ("moved", adapted)):
        again = load_fitted(save_method(each, tmp_path / name))
        assert again.spec == each.spec
        assert (again.score(*made["test"]) == each.score(*made["test"])).all()


@pytest.mark.parametrize("config", [{"kernel": "cubic"}, {"start": "warm"}], ids=str)
def test_an_unknown_choice_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="choose from"):
        Bidilel().fit(*world()["seen"], config=config)


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ModelError, match="from 1"):
        Bidilel().fit(*world()["seen"], config={"dim": 0})
