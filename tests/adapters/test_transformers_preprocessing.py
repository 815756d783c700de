"""Declared resizes, crops and scales against the library's own processors on real frames."""

import av
import numpy as np
import pytest
import torch
import transformers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from zsl_bench.adapters.transformers_preprocessing import read_preprocessing
from zsl_bench.errors import ModelError
from zsl_bench.video.transform import FrameTransform

SQUARE = {"height": 224, "width": 224}
PROCESSORS = {
    "clip": transformers.CLIPImageProcessor,
    "clip-336": lambda: transformers.CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=336),
    "clip-pil": transformers.CLIPImageProcessorPil,
    "siglip": transformers.SiglipImageProcessor,
    "siglip-pil": transformers.SiglipImageProcessorPil,
    "blip": transformers.BlipImageProcessor,
    "chinese-clip": lambda: transformers.ChineseCLIPImageProcessor(
        size=SQUARE, do_center_crop=False
    ),
    "align": lambda: transformers.EfficientNetImageProcessor(
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        include_top=False,
        do_normalize=False,
        resample=2,
    ),
    "efficientnet": lambda: transformers.EfficientNetImageProcessor(do_center_crop=True),
    "videomae": transformers.VideoMAEImageProcessor,
    "vivit": transformers.VivitImageProcessor,
    "vivit-video": transformers.VivitVideoProcessor,
    "vjepa2": transformers.VJEPA2VideoProcessor,
    "videoprism": lambda: transformers.LlavaOnevisionVideoProcessor(
        size={"height": 288, "width": 288}, do_normalize=False
    ),
}


@pytest.fixture
def frame(shared_data):
    """A frame of a real video, ``(H, W, 3)`` uint8 RGB."""
    path = sorted((shared_data / "videos" / "ucf101").rglob("*.avi"))[0]
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def _by_library(processor, frame):
    if "VideoProcessor" in type(processor).__name__:
        video = torch.from_numpy(frame).permute(2, 0, 1)[None]
        output = processor([video], return_tensors="pt", do_sample_frames=False)
    else:
        output = processor(images=[Image.fromarray(frame)], return_tensors="pt")
    (pixels,) = output.values()
    return pixels.reshape(-1, *pixels.shape[-3:])[0].float()


def _by_harness(processor, frame):
    made = read_preprocessing(processor, frames=1, asked="test")
    out = np.empty((3, made.clip.size, made.clip.size), np.uint8)
    FrameTransform(made.clip, *frame.shape[:2])(frame, out)
    return made.cut(made.scale()(torch.from_numpy(out))), made


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("name", PROCESSORS)
def test_real_frames_come_out_as_the_library_makes_them(name, upright, frame):
    if upright:
        frame = np.ascontiguousarray(frame.transpose(1, 0, 2))
    processor = PROCESSORS[name]()
    expected = _by_library(processor, frame)
    got, made = _by_harness(processor, frame)
    assert got.shape == expected.shape
    levels = (got - expected).abs() * torch.tensor(made.std).view(3, 1, 1) * 255
    of_pillow = name in ("clip-pil", "siglip-pil", "vivit")
    assert float(levels.max()) <= (4.001 if of_pillow else 1e-3)
    assert float(levels.mean()) <= (0.15 if of_pillow else 1e-5)


def _large(frame, height, width):
    return np.array(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("shape", [(237, 421), (240, 428), (428, 240), (351, 204), (240, 427)])
@pytest.mark.parametrize("name", ["clip", "clip-pil", "videomae", "vivit", "vivit-video", "vjepa2"])
def test_an_odd_margin_is_cut_as_the_library_cuts_it(name, shape, frame):
    processor = PROCESSORS[name]()
    large = _large(frame, *shape)
    expected = _by_library(processor, large)
    got, made = _by_harness(processor, large)
    levels = (got - expected).abs() * torch.tensor(made.std).view(3, 1, 1) * 255
    assert float(levels.max()) <= (4.001 if name == "clip-pil" else 1.001)
    assert float(levels.mean()) <= 0.15


def test_an_odd_margin_is_rounded_down(frame):
    upright = _large(frame, 320, 204)
    whole = _by_library(transformers.CLIPImageProcessor(do_center_crop=False), upright)
    assert whole.shape == (3, 351, 224)
    got, made = _by_harness(transformers.CLIPImageProcessor(), upright)
    assert made.clip.crop == "center-down"
    torch.testing.assert_close(got, whole[:, 63 : 63 + 224], atol=1e-5, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    level=st.integers(0, 255),
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.05, 2)] * 3),
    factor=st.sampled_from([1 / 255, 1 / 127.5, 1.0, 0.01]),
    switches=st.tuples(*[st.booleans()] * 4),
)
def test_a_constant_picture_gets_the_librarys_value(level, mean, std, factor, switches):
    rescale, offset, normalize, top = switches
    assume(rescale or normalize or not top)
    processor = transformers.EfficientNetImageProcessor(
        size={"height": 8, "width": 8},
        resample=3,
        image_mean=list(mean),
        image_std=list(std),
        rescale_factor=factor,
        do_rescale=rescale,
        rescale_offset=offset,
        do_normalize=normalize,
        include_top=top,
    )
    frame = np.full((8, 8, 3), level, np.uint8)
    got, _ = _by_harness(processor, frame)
    torch.testing.assert_close(got, _by_library(processor, frame), atol=1e-3, rtol=1e-4)


def test_what_is_declared():
    clip = read_preprocessing(transformers.CLIPImageProcessor(), frames=8, asked="test").clip
    assert (clip.frames, clip.size, clip.short_side) == (8, 224, 224)
    assert (clip.resize, clip.interpolation, clip.antialias) == ("exact", "bicubic", True)
    assert (clip.crop, clip.dtype) == ("center-down", "uint8")
    vivit = read_preprocessing(transformers.VivitImageProcessor(), frames=32, asked="test").clip
    assert (vivit.size, vivit.short_side, vivit.interpolation) == (224, 256, "bilinear")
    siglip = read_preprocessing(transformers.SiglipImageProcessor(), frames=8, asked="test").clip
    assert (siglip.size, siglip.short_side, siglip.crop) == (224, 224, "squash")
    naflex = transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=256)
    made = read_preprocessing(naflex, frames=8, asked="test")
    assert (made.clip.size, made.patch, made.clip.crop) == (256, 16, "center")
    assert "its central square, where the library keeps the whole frame" in made.note
    whole = transformers.CLIPImageProcessor(do_center_crop=False)
    assert read_preprocessing(whole, frames=8, asked="test").note == made.note
    assert read_preprocessing(transformers.CLIPImageProcessor(), frames=8, asked="test").note == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resample": 1}, "resizes by lanczos"),
        ({"resample": 0}, "resizes by nearest"),
        ({"do_resize": False}, "does not resize"),
        ({"size": {"height": 224, "width": 320}}, "resizes to"),
        ({"size": {"shortest_edge": 224, "longest_edge": 400}}, "resizes to"),
        ({"crop_size": {"height": 256, "width": 256}}, "crops to 256"),
        ({"crop_size": {"height": 100, "width": 50}}, "crops to no square"),
    ],
)
def test_what_the_harness_cannot_make_is_refused(given, said):
    processor = transformers.CLIPImageProcessor(**given)
    with pytest.raises(ModelError, match=said) as caught:
        read_preprocessing(processor, frames=8, asked="model transformers:x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_mean", [0.5]),
        ("image_mean", None),
        ("image_mean", [0.5, "x", 0.5]),
        ("image_mean", [0.5, float("inf"), 0.5]),
        ("image_std", [0, 0, 0]),
        ("image_std", [0.5, -0.5, 0.5]),
        ("image_std", [float("nan")] * 3),
        ("rescale_factor", 0),
        ("rescale_factor", [1, 1, 1]),
        ("rescale_factor", "x"),
        ("rescale_factor", None),
        ("size", {"shortest_edge": "abc"}),
        ("size", {"shortest_edge": 0}),
        ("size", {"height": -2, "width": -2}),
        ("crop_size", {"height": 1.5, "width": 1.5}),
        ("resample", "bicubic"),
    ],
)
def test_numbers_that_are_none_are_refused_in_one_line(name, value):
    processor = transformers.CLIPImageProcessor()
    setattr(processor, name, value)
    with pytest.raises(ModelError, match=r"a processor (with|that resizes)") as caught:
        read_preprocessing(processor, frames=8, asked="model transformers:x")
    assert "\n" not in str(caught.value)


def test_one_number_counts_for_all_colours():
    processor = transformers.CLIPImageProcessor(image_mean=0.25, image_std=0.5)
    made = read_preprocessing(processor, frames=8, asked="test")
    assert made.mean == pytest.approx((0.25,) * 3)
    assert made.std == pytest.approx((0.5,) * 3)
