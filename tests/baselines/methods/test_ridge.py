"""Ridge regression to word vectors beside solutions that take no short cut."""

import numpy as np
import pytest

from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.ridge import GRID
from zsl_bench.errors import ModelError

RR = load_method("rr")
CLASSES, DIM, WORDS = 5, 7, 4


@pytest.fixture
def data():
    generator = np.random.default_rng(11)
    labels = np.repeat(np.arange(CLASSES), 6)
    features = generator.normal(size=(len(labels), 3, DIM)).astype(np.float32)
    features += labels[:, None, None] * generator.normal(size=DIM).astype(np.float32)
    lengths = generator.integers(1, 4, len(labels))
    return features, lengths, labels, generator.normal(size=(CLASSES, WORDS))


def plain_rows(features, lengths, reference=None):
    """Centre by the mean of the reference's video vectors and scale, one video at a time."""
    of = lambda f, n: np.array([f[i, : n[i]].astype(float).mean(0) for i in range(len(n))])  # noqa: E731
    means = of(features, lengths)
    centre = means if reference is None else of(*reference)
    rows = means - centre.mean(axis=0)
    return np.array([row / np.sqrt((row * row).sum()) for row in rows])


def plain_targets(labels, vectors):
    unit = [vector / np.sqrt((vector * vector).sum()) for vector in vectors]
    return np.array([unit[label] for label in labels])


@pytest.mark.parametrize("regulariser", [1e-3, 0.3, 100.0])
def test_it_equals_a_solve_for_each_word_dimension(data, regulariser):
    features, lengths, labels, vectors = data
    fitted = RR.fit(*data, config={"regulariser": regulariser})
    x, z = plain_rows(features, lengths), plain_targets(labels, vectors)
    square = sum(np.outer(row, row) for row in x) + regulariser * np.eye(DIM)
    solved = [np.linalg.solve(square, x.T @ z[:, word]) for word in range(WORDS)]
    np.testing.assert_allclose(fitted.weights, np.array(solved).T, atol=1e-9)


def test_the_gradient_of_the_objective_is_zero_there(data):
    features, lengths, labels, vectors = data
    weights = RR.fit(*data, config={"regulariser": 0.3}).weights
    x, z = plain_rows(features, lengths), plain_targets(labels, vectors)

    def objective(w):
        return ((x @ w - z) ** 2).sum() + 0.3 * (w**2).sum()

    step = 1e-5
    for place in np.ndindex(weights.shape):
        change = np.zeros_like(weights)
        change[place] = step
        slope = (objective(weights + change) - objective(weights - change)) / (2 * step)
        assert abs(slope) < 1e-6


def test_an_infinite_regulariser_shrinks_it_and_ranks_like_plain_correlation(data):
    features, lengths, labels, vectors = data
    fitted = RR.fit(*data, config={"regulariser": 1e9})
    assert np.abs(fitted.weights).max() < 1e-7
    x, z = plain_rows(features, lengths), plain_targets(labels, vectors)
    embedded = x @ (x.T @ z)
    cosines = (embedded / np.linalg.norm(embedded, axis=1, keepdims=True)) @ plain_targets(
        range(CLASSES), vectors
    ).T
    np.testing.assert_allclose(fitted.score(features, lengths, vectors), cosines, atol=1e-6)


def test_a_noiseless_linear_map_is_found_exactly():
    generator = np.random.default_rng(2)
    half = generator.normal(size=(2 * DIM, DIM))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    rows = np.vstack([half, -half])
    rotation = np.linalg.qr(generator.normal(size=(DIM, DIM)))[0]
    fitted = RR.fit(
        rows[:, None], np.ones(len(rows), int), np.arange(len(rows)), rows @ rotation,
        config={"regulariser": 1e-12},
    )  # fmt: skip
    np.testing.assert_allclose(fitted.weights, rotation, atol=1e-6)


def test_scores_are_cosines_of_embedded_videos(data):
    features, lengths, _, vectors = data
    fitted = RR.fit(*data, config={"regulariser": 1.0})
    scores = fitted.score(features, lengths, 3 * vectors)
    points, classes = fitted.embed(features, lengths), fitted.class_points(vectors)
    for row, point in enumerate(points):
        for column, vector in enumerate(classes):
            cosine = point @ vector / np.linalg.norm(point) / np.linalg.norm(vector)
            assert scores[row, column] == pytest.approx(cosine)


def test_the_regulariser_is_one_of_the_grid_and_the_fallback_where_there_is_no_second_class(data):
    features, lengths, labels, vectors = data
    assert RR.fit(*data).regulariser in GRID
    alone = RR.fit(features, lengths, np.zeros_like(labels), vectors[:1])
    assert alone.settings() == {"regulariser": 1.0, "neighbours": 100}


@pytest.mark.parametrize(("asked", "taken"), [(1, 1), (4, 4), (100, 6)])
def test_self_training_is_a_double_loop(data, asked, taken):
    features, lengths, _, vectors = data
    fitted = RR.fit(*data, config={"regulariser": 0.1, "neighbours": asked})
    points, classes = fitted.embed(features, lengths), fitted.class_points(vectors)
    cosine = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)  # noqa: E731
    moved = []
    for vector in classes:
        nearest = sorted(points, key=lambda point: -cosine(point, vector))[:taken]
        moved.append(sum(nearest) / taken)
    adapted = fitted.adapt(features, lengths, vectors)
    np.testing.assert_allclose(adapted.class_points(vectors), moved)
    scores = adapted.score(features, lengths, vectors)
    assert scores[3, 2] == pytest.approx(cosine(points[3], moved[2]))
    assert (adapted.spec.name, adapted.spec.setting) == ("rr+st", "transductive")
    assert fitted.spec.setting == "inductive"


def test_an_unknown_setting_is_told_with_what_is_near(data):
    with pytest.raises(ModelError, match="did you mean 'regulariser'"):
        RR.fit(*data, config={"regularizer": 1})
