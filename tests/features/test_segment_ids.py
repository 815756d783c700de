"""Spellings of ActivityNet's videos and segments, on a hand-written file in the official form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.activitynet import official_rows, read_annotations
from zsl_bench.errors import DatasetError
from zsl_bench.features import match_features, read_features
from zsl_bench.videos import Manifest

ROWS = {
    "v_aaaaaaaaaa1_000": (1.25, 20.5),
    "v_aaaaaaaaaa1_001": (30.0, 41.75),
    "v_v_bbbbbbbb2_000": (0.0, 10.0),
    "v_cc_cc-ccc_3_000": (5.0, 25.04),
    "v_cc_cc-ccc_3_001": (20.0, 60.0),
    "v_cc_cc-ccc_3_002": (70.0, 80.0),
    "v_dddddddddd4_001": (7.7, 9.9),
}


@pytest.fixture
def match(full, anet_json):
    path = anet_json()

    def run(ids, *, labels=None, **options):
        more = {} if labels is None else {"labels": np.array(labels)}
        features = read_features(full("activitynet200", list(ids), **more))
        return match_features(features, "ActivityNet200", annotations=path, **options)

    return run


def found(matched):
    ids = matched.features.ids
    return {
        ids[row]: video.id for row, video in zip(matched.rows, matched.manifest.videos, strict=True)
    }


SPELLINGS = {
    "official": "{row}",
    "file": "/data/segments/{row}.mp4",
    "without v_": "{video}_{n}",
    "times": "v_{video}_{start}_{end}",
    "whole seconds": "{video}_{start:06.0f}_{end:06.0f}",
    "rounded up": "{video}-{start_up}-{end_up}.avi",
    "one decimal": "v_{video}@{start:.1f}-{end:.1f}.npy",
    "from one": "v_{video}_{after}",
    "from one in three digits": "v_{video}_{after:03d}",
}


def spell(spelling, row):
    start, end = ROWS[row]
    n = int(row[-3:])
    return SPELLINGS[spelling].format(
        row=row,
        video=row[2:13],
        n=n,
        after=n + 1,
        start=start,
        end=end,
        start_up=math.ceil(start),
        end_up=math.ceil(end),
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_segments(match, spelling):
    spelt = {spell(spelling, row): row for row in ROWS}
    matched = match(spelt)
    assert found(matched) == spelt
    manifest = matched.manifest
    assert manifest.split == "anet13-segments-v1"
    assert manifest.missing == manifest.extra == ()
    assert not manifest.is_partial
    counted = "segments are counted from 1 in the features"
    assert (counted in manifest.notes) == spelling.startswith("from one")
    assert {video.id: (video.start, video.end) for video in manifest.videos} == ROWS
    assert set(matched.manifest.overlapping) == {"v_cc_cc-ccc_3_000", "v_cc_cc-ccc_3_001"}


@pytest.mark.parametrize("spelling", ["v_{}", "{}", "val/v_{}.mp4", "C:\\anet\\{}.mkv", "v_{}.npy"])
def test_spellings_of_whole_videos(match, spelling):
    videos = ("aaaaaaaaaa1", "v_bbbbbbbb2", "dddddddddd4")
    matched = match([spelling.format(video) for video in videos])
    assert sorted(found(matched).values()) == sorted(f"v_{video}" for video in videos)
    assert matched.manifest.split == "anet13-video"
    assert matched.manifest.missing == ()
    assert matched.manifest.overlapping == ()
    assert {video.group for video in matched.manifest.videos} == set(videos)


def test_the_digest_is_that_of_the_official_rows(match, anet_json):
    rows = official_rows(read_annotations(anet_json()), "anet13-segments-v1")
    manifest = Manifest(
        dataset="activitynet200",
        classes=load_class_set("activitynet200"),
        split=rows.rule,
        root=anet_json(),
        videos=tuple(rows.rows.values()),
        expected=rows.counts(),
    )
    assert match([row[2:] for row in ROWS]).manifest.digest == manifest.digest


def test_a_partial_file(match):
    manifest = match(["v_aaaaaaaaaa1_000", "dddddddddd4_001", "zzzzzzzzzzz_000"]).manifest
    assert len(manifest) == 2
    assert len(manifest.missing) == 5
    assert manifest.extra == ("zzzzzzzzzzz_000",)


def test_videos_with_several_labels_are_left_out_and_named(match):
    manifest = match(["v_aaaaaaaaaa1", "v_cc_cc-ccc_3"]).manifest
    assert manifest.extra == ("v_cc_cc-ccc_3",)
    assert "left out, several labels: 1 (v_cc_cc-ccc_3)" in manifest.notes


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        (
            ["v_aaaaaaaaaa1", "v_aaaaaaaaaa1_000"],
            {},
            "ids of whole videos and of segments, such as",
        ),
        (["v_aaaaaaaaaa1"], {"test_list": "anet13-segments"}, "ids of whole videos"),
        (["aaaaaaaaaa1_1_21"], {"test_list": "video"}, "ids of segments"),
        (["v_aaaaaaaaaa1_0", "v_cc_cc-ccc_3_3"], {}, "numbered from 0 and from 1"),
        (["v_cc_cc-ccc_3_1"], {}, "so that they may count from 0 or from 1"),
        (["v_aaaaaaaaaa1_000", "aaaaaaaaaa1_0"], {}, "several rows of one video"),
        (["what", "ever"], {}, "not one of 2 ids is a video of activitynet200"),
        (["v_Archery_g01_c01"], {}, "this looks like ucf101"),
        (["v_aaaaaaaaaa1_000"], {"test_list": "split1"}, "neither of its two video rules"),
        (["v_dddddddddd4_000"], {}, "not one of 1 ids is a video of activitynet200"),
    ],
)
def test_what_is_refused(match, ids, options, message):
    with pytest.raises(DatasetError, match=message):
        match(ids, **options)


def test_labels_are_checked(match):
    match(["v_aaaaaaaaaa1_000"], labels=["archery"])
    with pytest.raises(DatasetError, match=r"file: Futsal, official: Archery"):
        match(["v_aaaaaaaaaa1_000"], labels=["Futsal"])
    with pytest.raises(
        DatasetError, match="label 'Archry' of v_aaaaaaaaaa1_000, which is no class"
    ):
        match(["v_aaaaaaaaaa1_000"], labels=["Archry"])


def test_equal_times_are_told_apart_by_labels(full, anet_json):
    database = {
        "aaaaaaaaaa1": {
            "subset": "training",
            "annotations": [
                {"label": label, "segment": [1.0, 2.0]} for label in ("Long jump", "High jump")
            ],
        }
    }
    path = anet_json(database=database)
    features = read_features(full("activitynet200", ["aaaaaaaaaa1_1_2"]))
    with pytest.raises(DatasetError, match="could be v_aaaaaaaaaa1_000 or v_aaaaaaaaaa1_001"):
        match_features(features, "activitynet200", annotations=path)
    labelled = full("activitynet200", ["aaaaaaaaaa1_1_2"], labels=np.array(["High jump"]))
    matched = match_features(read_features(labelled), "activitynet200", annotations=path)
    assert matched.manifest.videos[0].id == "v_aaaaaaaaaa1_001"


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(list(ROWS)))
def test_the_order_of_rows_changes_nothing(match, order):
    matched = match(order)
    assert matched.manifest.digest == match(list(ROWS)).manifest.digest
    assert found(matched) == {row: row for row in ROWS}
