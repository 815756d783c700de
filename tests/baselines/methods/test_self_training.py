"""Candidates that move to the test videos."""

import numpy as np
import pytest

from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.self_training import positions_among, self_trained
from zsl_bench.errors import ModelError


def test_a_class_moves_to_the_mean_of_its_closest_videos():
    closeness = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.7], [0.2, 0.9]])
    points = np.array([[1.0, 0], [3, 0], [0, 2], [0, 4]])
    np.testing.assert_allclose(self_trained(closeness, points, neighbours=2), [[2, 0], [0, 3]])


def test_the_first_video_wins_a_tie():
    points = np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(self_trained(np.zeros((3, 2)), points, neighbours=1), [[1], [1]])


@pytest.mark.parametrize(("videos", "classes", "taken"), [(10, 3, 3), (2, 5, 1), (8, 1, 8)])
def test_there_are_at_most_as_many_neighbours_as_videos_for_each_class(videos, classes, taken):
    generator = np.random.default_rng(0)
    closeness, points = generator.random((videos, classes)), np.eye(videos)
    moved = self_trained(closeness, points, neighbours=100)
    assert ((moved > 0).sum(axis=1) == taken).all()


def test_candidates_are_found_by_their_vectors_and_no_other_is():
    known = np.eye(4)
    np.testing.assert_array_equal(positions_among(known[[2, 0]], known, "rr+st"), [2, 0])
    with pytest.raises(ModelError, match=r"not adapted to.*full list of candidates"):
        positions_among(np.full((1, 4), 0.5), known, "rr+st")


def test_an_adapted_method_scores_parts_of_its_candidates_in_any_order():
    generator = np.random.default_rng(3)
    features, lengths = generator.normal(size=(12, 2, 5)), np.full(12, 2)
    seen, unseen = generator.normal(size=(3, 4)), generator.normal(size=(4, 4))
    fitted = load_method("rr").fit(features, lengths, np.arange(12) % 3, seen)
    adapted = fitted.adapt(features, lengths, unseen)
    scores = adapted.score(features, lengths, unseen)
    np.testing.assert_allclose(
        adapted.score(features, lengths, 2 * unseen[[3, 1]]), scores[:, [3, 1]]
    )
    with pytest.raises(ModelError, match="not adapted to"):
        adapted.score(features, lengths, seen)
