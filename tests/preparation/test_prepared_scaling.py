"""Sizes of prepared files, and that scaling is evaluation's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import VideoError
from zsl_bench.preparation import PrepareSettings, prepared_size
from zsl_bench.preparation.scaling import FrameScaler
from zsl_bench.video import ClipSpec, resized_size, transform_frames

SIDES = st.integers(2, 4000)


@given(height=SIDES, width=SIDES, short_side=st.one_of(st.none(), st.integers(1, 300)))
def test_sizes_are_even_not_enlarged_and_follow_the_rule(height, width, short_side):
    wanted = None if short_side is None else 2 * short_side
    size = prepared_size(height, width, wanted)
    assert size[0] % 2 == size[1] % 2 == 0
    assert size[0] <= height
    assert size[1] <= width
    if wanted is None or min(height, width) <= wanted:
        assert size == (height // 2 * 2, width // 2 * 2)
        return
    assert min(size) == wanted
    rule = resized_size(ClipSpec(size=1, short_side=wanted, resize="exact"), height, width)
    assert size == (rule[0] // 2 * 2, rule[1] // 2 * 2)


def test_a_single_line_is_no_video():
    with pytest.raises(VideoError, match="frames of 300 x 1"):
        prepared_size(1, 300, 128)


@given(
    short=st.integers(129, 300),
    more=st.integers(0, 250),
    upright=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_centre_crop_is_that_of_evaluation(short, more, upright, seed):
    """The rounded crop of a scaled frame is the crop that evaluation makes of the source."""
    size = (short + more, short) if upright else (short, short + more)
    frame = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    spec = ClipSpec(resize="exact")
    scaled = FrameScaler(PrepareSettings(), *size)(frame)
    assert scaled.shape == (*prepared_size(*size, 128), 3)
    top, left = ((side - spec.size) // 2 for side in scaled.shape[:2])
    ours = np.rint(scaled[top : top + 112, left : left + 112]).astype(np.uint8)
    theirs = transform_frames(frame[None], spec)[0].transpose(1, 2, 0)
    assert np.array_equal(ours, theirs)
    again = transform_frames(np.rint(scaled).astype(np.uint8)[None], spec)[0].transpose(1, 2, 0)
    assert np.array_equal(again, theirs)


@pytest.mark.parametrize("scaler", ["evaluation", "area", "bicubic", "bilinear"])
def test_every_scaler_keeps_what_is_flat_and_leaves_small_frames_alone(scaler):
    settings = PrepareSettings(scaler=scaler)
    flat = np.full((240, 321, 3), 77, np.uint8)
    assert np.abs(FrameScaler(settings, 240, 321)(flat).astype(float) - 77).max() <= 1
    small = np.random.default_rng(0).integers(0, 256, (101, 90, 3), np.uint8)
    kept = FrameScaler(settings, 101, 90)(small)
    assert kept.shape == (100, 90, 3)
    assert np.array_equal(kept, small[:100]) or np.array_equal(kept, small[1:])


def test_frames_of_another_size_are_fitted_and_counted():
    scaler = FrameScaler(PrepareSettings(), 240, 320)
    scaler(np.zeros((240, 320, 3), np.uint8))
    assert scaler(np.zeros((360, 360, 3), np.uint8)).shape == (128, 170, 3)
    assert scaler.fitted == 1
