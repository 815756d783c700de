from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from zsl_bench.errors import VideoError
from zsl_bench.video import ClipSpec, VideoReader, load_training_clip, resized_size
from zsl_bench.video.transform import FrameTransform

SMALL = {"frames": 4, "size": 32, "short_side": 32, "dtype": "float32"}
SPEC = ClipSpec(**SMALL)
RULES = ["brattoli2020", "scale-factor", "exact"]


def noise(width, height, seed=0):
    generator = np.random.default_rng([seed, width, height])
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def fully_resized(frames, spec):
    """Whole frames (U, H, W, 3), resized by torch, as (U, 3, H', W')."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    scale = spec.short_side / min(images.shape[-2:])
    if spec.resize == "exact":
        sides = tuple(int(spec.short_side * s / min(images.shape[-2:])) for s in images.shape[-2:])
        given_size = {"size": sides}
    else:
        given_size = {
            "scale_factor": scale,
            "recompute_scale_factor": spec.resize == "brattoli2020",
        }
    return functional.interpolate(
        images,
        mode=spec.interpolation,
        align_corners=False,
        antialias=spec.antialias,
        **given_size,
    ).numpy()


def cropped(frame, spec, offset):
    out = np.empty((3, spec.size, spec.size), spec.dtype)
    FrameTransform(spec, *frame.shape[:2], offset=offset)(frame, out)
    return out


def corners(spec, height, width):
    bottom, right = (side - spec.size for side in resized_size(spec, height, width))
    return [(0, 0), (bottom, right), (bottom, 0), (0, right), (bottom // 3, right // 2)]


@pytest.mark.parametrize("resize", RULES)
@pytest.mark.parametrize(("width", "height"), [(320, 240), (161, 121), (240, 320), (97, 113)])
@pytest.mark.parametrize("options", [{}, {"interpolation": "bicubic"}, {"antialias": True}])
def test_a_crop_at_an_offset_is_cut_out_of_the_fully_resized_frame(width, height, resize, options):
    spec = ClipSpec(size=96, short_side=110, resize=resize, dtype="float32", **options)
    frame = noise(width, height)
    (whole,) = fully_resized(frame[None], spec)
    for top, left in corners(spec, height, width):
        theirs = whole[:, top : top + 96, left : left + 96]
        assert np.abs(cropped(frame, spec, (top, left)) - theirs).max() <= 1e-4


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(RULES), st.sampled_from(["uint8", "float32"]))
def test_crops_agree_to_the_bit_where_they_overlap(data, resize, dtype):
    height, width = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    spec = ClipSpec(size=40, short_side=50, resize=resize, dtype=dtype)
    rows, columns = (side - 40 for side in resized_size(spec, height, width))
    frame = noise(width, height)
    top, left = data.draw(st.integers(0, rows)), data.draw(st.integers(0, columns))
    down, right = (min(20, room - at) for room, at in ((rows, top), (columns, left)))
    one = cropped(frame, spec, (top, left))
    other = cropped(frame, spec, (top + down, left + right))
    np.testing.assert_array_equal(
        one[:, down:, right:], other[:, : 40 - down, : 40 - right], strict=True
    )


def test_the_centre_is_the_offset_that_is_not_given():
    spec = ClipSpec(size=100, short_side=128)
    frame = noise(320, 240)
    np.testing.assert_array_equal(cropped(frame, spec, None), cropped(frame, spec, (14, 35)))


@pytest.mark.parametrize("offset", [(-1, 0), (0, -1), (17, 0), (0, 59)])
def test_an_offset_outside_is_refused(offset):
    with pytest.raises(VideoError, match=r"top .* left .* a frame that resizes to 170 x 128"):
        FrameTransform(ClipSpec(), 240, 320, offset=offset)


class Fixed:
    """Draws what it is told, and counts how often it is asked."""

    def __init__(self, *draws):
        self.draws, self.asked = np.array(draws), 0

    def random(self, count):
        self.asked += 1
        assert count == len(self.draws)
        return self.draws


def numbers_of(clip, shown_number):
    return [shown_number(frame.transpose(1, 2, 0)) for frame in clip]


def decode_everything(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            return np.stack(frames)
        frames.append(frame[..., ::-1])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("resize", RULES)
@pytest.mark.parametrize("name", ["plain.avi", "plain.mp4", "plain.mkv"])
def test_equals_decoding_resizing_and_cropping_everything(name, resize, dtype, make_video):
    path = make_video(name, codec="mpeg4" if name == "plain.avi" else "libx264", frames=40)
    spec = ClipSpec(frames=8, size=50, short_side=64, resize=resize, dtype=dtype)
    frames = decode_everything(path)
    whole = fully_resized(frames, spec)
    room = np.array([len(frames) - 8, whole.shape[2] - 50, whole.shape[3] - 50])
    for seed in range(6):
        draws = np.random.default_rng(seed).random(4)
        start, top, left = np.floor(draws[:3] * (room + 1)).astype(int)
        theirs = whole[start : start + 8, :, top : top + 50, left : left + 50]
        if draws[3] < 0.5:
            theirs = theirs[..., ::-1]
        clip = load_training_clip(path, spec, np.random.default_rng(seed))
        assert (clip.shape, clip.dtype) == ((8, 3, 50, 50), dtype)
        assert clip.flags.c_contiguous
        assert np.abs(clip - theirs).max() <= (1e-4 if dtype == "float32" else 0.5001)


def test_every_start_is_equally_likely_the_last_one_too(make_video, shown_number):
    path = make_video("plain.avi", codec="mpeg4", frames=7, size=(128, 128))
    rng = np.random.default_rng(0)
    starts = [
        shown_number(load_training_clip(path, SPEC, rng, flip=False)[0].transpose(1, 2, 0))
        for _ in range(400)
    ]
    counts = np.bincount(starts, minlength=4)
    assert len(counts) == 4
    assert ((counts - 100) ** 2 / 100).sum() < 16.3


@pytest.mark.parametrize(("draw", "first"), [(0.0, 0), (0.5, 13), (1 - 1e-16, 26)])
def test_consecutive_frames_from_the_draw_on(draw, first, make_video, shown_number):
    path = make_video("plain.avi", codec="mpeg4", size=(128, 128))
    clip = load_training_clip(path, SPEC, Fixed(draw, 0, 0, 1))
    assert numbers_of(clip, shown_number) == list(range(first, first + 4))


def test_a_short_video_repeats_its_last_frame(make_video, shown_number):
    path = make_video("short.avi", codec="mpeg4", frames=3, size=(128, 128))
    spec = ClipSpec(**{**SMALL, "frames": 6})
    for draw in (0.0, 0.9):
        clip = load_training_clip(path, spec, Fixed(draw, 0, 0, 1))
        assert numbers_of(clip, shown_number) == [0, 1, 2, 2, 2, 2]
        np.testing.assert_array_equal(clip[2], clip[5])


def test_the_draws_are_the_same_whatever_the_file(make_video, tmp_path):
    short = make_video("short.avi", codec="mpeg4", frames=3, size=(128, 128))
    states = []
    for path in (short, make_video("plain.avi", codec="mpeg4"), tmp_path / "absent.avi"):
        for flip in (True, False):
            rng = np.random.default_rng(5)
            try:
                load_training_clip(path, SPEC, rng, flip=flip)
            except VideoError:
                assert path.name == "absent.avi"
            states.append(rng.bit_generator.state["state"])
    assert all(state == states[0] for state in states)


def test_the_whole_clip_is_mirrored_or_not(make_video):
    path = make_video("plain.avi", codec="mpeg4")
    spec = ClipSpec(frames=4, size=60, short_side=64)
    plain = load_training_clip(path, spec, Fixed(0.3, 0.4, 0.6, 0.5))
    turned = load_training_clip(path, spec, Fixed(0.3, 0.4, 0.6, 0.49))
    never = load_training_clip(path, spec, Fixed(0.3, 0.4, 0.6, 0.49), flip=False)
    np.testing.assert_array_equal(turned, plain[..., ::-1])
    np.testing.assert_array_equal(never, plain)
    assert (plain != turned).any()


@pytest.mark.parametrize("name", ["plain.avi", "plain.mp4", "plain.mkv"])
@pytest.mark.parametrize(
    ("segment", "draw", "numbers"),
    [
        ((0.4, 0.8), 0.0, [10, 11, 12, 13]),
        ((0.4, 0.8), 0.999, [16, 17, 18, 19]),
        ((0.4, 0.5), 0.7, [10, 11, 12, 12]),
        ((1.0, None), 0.999, [26, 27, 28, 29]),
        ((None, 0.08), 0.5, [0, 1, 1, 1]),
    ],
)
def test_a_segment_is_a_video_of_its_own(name, segment, draw, numbers, make_video, shown_number):
    path = make_video(name, codec="mpeg4" if name == "plain.avi" else "libx264", size=(128, 128))
    start, end = segment
    clip = load_training_clip(path, SPEC, Fixed(draw, 0, 0, 1), start=start, end=end)
    assert numbers_of(clip, shown_number) == numbers


@pytest.mark.parametrize(
    ("claimed", "draw", "numbers"),
    [
        (32, 0.999, [28, 29, 29, 29]),
        (35, 0.999, [29, 29, 29, 29]),
        (35, 0.9, [28, 29, 29, 29]),
        (35, 0.0, [0, 1, 2, 3]),
        (27, 0.999, [23, 24, 25, 26]),
    ],
)
def test_a_count_that_is_slightly_off(claimed, draw, numbers, claim_frames, shown_number):
    clip = load_training_clip(claim_frames(claimed), SPEC, Fixed(draw, 0, 0, 1))
    assert numbers_of(clip, shown_number) == numbers


def test_a_file_that_was_cut_short_is_refused(claim_frames, make_video, tmp_path):
    with pytest.raises(VideoError, match="container says 36 frames, 30 decode"):
        load_training_clip(claim_frames(36), SPEC, Fixed(0.99, 0, 0, 1))
    data = make_video("long.mkv", frames=120, options={"g": "10"}).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"says 4\.8 s, video up to [12]\."):
        load_training_clip(path, SPEC, Fixed(0.0, 0, 0, 1))


def test_what_is_no_video_is_refused(make_video, tmp_path):
    (tmp_path / "text.avi").write_text("no video")
    (tmp_path / "empty.avi").write_bytes(b"")
    header = make_video("zero.avi", codec="mpeg4", frames=0)
    for path in (tmp_path / "text.avi", tmp_path / "empty.avi", tmp_path / "absent.avi", header):
        with pytest.raises(VideoError) as caught:
            load_training_clip(path, SPEC, np.random.default_rng(0))
        assert "\n" not in str(caught.value)
    path = make_video("plain.avi", codec="mpeg4")
    with pytest.raises(VideoError, match="no frame from 5 s to 6 s"):
        load_training_clip(path, SPEC, np.random.default_rng(0), start=5, end=6)
    with pytest.raises(VideoError, match="resizes to"):
        load_training_clip(
            make_video("odd.avi", codec="mpeg4", size=(322, 322), frames=2),
            ClipSpec(size=128, short_side=128),
            np.random.default_rng(0),
        )


def test_only_the_clip_is_converted_and_nothing_is_decoded_after_it(make_video, monkeypatch):
    handed, decoded = [], []
    original = VideoReader.frames

    def watched(self, wanted):
        for index, frame in original(self, wanted):
            handed.append(index)
            yield index, frame
        decoded.append(self.decoded)

    monkeypatch.setattr(VideoReader, "frames", watched)
    path = make_video("plain.avi", codec="mpeg4", frames=90)
    load_training_clip(path, SPEC, Fixed(0.5, 0, 0, 1))
    assert (handed, decoded) == ([43, 44, 45, 46], [47])
