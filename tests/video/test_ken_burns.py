from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zsl_bench.errors import VideoError
from zsl_bench.video import (
    ClipSpec,
    ken_burns_boxes,
    ken_burns_clip,
    load_image_clip,
    scale_image,
    scaled_size,
)

SPEC = ClipSpec()


def scene(width, height, seed=0, detail=12):
    """A picture with smooth parts, edges and noise."""
    rng = np.random.default_rng([seed, width, height])
    coarse = rng.integers(0, 256, (height // detail + 2, width // detail + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noisy = smooth.astype(int) + rng.integers(-10, 11, smooth.shape)
    noisy[height // 3 : height // 2, width // 4 :] = (250, 20, 90)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def crop_by_crop(image, boxes, size=112):
    """One crop after the other, cut and resized by Pillow."""
    picture = Image.fromarray(image)
    crops = []
    for top, left, side in boxes:
        crop = picture.crop((left, top, left + side, top + side))
        crops.append(np.asarray(crop.resize((size, size), Image.Resampling.BILINEAR)))
    return np.stack(crops).transpose(0, 3, 1, 2)


def released_box(height, width, draws):
    """A start or end box as the released code draws it, from numbers in [0, 1)."""
    top = int(draws[0] * max(height - 112, 1))
    left = int(draws[1] * max(width - 112, 1))
    longest = max(min(height - top, width - left), 113)
    return top, left, 112 + int(draws[2] * (longest - 112))


def interpolated_by_hand(start, end, frames):
    """Boxes between two, in whole numbers, rounded down."""
    last = max(frames - 1, 1)
    return [[(a * (last - k) + b * k) // last for a, b in zip(start, end, strict=True)]
            for k in range(frames)]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height"), [(683, 512), (512, 683), (512, 512), (172, 300), (112, 112), (113, 900)]
)
def test_clips_are_pillows_crop_by_crop(width, height):
    image = scene(width, height)
    worst, means = 0, []
    for seed in range(4):
        boxes = ken_burns_boxes(height, width, np.random.default_rng(seed))
        clip = ken_burns_clip(image, boxes)
        assert (clip.shape, clip.dtype) == ((16, 3, 112, 112), np.uint8)
        off = np.abs(clip.astype(int) - crop_by_crop(image, boxes))
        worst = max(worst, off.max())
        means.append(off.mean())
    assert worst <= 2
    assert np.mean(means) <= 0.02


def test_noise_is_pillows_too():
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    boxes = np.array([[0, 0, 400], [3, 5, 112], [7, 1, 113], [100, 100, 257], [0, 0, 1]])
    off = np.abs(ken_burns_clip(image, boxes).astype(int) - crop_by_crop(image, boxes))
    assert off.max() <= 2
    assert off.mean() < 0.02


def test_a_box_of_the_size_of_the_clip_is_cut_and_not_changed():
    image = scene(200, 150)
    (crop,) = ken_burns_clip(image, np.array([[20, 30, 112]]))
    np.testing.assert_array_equal(crop, image[20:132, 30:142].transpose(2, 0, 1))


sides = st.integers(112, 900)


@settings(max_examples=300, deadline=None)
@given(height=sides, width=sides, seed=st.integers(0, 2**32), frames=st.integers(1, 40))
def test_boxes_lie_inside_and_move_linearly(height, width, seed, frames):
    boxes = ken_burns_boxes(height, width, np.random.default_rng(seed), frames=frames)
    assert (boxes.shape, boxes.dtype) == ((frames, 3), np.int64)
    top, left, side = boxes.T
    assert min(top.min(), left.min()) >= 0
    assert side.min() >= 112
    assert (top + side).max() <= height
    assert (left + side).max() <= width
    draws = np.random.default_rng(seed).random(6)
    start, end = released_box(height, width, draws[:3]), released_box(height, width, draws[3:])
    np.testing.assert_array_equal(boxes[0], start)
    if frames > 1:
        np.testing.assert_array_equal(boxes[-1], end)
    by_hand = np.array(interpolated_by_hand(start, end, frames))
    steps = [np.linspace(a, b, frames) for a, b in zip(start, end, strict=True)]
    np.testing.assert_array_equal(boxes, np.stack(steps, axis=1).astype(int))
    assert np.isin(by_hand - boxes, (0, 1)).all()


def test_every_place_and_size_is_drawn_as_often_as_any_other():
    rng = np.random.default_rng(0)
    boxes = np.array([ken_burns_boxes(115, 116, rng)[0] for _ in range(2400)])
    top, left, side = boxes.T
    assert set(top) == {0, 1, 2}
    assert set(left) == {0, 1, 2, 3}
    assert abs(np.bincount(top) / 800 - 1).max() < 0.15
    assert abs(np.bincount(left) / 600 - 1).max() < 0.15
    assert set(side[(top == 0) & (left == 0)]) == {112, 113, 114}
    assert set(side[top == 2]) == {112}


def test_six_numbers_are_drawn_whatever_the_image():
    states = []
    for height, width in ((112, 112), (512, 683), (900, 112)):
        rng = np.random.default_rng(3)
        ken_burns_boxes(height, width, rng, frames=8)
        states.append(rng.bit_generator.state["state"])
    assert states[0] == states[1] == states[2]


def test_an_image_under_the_size_has_no_boxes():
    with pytest.raises(VideoError, match="112 pixels: an image of 300 x 111"):
        ken_burns_boxes(111, 300, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("short", "becomes"),
    [
        (1, 172),
        (2, 172),
        (43, 172),
        (44, 132),
        (57, 171),
        (58, 116),
        (86, 172),
        (87, 112),
        (111, 112),
        (112, 112),
        (171, 171),
        (172, 172),
        (512, 512),
        (513, 512),
        (4000, 512),
    ],
)
def test_scaling_before_the_crops(short, becomes):
    assert scaled_size(short, short) == (becomes, becomes)
    assert scaled_size(short, 3 * short) == (becomes, 3 * becomes)
    assert scaled_size(2 * short, short) == (2 * becomes, becomes)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([16, 48, 112, 224]))
def test_a_scaled_image_always_holds_a_crop(height, width, size):
    scaled = scaled_size(height, width, size=size)
    assert size <= min(scaled) <= 512 * size // 112
    short, long = min(height, width), max(height, width)
    assert abs(max(scaled) - min(scaled) * long / short) <= 0.5 + 1e-9


def test_the_released_scale_is_kept_wherever_it_holds_a_crop():
    for short in range(1, 172):
        factor = math.floor(172 / short)
        if short * factor >= 112:
            assert scaled_size(short, short) == (short * factor, short * factor)
        else:
            assert 87 <= short <= 111


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (100, 90), (50, 60), (3, 2)])
def test_whole_images_are_scaled_as_by_pillow(width, height):
    image = scene(width, height)
    scaled = scale_image(image)
    rows, columns = scaled_size(height, width)
    theirs = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
    assert scaled.shape == theirs.shape
    off = np.abs(scaled.astype(int) - theirs)
    assert off.max() <= 2
    assert off.mean() < 0.02


def test_an_image_of_the_right_size_is_not_touched():
    image = scene(300, 200)
    assert scale_image(image) is image


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_from_a_file_to_a_clip(dtype, tmp_path):
    image = scene(640, 530)
    Image.fromarray(image).save(tmp_path / "scene.png")
    spec = ClipSpec(frames=9, dtype=dtype)
    clip = load_image_clip(tmp_path / "scene.png", spec, np.random.default_rng(4))
    scaled = scale_image(image)
    assert scaled.shape == (512, 618, 3)
    boxes = ken_burns_boxes(512, 618, np.random.default_rng(4), frames=9)
    assert (clip.shape, clip.dtype) == ((9, 3, 112, 112), dtype)
    np.testing.assert_array_equal(clip, ken_burns_clip(scaled, boxes))
    again = load_image_clip(tmp_path / "scene.png", spec, np.random.default_rng(4))
    np.testing.assert_array_equal(clip, again)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (5, 3), (110, 87), (4000, 20)])
def test_tiny_and_narrow_images(width, height, tmp_path):
    Image.fromarray(scene(width, height)).save(tmp_path / "small.png")
    clip = load_image_clip(tmp_path / "small.png", SPEC, np.random.default_rng(0))
    assert clip.shape == (16, 3, 112, 112)


def test_other_sizes(tmp_path):
    Image.fromarray(scene(70, 60)).save(tmp_path / "small.png")
    for size in (16, 48, 224):
        spec = ClipSpec(frames=3, size=size, short_side=size)
        clip = load_image_clip(tmp_path / "small.png", spec, np.random.default_rng(0))
        assert clip.shape == (3, 3, size, size)


def test_a_strip_that_would_become_huge_is_refused(tmp_path):
    Image.new("RGB", (20_000, 1)).save(tmp_path / "strip.png")
    with pytest.raises(VideoError, match="a strip that scales to 3440000 x 172"):
        load_image_clip(tmp_path / "strip.png", SPEC, np.random.default_rng(0))


def test_the_image_may_be_read_only_or_a_view():
    image = scene(300, 200)
    boxes = ken_burns_boxes(200, 300, np.random.default_rng(0))
    expected = ken_burns_clip(image, boxes)
    image.flags.writeable = False
    np.testing.assert_array_equal(ken_burns_clip(image, boxes), expected)
    mirrored = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    np.testing.assert_array_equal(ken_burns_clip(mirrored, boxes), expected)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 200), np.uint8),
        np.zeros((200, 200, 4), np.uint8),
        np.zeros((200, 200, 3), np.float32),
        np.zeros((0, 200, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_images_are_refused(image):
    for call in (scale_image, lambda array: ken_burns_clip(array, np.array([[0, 0, 112]]))):
        with pytest.raises(VideoError, match="uint8 of shape"):
            call(image)


@pytest.mark.parametrize(
    "boxes",
    [
        [[0, 0, 201]],
        [[-1, 0, 112]],
        [[0, 189, 112]],
        [[0, 0, 0]],
        [[0.5, 0, 112]],
        [[0, 0]],
        [],
    ],
)
def test_boxes_that_do_not_fit_are_refused(boxes):
    with pytest.raises(VideoError, match=r"Ken Burns clip: .*box"):
        ken_burns_clip(np.zeros((200, 300, 3), np.uint8), np.array(boxes))
