from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import ProtocolError, VideoError
from zsl_bench.video import ClipPolicy, clip_policy, plan_clips

NAMES = (
    "paper-25",
    "paper-1",
    "paper-3x8s2",
    "official-25",
    "official-1",
    "official-4x8",
    "first-16",
    "first-8s4",
    "uniform-1",
    "uniform-8",
    "uniform-32",
)


def simulate_released_sampler(total, clips, length, readable=None):
    """Walk through the video frame by frame, as the released loader's description says."""
    readable = total if readable is None else readable
    period = total // clips
    if period == 0:
        period = 1
    offsets = []
    offset = 0
    while offset < total:
        offsets.append(offset)
        offset += period
    offsets = offsets[: min(clips, total // period)]
    wanted = set()
    for offset in offsets:
        for step in range(length):
            wanted.add(offset + step)
    collected = []
    for index in range(max(wanted) + 1):
        if index not in wanted:
            continue
        collected.append(index if index < readable else collected[-1])
    listed = list(collected)
    while len(listed) < clips * length:
        listed.extend(listed[: clips * length - len(listed)])
    return [listed[i * length : (i + 1) * length] for i in range(clips)]


@pytest.mark.parametrize("clips", [1, 25])
def test_official_is_the_simulated_sampler(clips):
    policy = clip_policy(f"official-{clips}")
    for total in range(1, 801):
        expected = simulate_released_sampler(total, clips, 16)
        np.testing.assert_array_equal(policy.indices(total), expected, err_msg=str(total))


@given(
    total=st.integers(1, 2000),
    clips=st.integers(1, 30),
    length=st.integers(1, 20),
    readable=st.integers(1, 2100),
)
def test_official_pads_with_the_last_frame_read(total, clips, length, readable):
    indices = clip_policy(f"official-{clips}x{length}").indices(total, available=readable)
    np.testing.assert_array_equal(
        indices, simulate_released_sampler(total, clips, length, readable)
    )


@pytest.mark.parametrize(
    ("total", "slots", "frames", "distinct"),
    [(164, 160, 160, 10), (90, 88, 88, 11), (180, 184, 180, 23)],
)
def test_official_published_facts(total, slots, frames, distinct):
    policy = clip_policy("official-25")
    plan = plan_clips(policy, total)
    assert len(plan.frames) == frames
    assert len(plan.slots) == distinct
    flat = policy.indices(total).ravel()
    np.testing.assert_array_equal(flat[slots:], flat[: 400 - slots])


def test_official_keeps_all_clips_from_400_frames_on():
    indices = clip_policy("official-25").indices(400)
    np.testing.assert_array_equal(indices.ravel(), np.arange(400))
    np.testing.assert_array_equal(
        clip_policy("official-25").indices(1000)[:, 0], 40 * np.arange(25)
    )


def test_paper_starts_are_evenly_spaced():
    indices = clip_policy("paper-25").indices(160)
    np.testing.assert_array_equal(indices[:, 0], np.linspace(0, 144, 25).astype(int))
    np.testing.assert_array_equal(indices - indices[:, :1], np.tile(np.arange(16), (25, 1)))


@given(total=st.integers(1, 5000))
def test_paper_rounds_down_exactly(total):
    starts = clip_policy("paper-25").indices(total)[:, 0]
    room = max(total - 16, 0)
    assert all(24 * s <= k * room < 24 * (s + 1) for k, s in enumerate(starts.tolist()))


def test_paper_repeats_the_last_frame_of_a_short_video():
    indices = clip_policy("paper-25").indices(5)
    np.testing.assert_array_equal(indices[0], [0, 1, 2, 3, 4] + [4] * 11)
    plan = plan_clips(clip_policy("paper-25"), 5)
    np.testing.assert_array_equal(plan.weights, [25])


def test_first_and_uniform():
    np.testing.assert_array_equal(clip_policy("first-16").indices(100), [np.arange(16)])
    np.testing.assert_array_equal(clip_policy("first-4s3").indices(8), [[0, 3, 6, 7]])
    np.testing.assert_array_equal(clip_policy("uniform-4").indices(100), [[12, 37, 62, 87]])
    np.testing.assert_array_equal(clip_policy("uniform-1").indices(9), [[4]])
    np.testing.assert_array_equal(clip_policy("uniform-4").indices(2), [[0, 0, 1, 1]])


@given(total=st.integers(1, 3000), count=st.integers(1, 64))
def test_uniform_takes_the_centres_of_equal_parts(total, count):
    indices = clip_policy(f"uniform-{count}").indices(total)[0]
    centres = [total * (k + 0.5) / count for k in range(count)]
    np.testing.assert_allclose(indices + 0.5, centres, atol=0.5 + 1e-9, rtol=0)
    assert list(indices) == sorted(indices)


@given(name=st.sampled_from(NAMES), total=st.integers(1, 2000))
def test_indices_are_frames_and_the_plan_is_the_same_work(name, total):
    policy = clip_policy(name)
    indices = policy.indices(total)
    assert indices.shape == (policy.clips, policy.frames)
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < total
    plan = plan_clips(policy, total)
    assert plan.weights.sum() == policy.clips
    assert list(plan.frames) == sorted(set(indices.ravel().tolist()))
    rebuilt = [tuple(row) for row in plan.frames[plan.slots].tolist()]
    original = [tuple(row) for row in indices.tolist()]
    assert rebuilt == list(dict.fromkeys(original))
    assert plan.weights.tolist() == [original.count(row) for row in rebuilt]


def test_available_replans_every_rule_but_the_official_one():
    policy = clip_policy("paper-25")
    np.testing.assert_array_equal(policy.indices(300, available=120), policy.indices(120))
    official = clip_policy("official-25").indices(84, available=83)
    assert official.max() == 82
    assert (official == 82).sum() > (clip_policy("official-25").indices(84) == 82).sum()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ofical-25", "'official-25'"),
        ("paper", "'paper-25'"),
        ("Paper-25", "'paper-25'"),
        ("uniform-0", "'uniform-"),
        ("paper-25x", "'paper-25'"),
        ("uniform-8x4", "uniform-8"),
        ("official-25s2", "official-25"),
        ("first-16x4", "first-16"),
        ("paper-999999x999999", "fewer frames"),
        ("paper-99999999", "paper-25"),
        ("", "first-16"),
        ("paper-25\n", "'paper-25'"),
    ],
)
def test_bad_names_are_refused_with_a_hint(name, hint):
    with pytest.raises(ProtocolError) as caught:
        clip_policy(name)
    assert hint in str(caught.value)


def test_names_are_canonical_and_bound_to_their_numbers():
    assert clip_policy("paper-25x16s1") == clip_policy("paper-25")
    assert clip_policy("official-4x8").name == "official-4x8"
    with pytest.raises(ProtocolError, match="3 clips of 16 frames"):
        ClipPolicy(name="paper-25", clips=3, frames=16)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [{"total": 0}, {"total": -1}, {"total": 10, "available": 0}])
def test_no_frames_is_an_error(name, count):
    with pytest.raises(VideoError, match="without frames"):
        clip_policy(name).indices(**count)
