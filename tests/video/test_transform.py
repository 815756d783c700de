from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from zsl_bench.errors import ModelError, VideoError
from zsl_bench.video import ClipSpec, resized_size, resizer_id, transform_frames
from zsl_bench.video.transform import FrameTransform

MEAN = np.array([0.43216, 0.394666, 0.37645]).reshape(3, 1, 1)
STD = np.array([0.22803, 0.22145, 0.216989]).reshape(3, 1, 1)
TOLERANCE = 2e-6
RELEASED = ("brattoli2020", "scale-factor")
GEOMETRIES = [
    (320, 240),
    (322, 240),
    (374, 256),
    (340, 256),
    (560, 240),
    (432, 240),
    (426, 240),
    (322, 322),
    (321, 241),
    (161, 121),
    (240, 320),
    (256, 374),
    (480, 360),
    (640, 360),
    (128, 128),
    (127, 127),
    (80, 60),
    (97, 113),
    (17, 9),
    (1, 1),
    (1000, 33),
]


def noise(width, height, count=1, seed=0):
    generator = np.random.default_rng([seed, width, height])
    return generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def normalised(levels):
    return (levels.astype(np.float64) / 255 - MEAN) / STD


def released_transform(frames, resize, short_side=128, size=112):
    """The released order of work on whole frames: to [0, 1], resize, normalise, centre crop."""
    video = torch.from_numpy(frames).permute(3, 0, 1, 2).to(torch.float32) / 255
    video = functional.interpolate(
        video,
        scale_factor=float(short_side) / min(video.shape[-2:]),
        mode="bilinear",
        align_corners=False,
        recompute_scale_factor=resize == "brattoli2020",
    )
    mean, std = torch.tensor(MEAN, dtype=torch.float32), torch.tensor(STD, dtype=torch.float32)
    video = (video - mean[..., None]) / std[..., None]
    top, left = (round((side - size) / 2.0) for side in video.shape[-2:])
    return video[..., top : top + size, left : left + size].transpose(0, 1).numpy()


def pixel_by_pixel(frame, resize, short_side, size, coordinate=np.float32):
    """A bilinear resize and centre crop, one output value at a time, blended in float64."""
    height, width, _ = frame.shape
    scale = short_side / min(height, width)
    sides = [math.floor(height * scale), math.floor(width * scale)]
    offsets = [round((side - size) / 2) for side in sides]
    out = np.empty((3, size, size))
    for y in range(size):
        for x in range(size):
            spots = []
            for axis, target in ((0, y + offsets[0]), (1, x + offsets[1])):
                side = frame.shape[axis]
                if resize == "brattoli2020":
                    step = coordinate(side) / coordinate(sides[axis])
                else:
                    step = coordinate(1.0 / scale)
                source = step * (coordinate(target) + coordinate(0.5)) - coordinate(0.5)
                source = min(max(float(source), 0.0), side - 1.0)
                low = int(source)
                spots.append((low, min(low + 1, side - 1), source - low))
            (y0, y1, v), (x0, x1, u) = spots
            top = frame[y0, x0] * (1 - u) + frame[y0, x1] * u
            bottom = frame[y1, x0] * (1 - u) + frame[y1, x1] * u
            out[:, y, x] = top * (1 - v) + bottom * v
    return out


@pytest.mark.parametrize("resize", RELEASED)
@pytest.mark.parametrize(("width", "height"), GEOMETRIES)
def test_equals_the_released_transform(width, height, resize):
    frames = noise(width, height, count=2)
    ours = transform_frames(frames, ClipSpec(resize=resize, dtype="float32"))
    theirs = released_transform(frames, resize)
    assert ours.shape == theirs.shape == (2, 3, 112, 112)
    assert ours.dtype == np.float32
    assert np.abs(normalised(ours) - theirs).max() <= TOLERANCE


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    resize=st.sampled_from(RELEASED),
    short_side=st.sampled_from([112, 120, 128, 171]),
)
def test_equals_the_released_transform_at_any_size(width, height, resize, short_side):
    spec = ClipSpec(resize=resize, short_side=short_side, size=100, dtype="float32")
    frames = noise(width, height, seed=short_side)
    theirs = released_transform(frames, resize, short_side, 100)
    assert np.abs(normalised(transform_frames(frames, spec)) - theirs).max() <= TOLERANCE


@pytest.mark.parametrize("resize", RELEASED)
@pytest.mark.parametrize(
    ("width", "height"),
    [(40, 30), (41, 31), (30, 43), (16, 16), (9, 7), (23, 60), (64, 37), (5, 90)],
)
def test_equals_a_pixel_by_pixel_resize(width, height, resize):
    frame = noise(width, height)[0]
    spec = ClipSpec(resize=resize, short_side=16, size=14, dtype="float32")
    ours = normalised(transform_frames(frame[None], spec)[0])
    assert np.abs(ours - normalised(pixel_by_pixel(frame, resize, 16, 14))).max() <= TOLERANCE
    exact = normalised(pixel_by_pixel(frame, resize, 16, 14, coordinate=np.float64))
    assert np.abs(ours - exact).max() <= 5e-5


def test_output_sizes_of_the_released_code():
    spec = ClipSpec()
    assert resized_size(spec, 240, 320) == (128, 170)
    assert resized_size(spec, 322, 400)[0] == 127
    assert resized_size(spec, 374, 374) == (127, 127)
    assert resized_size(ClipSpec(resize="exact"), 322, 400) == (128, 159)
    assert resized_size(ClipSpec(resize="exact"), 400, 322) == (159, 128)


def test_the_two_released_variants_differ_where_the_width_was_rounded():
    frames = noise(320, 240)
    then, now = (
        transform_frames(frames, ClipSpec(resize=resize, dtype="float32")) for resize in RELEASED
    )
    assert np.abs(then - now).mean() > 1
    square = noise(256, 256)
    then, now = (
        transform_frames(square, ClipSpec(resize=resize, dtype="float32")) for resize in RELEASED
    )
    np.testing.assert_array_equal(then, now)


def test_crop_offset_rounds_half_to_even():
    frame = np.zeros((1, 113, 115, 3), np.uint8)
    frame[0, 0, 1:] = 200
    spec = ClipSpec(size=112, short_side=113, resize="exact", dtype="float32")
    top = transform_frames(frame, spec)[0, 0, 0]
    assert top[0] == 200
    assert round((115 - 112) / 2) == 2
    frame[0, :, :2] = 77
    assert 77 not in transform_frames(frame, spec)


def through_torch(images, spec):
    """Whole-frame torch interpolation of ``images`` (U, 3, H, W) and a centre crop."""
    height, width = images.shape[-2:]
    if spec.resize == "exact":
        sides = [int(spec.short_side * side / min(height, width)) for side in (height, width)]
        given_size = {"size": tuple(sides)}
    else:
        given_size = {
            "scale_factor": spec.short_side / min(height, width),
            "recompute_scale_factor": spec.resize == "brattoli2020",
        }
    whole = functional.interpolate(
        images,
        mode=spec.interpolation,
        align_corners=False,
        antialias=spec.antialias,
        **given_size,
    )
    top, left = (round((side - spec.size) / 2) for side in whole.shape[-2:])
    return whole[..., top : top + spec.size, left : left + spec.size].numpy()


@pytest.mark.parametrize(("width", "height"), [(320, 240), (161, 121), (240, 320), (60, 80)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("resize", ["brattoli2020", "scale-factor", "exact"])
def test_every_option_equals_torch_on_whole_frames(width, height, interpolation, antialias, resize):
    frames = noise(width, height)
    images = torch.from_numpy(frames).permute(0, 3, 1, 2)
    options = {
        "size": 96,
        "short_side": 100,
        "resize": resize,
        "interpolation": interpolation,
        "antialias": antialias,
    }
    spec = ClipSpec(**options, dtype="float32")
    theirs = through_torch(images.float(), spec)
    ours = transform_frames(frames, spec)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= 1e-4
    rounded = transform_frames(frames, ClipSpec(**options))
    assert rounded.dtype == np.uint8
    if antialias:
        np.testing.assert_array_equal(rounded, through_torch(images, spec))
    else:
        np.testing.assert_array_equal(rounded, np.clip(np.rint(ours), 0, 255))


@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 427), (180, 200)])
def test_antialiased_uint8_is_what_torchvision_hands_a_clip_model(width, height):
    from torchvision.transforms import v2

    frames = noise(width, height)
    spec = ClipSpec(
        size=224, short_side=224, resize="exact", interpolation="bicubic", antialias=True
    )
    images = torch.from_numpy(frames).permute(0, 3, 1, 2)
    resized = v2.functional.resize(images, [224], v2.InterpolationMode.BICUBIC, antialias=True)
    theirs = v2.functional.center_crop(resized, [224, 224]).numpy()
    np.testing.assert_array_equal(transform_frames(frames, spec), theirs)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_antialiased_uint8_is_pillows_to_one_level(interpolation):
    from PIL import Image

    frame = noise(320, 240)[0]
    spec = ClipSpec(
        size=224, short_side=224, resize="exact", interpolation=interpolation, antialias=True
    )
    resampling = Image.Resampling[interpolation.upper()]
    whole = np.asarray(Image.fromarray(frame).resize((298, 224), resampling))
    theirs = whole[:, 37 : 37 + 224].transpose(2, 0, 1)
    off = np.abs(transform_frames(frame[None], spec)[0].astype(int) - theirs)
    assert off.max() <= 1
    assert off.mean() < 0.01


@pytest.mark.parametrize(("width", "height"), [(320, 240), (90, 200), (64, 64)])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_squashed_frame_is_the_whole_frame_resized(width, height, interpolation, antialias):
    frames = noise(width, height)
    spec = ClipSpec(
        size=64, short_side=64, resize="exact", crop="squash", dtype="float32",
        interpolation=interpolation, antialias=antialias,
    )  # fmt: skip
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2).float(),
        size=(64, 64), mode=interpolation, align_corners=False, antialias=antialias,
    )  # fmt: skip
    np.testing.assert_allclose(transform_frames(frames, spec), whole.numpy(), atol=1e-3)


def test_crop_offset_can_be_rounded_down():
    frames = noise(113, 115)
    spec = ClipSpec(size=112, short_side=113, resize="exact", crop="center-down", dtype="float32")
    ours = transform_frames(frames, spec)
    np.testing.assert_array_equal(ours, frames[:, 1:113, 0:112].transpose(0, 3, 1, 2))


def test_a_squashed_frame_is_pillows_to_one_level():
    from PIL import Image

    frame = noise(320, 240)[0]
    spec = ClipSpec(
        size=224, short_side=224, resize="exact", crop="squash", interpolation="bicubic",
        antialias=True,
    )  # fmt: skip
    theirs = np.asarray(Image.fromarray(frame).resize((224, 224), Image.Resampling.BICUBIC))
    off = np.abs(transform_frames(frame[None], spec)[0].astype(int) - theirs.transpose(2, 0, 1))
    assert off.max() <= 1


def test_a_transform_serves_frame_after_frame_and_leaves_them_alone():
    spec = ClipSpec(dtype="float32")
    frames = noise(320, 240, count=3)
    kept = frames.copy()
    together = transform_frames(frames, spec)
    np.testing.assert_array_equal(frames, kept)
    alone = [transform_frames(frame[None], spec)[0] for frame in frames]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("antialias", [False, True])
def test_bgr_comes_out_as_rgb_and_strides_do_not_matter(antialias):
    spec = ClipSpec(antialias=antialias)
    frame = noise(200, 150)[0]
    out = np.empty((3, 112, 112), np.uint8)
    FrameTransform(spec, 150, 200, bgr=True)(frame[..., ::-1], out)
    np.testing.assert_array_equal(out, transform_frames(frame[None], spec)[0])
    turned = np.rot90(frame)
    np.testing.assert_array_equal(
        transform_frames(turned[None], spec), transform_frames(turned.copy()[None], spec)
    )


def test_a_crop_that_the_rounding_made_too_small_is_refused():
    spec = ClipSpec(size=128, short_side=128)
    with pytest.raises(VideoError, match="resizes to 127 x 127"):
        transform_frames(noise(322, 322), spec)
    spec = ClipSpec(size=128, short_side=128, resize="exact")
    assert transform_frames(noise(322, 322), spec).shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"resize": "bratoli2020"}, "did you mean 'brattoli2020'"),
        ({"interpolation": "nearest"}, "interpolation='nearest'"),
        ({"dtype": "float16"}, "float32"),
        ({"crop": "random"}, "center"),
        ({"antialias": "yes"}, "antialias='yes'"),
        ({"size": 0}, "size=0"),
        ({"size": 112.0}, "size=112.0"),
        ({"frames": True}, "frames=True"),
        ({"short_side": -1}, "short_side=-1"),
        ({"size": 200, "short_side": 128}, "a short side of 128"),
        ({"crop": "squash", "resize": "exact"}, "size and short_side the same number"),
        ({"crop": "squash", "size": 128}, "resize='brattoli2020'"),
    ],
)
def test_bad_specs_are_refused(fields, said):
    with pytest.raises(ModelError) as caught:
        ClipSpec(**fields)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 10, 10, 3), np.float32),
        np.zeros((10, 10, 3), np.uint8),
        np.zeros((2, 10, 10, 4), np.uint8),
        np.zeros((2, 0, 10, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_frames_are_refused(frames):
    with pytest.raises(VideoError, match="uint8 of shape"):
        transform_frames(frames, ClipSpec())


def test_the_resizer_is_named_with_its_version():
    from importlib import metadata

    assert resizer_id(ClipSpec()) == "zsl-bench 1"
    torch_made = f"torch {metadata.version('torch')}"
    assert resizer_id(ClipSpec(interpolation="bicubic")) == torch_made
    assert resizer_id(ClipSpec(antialias=True)) == torch_made


@pytest.mark.parametrize("resize", ["brattoli2020", "scale-factor", "exact"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("height", "width"), [(128, 171), (227, 128), (128, 128)])
def test_a_frame_that_has_the_wanted_size_is_only_cropped(height, width, dtype, resize):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spec = ClipSpec(size=112, short_side=128, resize=resize, dtype=dtype)
    top, left = (round((side - 112) / 2) for side in (height, width))
    crop = frame[top : top + 112, left : left + 112].transpose(2, 0, 1)
    np.testing.assert_array_equal(transform_frames(frame[None], spec)[0], crop.astype(dtype))
