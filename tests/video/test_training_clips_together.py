import numpy as np
import pytest

from zsl_bench.errors import VideoError
from zsl_bench.video import ClipSpec
from zsl_bench.video.training_clips import load_training_clip, load_training_clips

SPEC = ClipSpec(frames=8, size=48, short_side=56, dtype="float32")


def generators(count, seed=3):
    return [np.random.default_rng((seed, k)) for k in range(count)]


def one_by_one(path, count, **options):
    return [load_training_clip(path, SPEC, rng, **options) for rng in generators(count)]


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 30])
@pytest.mark.parametrize("flip", [True, False])
def test_views_are_those_of_one_pass_each(make_video, frames, flip):
    path = make_video("v.mp4", frames=frames)
    views = load_training_clips(path, SPEC, generators(6), flip=flip)
    assert views.shape == (6, 8, 3, 48, 48)
    assert views.dtype == np.float32
    assert np.array_equal(views, np.stack(one_by_one(path, 6, flip=flip)))


def test_views_of_a_segment(make_video):
    path = make_video("s.mp4", frames=30)
    views = load_training_clips(path, SPEC, generators(5), start=0.4, end=0.9)
    assert np.array_equal(views, np.stack(one_by_one(path, 5, start=0.4, end=0.9)))


@pytest.mark.parametrize("claimed", [31, 34])
def test_views_behind_the_last_frame_that_decodes(claim_frames, claimed):
    path = claim_frames(claimed)
    views = load_training_clips(path, SPEC, generators(12))
    assert np.array_equal(views, np.stack(one_by_one(path, 12)))


def test_views_of_one_frame_behind_the_last(claim_frames):
    path = claim_frames(34)
    spec = ClipSpec(frames=1, size=48, short_side=56)
    views = load_training_clips(path, spec, generators(40))
    single = [load_training_clip(path, spec, rng) for rng in generators(40)]
    assert np.array_equal(views, np.stack(single))


def test_files_that_are_no_video_or_cut_short(claim_frames, tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"nothing")
    with pytest.raises(VideoError):
        load_training_clips(tmp_path / "no.mp4", SPEC, generators(2))
    with pytest.raises(VideoError, match="container says 90 frames, 30 decode"):
        load_training_clips(claim_frames(90), SPEC, generators(20))


def test_a_frame_smaller_than_the_crop(make_video):
    path = make_video("floor.mp4", frames=9, size=(322, 400))
    with pytest.raises(VideoError, match="resizes to 127"):
        load_training_clips(path, ClipSpec(frames=8, size=128, short_side=128), generators(2))
