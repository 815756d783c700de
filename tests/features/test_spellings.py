"""Any common spelling of an official name finds it."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from functools import lru_cache
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.datasets import official_list
from zsl_bench.errors import DatasetError
from zsl_bench.features.spelling import clip_hint, identify, stem_of

DATASETS = ("ucf101", "hmdb51")
NAMES = {dataset: sorted(official_list(dataset).videos) for dataset in DATASETS}
FOLDERS = (
    "",
    "{label}/",
    "/data/UCF-101/{label}/",
    "C:\\videos\\{label}\\",
    "\\\\server\\share\\",
    "../x/./",
    "s3://bucket/{label}/",
)
ENDINGS = ("", ".avi", ".MP4", ".npy", ".avi.pt", "/")
TAILS = ("", " 0", " 120 0", ",3", "\t7", " ; 12")
CASES = (str, str.lower, str.upper)
CODES = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "html": html.escape,
    "underscores": lambda text: re.sub(r"[^0-9A-Za-z]", "_", text),
    "dashes": lambda text: text.replace("_", "-"),
    "spaces": lambda text: text.replace("_", " "),
    "letters": lambda text: re.sub(r"[^0-9A-Za-z_]", "", text),
    "shell": lambda text: re.sub(r"([^0-9A-Za-z_/.-])", r"\\\1", text),
}


def letters(text: str) -> str:
    return re.sub("[^0-9a-z]", "", text.lower())


@lru_cache
def twins(dataset):
    """Ids that differ in case and punctuation only, which no loose spelling can tell apart."""
    same = defaultdict(list)
    for video in official_list(dataset).videos:
        same[letters(video)].append(video)
    return {video for videos in same.values() if len(videos) > 1 for video in videos}


@st.composite
def spellings(draw):
    dataset = draw(st.sampled_from(DATASETS))
    video = draw(st.sampled_from(NAMES[dataset]))
    code = draw(st.sampled_from(sorted(CODES)))
    case = draw(st.sampled_from(CASES))
    folder = draw(st.sampled_from(FOLDERS))
    tail = draw(st.sampled_from(TAILS))
    label = official_list(dataset).videos[video].label
    text = CODES[code](case(video)) + draw(st.sampled_from(ENDINGS))
    is_exact = code in ("plain", "percent", "html", "shell") and case is str
    return dataset, video, folder.format(label=label) + text + tail, is_exact


@settings(deadline=None, max_examples=400)
@given(spellings())
def test_any_spelling_of_any_id_finds_it(spelling):
    dataset, video, text, is_exact = spelling
    if not is_exact and video in twins(dataset):
        return
    assert identify([text], dataset, asked="features").found == {0: video}


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_official_id_has_a_dot_or_slash(dataset):
    for video in official_list(dataset).videos:
        assert not set("./\\%") & set(video)
        assert stem_of(f"a/b\\{video}.avi") == video


@pytest.mark.parametrize("code", sorted(CODES))
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_whole_data_set_in_one_spelling(dataset, code):
    """All names at once, but for those that the spelling itself makes equal."""
    videos = official_list(dataset).videos
    spelt = {video: CODES[code](video) + ".avi" for video in videos}
    left_out = (
        set() if code in ("plain", "percent", "html", "shell", "underscores") else twins(dataset)
    )
    ids = [video for video in videos if video not in left_out]
    done = identify([spelt[video] for video in ids], dataset, asked="features")
    assert [done.found[row] for row in range(len(ids))] == ids
    assert done.unmatched == ()


@pytest.mark.parametrize(
    ("dataset", "text", "video"),
    [
        ("ucf101", "HandstandPushups/v_HandstandPushups_g01_c01.avi", "v_HandStandPushups_g01_c01"),
        ("ucf101", "HandStandPushups_g01_c01", "v_HandStandPushups_g01_c01"),
        ("ucf101", "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1", "v_ApplyEyeMakeup_g01_c01"),
        ("ucf101", "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01 164 0", "v_ApplyEyeMakeup_g01_c01"),
        (
            "hmdb51",
            "cartwheel/(Rad)Schlag_die_Bank!_cartwheel_f_cm_np1_le_med_0.avi 1 ",
            "(Rad)Schlag_die_Bank!_cartwheel_f_cm_np1_le_med_0",
        ),
        (
            "hmdb51",
            "%28Rad%29Schlag_die_Bank%21_cartwheel_f_cm_np1_le_med_0.avi",
            "(Rad)Schlag_die_Bank!_cartwheel_f_cm_np1_le_med_0",
        ),
        (
            "hmdb51",
            "Goal_1_&amp;_2_kick_ball_f_cm_np4_fr_med_0",
            "Goal_1_&_2_kick_ball_f_cm_np4_fr_med_0",
        ),
    ],
)
def test_spellings_met_in_the_wild(dataset, text, video):
    assert identify([text], dataset, asked="features").found == {0: video}


def test_exact_names_decide_between_twins():
    ids = ["Boom_Snap_Clap_clap_u_nm_np1_fr_med_0", "boom_snap_clap_clap_u_nm_np1_fr_med_0"]
    done = identify(ids, "hmdb51", asked="features")
    assert done.found == {0: ids[0], 1: "boom-snap-clap_clap_u_nm_np1_fr_med_0"}
    assert done.respelt == 1


def test_a_spelling_of_several_videos_is_an_error():
    with pytest.raises(DatasetError) as caught:
        identify(["BOOMSNAPCLAPCLAPunmnp1frmed0"], "hmdb51", asked="features f.npz")
    message = str(caught.value)
    assert "could be Boom_Snap_Clap_clap_u_nm_np1_fr_med_0 or boom-snap-clap_clap_u" in message
    assert message.endswith("give the official name")


@pytest.mark.parametrize("text", ["", "/", "v_Archery_g26_c01", "Archery", "v_Archery_g01", "..."])
def test_what_is_no_video(text):
    done = identify([text], "ucf101", asked="features")
    assert done.found == {}
    assert done.unmatched == (0,)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_without_a_crash(text):
    for dataset in DATASETS:
        assert len(identify([text], dataset, asked="features").found) <= 1


@pytest.mark.parametrize("tail", ["_0", "_clip3", "-view-2", "#12", ".crop1", "_segment_04"])
def test_clips_get_a_hint(tail):
    hint = clip_hint([f"v_Archery_g01_c01{tail}.npy"], "ucf101")
    assert (hint is None) == (tail == ".crop1")
    assert clip_hint(["something else_1"], "ucf101") is None
