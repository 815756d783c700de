"""Clip features, labels and class vectors: what is taken, what is refused."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods import ClipFeatures
from zsl_bench.baselines.methods.inputs import (
    CHUNK,
    Centring,
    checked_labels,
    unit_class_vectors,
    unit_rows,
)
from zsl_bench.errors import DatasetError


def made(videos=4, clips=3, dim=2, seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(videos, clips, dim)).astype(np.float32)
    return features, generator.integers(1, clips + 1, videos)


@settings(max_examples=40, deadline=None)
@given(videos=st.integers(1, 9), clips=st.integers(1, 6), dim=st.integers(1, 4))
def test_means_are_those_of_the_clips_that_are_there(videos, clips, dim):
    features, lengths = made(videos, clips, dim)
    for filling in (np.nan, np.inf, 1e38):
        dirty = features.copy()
        for video, length in enumerate(lengths):
            dirty[video, length:] = filling
        held = ClipFeatures.of(dirty, lengths)
        expected = [features[i, : lengths[i]].astype(float).mean(axis=0) for i in range(videos)]
        np.testing.assert_allclose(held.means(), expected, atol=1e-12)
        assert held.inside.sum() == lengths.sum()
        assert not held.clips[~held.inside].any()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_float_is_held_as_float32(kind):
    features, lengths = made()
    held = ClipFeatures.of(features.astype(kind), lengths.astype(np.uint8))
    assert (held.clips.dtype, held.lengths.dtype, held.dim) == (np.float32, np.int64, 2)


def test_features_on_disk_are_taken(tmp_path):
    features, lengths = made()
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        ClipFeatures.of(mapped, lengths).clips, ClipFeatures.of(features, lengths).clips
    )


def test_what_was_handed_in_is_not_written_to():
    features, lengths = made()
    features.setflags(write=False)
    assert not np.shares_memory(ClipFeatures.of(features, lengths).clips, features)


def test_half_precision_is_never_held_whole_in_float32():
    features = np.ones((16 * CHUNK, 8, 4), dtype=np.float16)
    lengths = np.full(len(features), 8)
    tracemalloc.start()
    held = ClipFeatures.of(features, lengths)
    part = held.take(np.arange(0, len(held), 2))
    part.means()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held.source is features
    assert part.source is features
    assert peak < features.size * 4


def test_parts_of_parts_are_the_rows_of_a_loop():
    features, lengths = made(videos=9)
    held = ClipFeatures.of(features, lengths)
    part = held.take(np.array([7, 2, 2, 5])).take(np.array([False, True, False, True]))
    for video, row in enumerate((2, 5)):
        length = lengths[row]
        assert part.lengths[video] == length
        np.testing.assert_array_equal(part.clips[video, :length], features[row, :length])
        assert not part.clips[video, length:].any()
        np.testing.assert_array_equal(part.means()[video], held.means()[row])


def test_chunks_are_the_videos_in_their_order():
    features, lengths = made(videos=2 * CHUNK + 1, clips=1, dim=1)
    parts = list(ClipFeatures.of(features, lengths).chunks())
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 1]
    np.testing.assert_array_equal(np.concatenate([part.clips for part in parts]), features)


@pytest.mark.parametrize(
    ("features", "lengths", "found"),
    [
        (np.zeros((2, 3)), [1, 1], r"shape \(2, 3\)"),
        (np.zeros((0, 3, 2)), [], r"shape \(0, 3, 2\)"),
        (np.zeros((2, 3, 2), int), [1, 1], "type int64"),
        (np.zeros((2, 3, 2)), [1], r"lengths of shape \(1,\)"),
        (np.zeros((2, 3, 2)), [1.0, 2.0], "type float64"),
        (np.zeros((2, 3, 2)), [0, 3], "lengths from 0 to 3 for 3 clips"),
        (np.zeros((2, 3, 2)), [1, 4], "lengths from 1 to 4 for 3 clips"),
        (np.array([[[1.0]], [[np.inf]]]), [1, 1], "not finite in video 1"),
    ],
)
def test_malformed_features_are_refused(features, lengths, found):
    with pytest.raises(DatasetError, match=found):
        ClipFeatures.of(features, lengths)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([0, 1], r"shape \(2,\)"),
        ([0.0, 1.0, 1.0], "type float64"),
        ([0, 1, 2], "labels from 0 to 2 for 2 classes"),
        ([-1, 1, 1], "labels from -1 to 1"),
    ],
)
def test_malformed_labels_are_refused(labels, found):
    with pytest.raises(DatasetError, match=found):
        checked_labels(labels, 3, 2)


@pytest.mark.parametrize(
    ("vectors", "found"),
    [
        ([1.0, 2.0], r"shape \(2,\)"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        ([[1.0, np.nan]], "not finite"),
        ([[1.0, 0.0], [0.0, 0.0]], "a zero vector for class 1"),
    ],
)
def test_malformed_class_vectors_are_refused(vectors, found):
    with pytest.raises(DatasetError, match=found):
        unit_class_vectors(vectors)


def test_class_vectors_and_rows_have_unit_length_and_a_zero_row_stays():
    vectors = unit_class_vectors([[3, 4], [0, -2]])
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, -1]])
    np.testing.assert_allclose(unit_rows(np.array([[0.0, 0.0], [0.0, 5.0]])), [[0, 0], [0, 1]])


def test_centring_is_measured_on_seen_videos_only():
    seen, lengths = made(seed=1)
    other, other_lengths = made(seed=2)
    centring = Centring.of(ClipFeatures.of(seen, lengths))
    rows = centring.rows(ClipFeatures.of(other, other_lengths))
    seen_mean = ClipFeatures.of(seen, lengths).means().mean(axis=0)
    expected = ClipFeatures.of(other, other_lengths).means() - seen_mean
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(rows, expected)
