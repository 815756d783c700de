"""ESZSL's closed form beside a Kronecker solve, its kernel form and explicit targets."""

import numpy as np
import pytest

from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.ridge import GRID
from zsl_bench.baselines.methods.validation import class_folds

ESZSL = load_method("eszsl")
VIDEOS, DIM, WORDS, CLASSES = 6, 5, 4, 3


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    labels = np.array([0, 1, 2, 2, 1, 1])
    features = generator.normal(size=(VIDEOS, 2, DIM))
    return features, np.full(VIDEOS, 2), labels, generator.normal(size=(CLASSES, WORDS))


def plain(data):
    features, _, labels, vectors = data
    means = features.astype(np.float32).astype(float).mean(axis=1)
    x = means - means.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    z = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    y = np.array([[float(label == column) for column in range(CLASSES)] for label in labels])
    return x, y, z


@pytest.mark.parametrize(("visual", "semantic"), [(1e-2, 1.0), (1.0, 1e-2), (100.0, 10.0)])
def test_it_equals_a_kronecker_solve(data, visual, semantic):
    x, y, z = plain(data)
    left = x.T @ x + visual * np.eye(DIM)
    right = z.T @ z + semantic * np.eye(WORDS)
    flat = np.linalg.solve(np.kron(left, right), (x.T @ y @ z).ravel())
    fitted = ESZSL.fit(*data, config={"visual": visual, "semantic": semantic})
    np.testing.assert_allclose(fitted.weights, flat.reshape(DIM, WORDS), atol=1e-9)


def test_the_kernel_form_gives_the_same_scores(data):
    x, y, z = plain(data)
    visual, semantic = 0.3, 0.7
    dual = np.linalg.solve(x @ x.T + visual * np.eye(VIDEOS), y @ z)
    dual = dual @ np.linalg.inv(z.T @ z + semantic * np.eye(WORDS))
    expected = (x @ x.T) @ dual @ z.T
    fitted = ESZSL.fit(*data, config={"visual": visual, "semantic": semantic})
    scores = fitted.score(data[0], data[1], data[3])
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_points_multiply_to_scores(data):
    fitted = ESZSL.fit(*data, config={"visual": 1, "semantic": 1})
    points, classes = fitted.embed(data[0], data[1]), fitted.class_points(data[3])
    np.testing.assert_allclose(points @ classes.T, fitted.score(data[0], data[1], data[3]))


def test_one_regulariser_given_leaves_the_other_to_be_chosen(data):
    fitted = ESZSL.fit(*data, config={"visual": 0.125})
    assert fitted.visual == 0.125
    assert fitted.semantic in GRID


def test_the_pair_is_the_one_that_a_plain_search_over_held_out_classes_finds():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(15), 4)
    centres = generator.normal(size=(15, 6))
    features = (centres[labels] + generator.normal(size=(60, 6)))[:, None]
    vectors = centres @ generator.normal(size=(6, 5)) + 0.3 * generator.normal(size=(15, 5))
    lengths = np.ones(60, int)
    fitted = ESZSL.fit(features, lengths, labels, vectors, seed=4)
    seen = {}

    class Spy(type(ESZSL)):
        def fitted(self, given, config):
            seen["given"] = given
            return super().fitted(given, config)

    Spy().fit(features, lengths, labels, vectors, seed=4, config={"visual": 1, "semantic": 1})
    best, best_mean = None, -1.0
    for visual in GRID:
        for semantic in GRID:
            found = []
            for fold in class_folds(seen["given"]):
                learned, held_out = fold.learned, fold.held_out
                one = ESZSL.fit(
                    learned.videos.clips, learned.videos.lengths, learned.labels,
                    learned.class_vectors, config={"visual": visual, "semantic": semantic},
                )  # fmt: skip
                videos = held_out.videos
                scores = one.score(videos.clips, videos.lengths, held_out.class_vectors)
                right = scores.argmax(axis=1) == held_out.labels
                found.append(np.mean([right[held_out.labels == c].mean() for c in range(3)]))
            if np.mean(found) > best_mean + 1e-12:
                best, best_mean = (visual, semantic), np.mean(found)
    assert (fitted.visual, fitted.semantic) == best
