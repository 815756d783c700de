"""The alternating solver against explicit systems; weights as repeated rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zsl_bench.baselines.methods.kliep import kliep
from zsl_bench.baselines.methods.mte import FittedMte, Mte, latent_points
from zsl_bench.baselines.methods.mte_factors import Moments, Shape
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"rank": 6, "video_regulariser": 0.01, "word_regulariser": 0.01}


def world(*, seed: int = 0, classes: int = 16, videos: int = 6) -> dict[str, Any]:
    """Clips are a linear map of class vectors with noise; the last four classes are unseen."""
    generator = np.random.default_rng(seed)
    words = generator.standard_normal((classes, 6))
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    middles = words @ generator.standard_normal((6, 20))
    labels = np.repeat(np.arange(classes), videos)
    clips = middles[labels][:, None] + 0.3 * generator.standard_normal((len(labels), 3, 20))
    seen = labels < classes - 4
    return {
        "seen": (clips[seen], np.full(seen.sum(), 3), labels[seen], words[: classes - 4]),
        "test": (clips[~seen], np.full((~seen).sum(), 3), words[classes - 4 :]),
        "truth": labels[~seen] - (classes - 4),
    }


def problem(*, weighted: bool = False) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(3)
    rows, words = generator.standard_normal((8, 5)), generator.standard_normal((3, 4))
    labels = np.array([0, 1, 2, 0, 1, 2, 2, 0])
    weights = generator.integers(1, 4, 8).astype(float) if weighted else np.ones(8)
    return rows, labels, words, weights


def objective(
    made: tuple[np.ndarray, ...], factors: tuple[np.ndarray, np.ndarray], shape: Shape
) -> float:
    rows, labels, words, weights = made
    total = shape.videos * (factors[0] ** 2).sum() + shape.words * (factors[1] ** 2).sum()
    for row, label, weight in zip(rows, labels, weights, strict=True):
        total += weight * ((row @ factors[0] @ factors[1] - words[label]) ** 2).sum()
    return float(total)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_step_of_a_equals_a_kronecker_solve(*, weighted: bool) -> None:
    rows, labels, words, weights = problem(weighted=weighted)
    moments = Moments.of(rows, labels, words, weights)
    s = np.random.default_rng(4).standard_normal((3, 4)) @ moments.axes @ moments.axes.T
    gram = rows.T @ np.diag(weights) @ rows
    system = np.kron(gram, s @ s.T) + 0.3 * np.eye(15)
    right = rows.T @ np.diag(weights) @ words[labels] @ s.T
    solved = np.linalg.solve(system, right.ravel()).reshape(5, 3)
    found = moments.basis @ moments.video_step(s @ moments.axes, 0.3)
    assert found == pytest.approx(solved)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_what_it_says_and_never_rises(*, weighted: bool) -> None:
    made, shape = problem(weighted=weighted), Shape(rank=3, videos=0.2, words=0.1)
    found = Moments.of(*made).factors(shape, seed=0)
    assert len(found.objectives) > 2
    assert (np.diff(found.objectives) <= 1e-9).all()
    assert found.objectives[-1] == pytest.approx(
        objective(made, (found.videos, found.words), shape)
    )


def test_the_end_is_a_stationary_point_in_both_factors() -> None:
    made, shape = problem(), Shape(rank=3, videos=0.2, words=0.1, rounds=2000)
    found = Moments.of(*made).factors(shape, seed=0)
    best = objective(made, (found.videos, found.words), shape)
    generator = np.random.default_rng(5)
    for _ in range(20):
        near = (
            found.videos + 0.01 * generator.standard_normal(found.videos.shape),
            found.words + 0.01 * generator.standard_normal(found.words.shape),
        )
        assert objective(made, near, shape) > best - 1e-5


def test_full_rank_without_regularisers_is_least_squares() -> None:
    rows, labels, words, _ = problem()
    found = Moments.of(rows, labels, words).factors(Shape(rank=5, videos=1e-9, words=1e-9), seed=0)
    assert found.videos @ found.words == pytest.approx(
        np.linalg.lstsq(rows, words[labels], rcond=None)[0], abs=1e-5
    )


def test_whole_weights_equal_repeated_rows() -> None:
    rows, labels, words, weights = problem(weighted=True)
    often = np.repeat(np.arange(8), weights.astype(int))
    shape = Shape(rank=3, videos=0.1, words=0.1)
    weighed = Moments.of(rows, labels, words, weights).factors(shape, seed=0)
    repeated = Moments.of(rows[often], labels[often], words).factors(shape, seed=0)
    product = repeated.videos @ repeated.words
    assert weighed.videos @ weighed.words == pytest.approx(product, abs=1e-6)


def test_only_the_product_of_the_regularisers_matters() -> None:
    made = problem()
    maps = []
    for videos, words in ((0.1, 0.1), (1.0, 0.01)):
        shape = Shape(rank=3, videos=videos, words=words, rounds=3000)
        found = Moments.of(*made).factors(shape, seed=0)
        maps.append(found.videos @ found.words)
    assert maps[0] == pytest.approx(maps[1], abs=1e-2)


def test_latent_points_equal_a_loop() -> None:
    generator = np.random.default_rng(6)
    s, words = generator.standard_normal((3, 5)), generator.standard_normal((4, 5))
    inverse = np.linalg.inv(s @ s.T + 0.1 * np.eye(3))
    looped = [inverse @ s @ word for word in words]
    assert latent_points(s, words, floor=0.1) == pytest.approx(np.array(looped))


@pytest.mark.parametrize("match", ["word", "latent"])
def test_both_matches_find_unseen_classes(match: str) -> None:
    made = world()
    fitted = Mte().fit(*made["seen"], config={**SMALL, "match": match})
    scores = fitted.score(*made["test"])
    assert (scores.argmax(axis=1) == made["truth"]).mean() > 0.7
    embedded, points = fitted.embed(*made["test"][:2]), fitted.class_points(made["test"][2])
    assert embedded is not None
    assert points is not None
    cosine = embedded[0] @ points[1] / np.linalg.norm(embedded[0]) / np.linalg.norm(points[1])
    assert scores[0, 1] == pytest.approx(cosine)


def test_settings_are_chosen_on_seen_classes() -> None:
    chosen = Mte().fit(*world()["seen"], config={"rounds": 5}).settings()
    assert chosen["rank"] in (20, 40, 60, 100)
    assert chosen["video_regulariser"] == chosen["word_regulariser"]
    kept = Mte().fit(*world()["seen"], config={"rank": 3, "word_regulariser": 0.5, "rounds": 5})
    assert (kept.settings()["rank"], kept.settings()["word_regulariser"]) == (3, 0.5)


def fitted_mte(**config: Any) -> FittedMte:
    fitted = Mte().fit(*world()["seen"], config={**SMALL, **config})
    assert isinstance(fitted, FittedMte)
    return fitted


def test_weights_by_test_videos_are_transductive() -> None:
    clips, lengths, words = world()["test"]
    fitted = fitted_mte()
    adapted = fitted.adapt(clips, lengths, words)
    assert isinstance(adapted, FittedMte)
    assert (adapted.spec.name, adapted.spec.setting) == ("mte+iw", "transductive")
    assert (fitted.spec.name, fitted.spec.setting) == ("mte", "inductive")
    assert fitted.training is not None
    assert adapted.weights is not None
    samples = fitted.training.rows.astype(np.float64)
    targets = clips.astype(np.float32).mean(axis=1, dtype=np.float64) - fitted.centring.mean
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    assert adapted.weights == pytest.approx(kliep(samples, targets, seed=0).at(samples))
    with pytest.raises(ModelError, match="no training videos"):
        adapted.adapt(clips, lengths, words)


def test_only_auxiliary_videos_are_weighted_by_the_other_seen_ones() -> None:
    weighed = fitted_mte(prioritise="seen", auxiliary_classes=(0, 1, 2, 3))
    auxiliary = np.isin(world()["seen"][2], (0, 1, 2, 3))
    assert weighed.weights is not None
    assert (weighed.weights[~auxiliary] == 1).all()
    assert weighed.weights[auxiliary].mean() == pytest.approx(1.0)
    assert weighed.weights[auxiliary].std() > 0
    assert (weighed.spec.name, weighed.spec.setting) == ("mte+iw", "inductive")
    assert not weighed.spec.needs_unseen_names


def test_names_favour_auxiliary_classes_like_them() -> None:
    words = world()["seen"][3]
    unseen = tuple(tuple(row) for row in (words[:1] + 0.01).tolist())
    weighed = fitted_mte(prioritise="names", auxiliary_classes=(0, 1, 2), unseen_vectors=unseen)
    assert weighed.spec.needs_unseen_names
    assert weighed.weights is not None
    labels = world()["seen"][2]
    means = [weighed.weights[labels == label].mean() for label in range(3)]
    assert means[0] > max(means[1:])


@pytest.mark.parametrize(
    "config",
    [{}, {"match": "latent"}, {"prioritise": "seen", "auxiliary_classes": (1, 2)}],
    ids=str,
)
def test_saved_and_read_again_scores_and_adapts_alike(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    test, fitted = world()["test"], fitted_mte(**config)
    again = load_fitted(save_method(fitted, tmp_path))
    assert isinstance(again, FittedMte)
    assert again.spec == fitted.spec
    assert (again.score(*test) == fitted.score(*test)).all()
    assert (again.adapt(*test).score(*test) == fitted.adapt(*test).score(*test)).all()


def test_without_its_videos_it_cannot_adapt(tmp_path: Path) -> None:
    fitted = fitted_mte(keep_videos=False)
    again = load_fitted(save_method(fitted, tmp_path))
    assert isinstance(again, FittedMte)
    with pytest.raises(ModelError, match="keep_videos"):
        again.adapt(*world()["test"])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"match": "both"}, "choose from latent, word"),
        ({"rank": 0}, "from 1"),
        ({"prioritise": "all"}, "choose from names, none, seen"),
        ({"prioritise": "seen"}, "no auxiliary classes"),
        ({"prioritise": "names", "auxiliary_classes": (0,)}, "0 unseen vectors"),
        ({"unseen_vectors": ((1.0,),)}, "1 unseen vectors"),
        ({"prioritise": "seen", "auxiliary_classes": (99,)}, "positions among"),
        ({"prioritise": "seen", "auxiliary_classes": tuple(range(12))}, "no seen video"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fitted_mte(**config)
