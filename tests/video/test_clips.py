from __future__ import annotations

import pickle
import tracemalloc

import cv2
import numpy as np
import pytest

from zsl_bench.errors import ProtocolError, VideoError
from zsl_bench.video import (
    ClipSpec,
    VideoReader,
    clip_policy,
    load_clips,
    plan_clips,
    transform_frames,
)

SMALL = {"size": 32, "short_side": 32, "dtype": "float32"}
SQUARE = (128, 128)
SPEC = ClipSpec(**SMALL)


def spec_for(policy, **changes):
    return ClipSpec(**{**SMALL, "frames": policy.frames, **changes})


def decode_everything(path):
    """Every frame in RGB, by OpenCV, from the first to the last."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            return np.stack(frames)
        frames.append(frame[..., ::-1])


def numbers_of(clips, shown_number):
    """The number shown in every frame of every clip, from unrounded levels."""
    return [[shown_number(frame.transpose(1, 2, 0)) for frame in clip] for clip in clips.assemble()]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    "name", ["paper-25", "official-25", "first-16", "uniform-8", "paper-2x4s3"]
)
@pytest.mark.parametrize("frames", [1, 7, 30, 90])
def test_equals_decoding_and_transforming_everything(name, frames, dtype, make_video):
    path = make_video("plain.avi", codec="mpeg4", frames=frames)
    policy = clip_policy(name)
    spec = spec_for(policy, dtype=dtype, size=24)
    clips = load_clips(path, policy, spec)
    plan = plan_clips(policy, frames)
    everything = transform_frames(decode_everything(path), spec)
    np.testing.assert_array_equal(clips.frames, everything[plan.frames])
    np.testing.assert_array_equal(clips.slots, plan.slots)
    np.testing.assert_array_equal(clips.weights, plan.weights)
    np.testing.assert_array_equal(clips.assemble(), everything[plan.frames[plan.slots]])
    assert clips.frames.dtype == dtype
    assert (clips.total, clips.note) == (frames, "")


def test_each_wanted_frame_is_handed_out_once_and_nothing_is_read_after_it(make_video, monkeypatch):
    handed, decoded = [], []
    original = VideoReader.frames

    def watched(self, wanted):
        for index, frame in original(self, wanted):
            handed.append(index)
            yield index, frame
        decoded.append(self.decoded)

    monkeypatch.setattr(VideoReader, "frames", watched)
    path = make_video("plain.avi", codec="mpeg4", frames=90)
    load_clips(path, clip_policy("uniform-4"), spec_for(clip_policy("uniform-4")))
    assert (handed, decoded) == ([11, 33, 56, 78], [79])
    handed.clear()
    load_clips(path, clip_policy("official-25"), SPEC)
    assert (handed, decoded) == (list(range(88)), [79, 88])


@pytest.mark.parametrize("claimed", [31, 33])
def test_official_pads_a_count_that_is_too_high(claimed, claim_frames, shown_number):
    clips = load_clips(claim_frames(claimed), clip_policy("official-25"), SPEC)
    plan = plan_clips(clip_policy("official-25"), claimed, available=30)
    np.testing.assert_array_equal(clips.slots, plan.slots)
    assert numbers_of(clips, shown_number) == plan.frames[plan.slots].tolist()
    assert clips.total == claimed
    assert clips.note == f"container says {claimed} frames, 30 decode"


def test_official_reads_on_where_the_count_is_too_low(claim_frames, shown_number):
    clips = load_clips(claim_frames(27), clip_policy("official-25"), SPEC)
    plan = plan_clips(clip_policy("official-25"), 27, available=30)
    assert plan.frames.max() == 29
    assert numbers_of(clips, shown_number) == plan.frames[plan.slots].tolist()
    assert clips.total == 27


@pytest.mark.parametrize("name", ["paper-25", "paper-3x2", "uniform-5", "first-40", "paper-2x2s9"])
def test_other_policies_start_again_from_what_decodes(name, claim_frames, shown_number):
    policy = clip_policy(name)
    clips = load_clips(claim_frames(33), policy, spec_for(policy))
    expected = plan_clips(policy, clips.total)
    assert numbers_of(clips, shown_number) == expected.frames[expected.slots].tolist()
    wanted_the_end = plan_clips(policy, 33).frames.max() >= 30
    assert clips.total == (30 if wanted_the_end else 33)
    assert bool(clips.note) == wanted_the_end


@pytest.mark.parametrize("name", ["paper-25", "official-25", "uniform-5"])
@pytest.mark.parametrize("claimed", [36, 300])
def test_a_video_that_is_far_too_short_was_cut_off(name, claimed, claim_frames):
    policy = clip_policy(name)
    with pytest.raises(VideoError, match=f"container says {claimed} frames, 30 decode"):
        load_clips(claim_frames(claimed), policy, spec_for(policy))


def test_a_truncated_file_is_refused(make_video, tmp_path):
    data = make_video("plain.avi", codec="mpeg4", frames=90).read_bytes()
    path = tmp_path / "half.avi"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match="container says 90 frames") as caught:
        load_clips(path, clip_policy("paper-25"), SPEC)
    assert "\n" not in str(caught.value)
    only_first = load_clips(path, clip_policy("first-16"), SPEC)
    assert len(only_first.frames) == 16


def test_a_truncated_webm_is_refused(make_video, tmp_path):
    data = make_video("long.mkv", frames=120, options={"g": "10"}).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"says 4\.8 s, video up to [12]\."):
        load_clips(path, clip_policy("uniform-4"), spec_for(clip_policy("uniform-4")))


def test_a_header_without_frames_is_an_error(make_video):
    path = make_video("zero.avi", codec="mpeg4", frames=0)
    with pytest.raises(VideoError, match="no frame"):
        load_clips(path, clip_policy("first-16"), SPEC)


def test_an_estimated_count_is_kept_by_official_and_counted_by_others(make_video, shown_number):
    uneven = tuple(40 * k + 520 * (k > 10) for k in range(30))
    path = make_video("gap.mkv", milliseconds=uneven, size=SQUARE)
    with VideoReader(path) as reader:
        assert (reader.declared, reader.estimated) == (0, 43)
    policy = clip_policy("uniform-5")
    assert numbers_of(load_clips(path, policy, spec_for(policy)), shown_number) == [
        [3, 9, 15, 21, 27]
    ]
    official = load_clips(path, clip_policy("official-25"), SPEC)
    plan = plan_clips(clip_policy("official-25"), 43, available=30)
    assert numbers_of(official, shown_number) == plan.frames[plan.slots].tolist()
    assert official.total == 43


@pytest.mark.parametrize("name", ["plain.avi", "plain.mp4", "plain.mkv"])
@pytest.mark.parametrize(
    ("segment", "first", "stop"),
    [
        ((0.4, 0.8), 10, 20),
        ((0.41, 0.79), 11, 20),
        ((None, 0.2), 0, 5),
        ((1.0, None), 25, 30),
        ((1.0, 99), 25, 30),
    ],
)
def test_a_segment_is_the_frames_from_start_to_before_end(
    name, segment, first, stop, make_video, shown_number
):
    path = make_video(name, codec="mpeg4" if name == "plain.avi" else "libx264", size=SQUARE)
    for policy in map(clip_policy, ("official-25", "paper-25", "uniform-4")):
        clips = load_clips(path, policy, spec_for(policy), start=segment[0], end=segment[1])
        plan = plan_clips(policy, stop - first)
        assert clips.total == stop - first
        assert numbers_of(clips, shown_number) == (first + plan.frames[plan.slots]).tolist()


def test_a_segment_goes_by_time_not_by_count_where_frames_are_uneven(make_video, shown_number):
    uneven = tuple(40 * k + 520 * (k > 10) for k in range(30))
    path = make_video("gap.mp4", milliseconds=uneven, size=SQUARE)
    policy = clip_policy("first-3")
    clips = load_clips(path, policy, spec_for(policy), start=0.41, end=2.0)
    assert numbers_of(clips, shown_number) == [[11, 12, 13]]


def test_a_segment_whose_end_does_not_decode_is_clipped_to_what_does(claim_frames, shown_number):
    policy = clip_policy("uniform-4")
    clips = load_clips(claim_frames(32), policy, spec_for(policy), start=0.8)
    assert numbers_of(clips, shown_number) == [[21, 23, 26, 28]]
    with pytest.raises(VideoError, match="no frame that decodes"):
        load_clips(claim_frames(32), policy, spec_for(policy), start=1.2)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (5.0, 6.0, "no frame from 5 s to 6 s; its last is at 1.16 s"),
        (0.5, 0.5, "give 0 <= start < end"),
        (0.8, 0.4, "give 0 <= start < end"),
        (-1.0, 0.4, "give 0 <= start < end"),
        (float("nan"), None, "give 0 <= start < end"),
    ],
)
def test_an_empty_segment_is_an_error(start, end, said, make_video):
    path = make_video("plain.avi", codec="mpeg4")
    with pytest.raises(VideoError) as caught:
        load_clips(path, clip_policy("first-16"), SPEC, start=start, end=end)
    assert said in str(caught.value)


def test_a_policy_must_fit_the_model(make_video):
    with pytest.raises(ProtocolError, match="takes 16"):
        load_clips(make_video("plain.avi", codec="mpeg4"), clip_policy("uniform-8"), SPEC)


def test_full_frames_are_not_held(make_video):
    path = make_video("large.avi", codec="mpeg4", frames=60, size=(640, 480))
    load_clips(path, clip_policy("first-16"), SPEC)
    tracemalloc.start()
    try:
        clips = load_clips(path, clip_policy("paper-25"), SPEC)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < clips.frames.nbytes + 2_000_000
    assert peak < 60 * 640 * 480 * 3 / 10


def test_clips_cross_a_process_boundary(make_video):
    clips = load_clips(make_video("plain.avi", codec="mpeg4"), clip_policy("official-25"), SPEC)
    again = pickle.loads(pickle.dumps(clips))  # noqa: S301
    np.testing.assert_array_equal(again.assemble(), clips.assemble())
    np.testing.assert_array_equal(again.weights, clips.weights)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_other_families_get_their_preprocessing(dtype, make_video):
    path = make_video("plain.avi", codec="mpeg4")
    policy = clip_policy("uniform-8")
    spec = ClipSpec(
        frames=8,
        size=224,
        short_side=224,
        resize="exact",
        interpolation="bicubic",
        antialias=True,
        dtype=dtype,
    )
    everything = transform_frames(decode_everything(path), spec)
    wanted = policy.indices(len(everything))
    np.testing.assert_array_equal(load_clips(path, policy, spec).assemble(), everything[wanted])


@pytest.mark.datasets
def test_real_hmdb_clips_have_one_frame_less_than_they_say(shared_data):
    (path,) = (shared_data / "videos/hmdb51/cartwheel").glob("Turnk*")
    spec = ClipSpec(dtype="float32")
    official = load_clips(path, clip_policy("official-25"), spec)
    assert (official.total, len(official.frames)) == (84, 83)
    assert official.note == "container says 84 frames, 83 decode"
    assert load_clips(path, clip_policy("paper-25"), spec).total == 83
