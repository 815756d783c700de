"""ActivityNet's JSON to rows.

No copy of the official file is at hand, so that these run on a hand-written one in its form. What
the official one holds, such as its number of segments, is not tested here.
"""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from zsl_bench.datasets.activitynet import (
    SEGMENTS,
    WHOLE_VIDEOS,
    find_rule,
    official_rows,
    read_annotations,
)
from zsl_bench.errors import DatasetError


def entry(subset, *annotations):
    return {
        "duration": 82.73,
        "subset": subset,
        "resolution": "1920x1080",
        "url": "https://www.youtube.com/watch?v=made-up",
        "annotations": [{"label": label, "segment": times} for label, *times in annotations],
    }


VIDEOS = {
    "aaaaaaaaaaa": entry("training", ("Mooping floor", 6.5, 20.25), ("Mooping floor", 20.25, 82.7)),
    "bbbbbbbbbbb": entry("validation", ("Long jump", 0, 30.5), ("High jump", 30.4, 40.0)),
    "ccccccccccc": entry("validation", ("Futsal", 9.0, 4.0), ("Futsal", 1.0, 2.0)),
    "ddddddddddd": entry("testing"),
    "eeeeeeeeeee": entry("training"),
    "fffffffffff": entry("training", ("Futsal", 5.0, 5.0)),
}


@pytest.fixture
def write(tmp_path):
    def write(database=None, **changes):
        content = {
            "database": VIDEOS if database is None else database,
            "taxonomy": [{"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}],
            "version": "VERSION 1.3",
            **changes,
        }
        path = tmp_path / "activity_net.v1-3.min.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_segments(write):
    found = official_rows(read_annotations(write()), SEGMENTS)
    rows = {r.id: (r.label, r.start, r.end, r.group, r.path) for r in found.rows.values()}
    assert rows == {
        f"v_{video}_{n:03d}": (label, start, end, video, f"v_{video}_{n:03d}")
        for video, n, label, start, end in [
            ("aaaaaaaaaaa", 0, "Mooping floor", 6.5, 20.25),
            ("aaaaaaaaaaa", 1, "Mooping floor", 20.25, 82.7),
            ("bbbbbbbbbbb", 0, "Long jump", 0.0, 30.5),
            ("bbbbbbbbbbb", 1, "High jump", 30.4, 40.0),
            ("ccccccccccc", 1, "Futsal", 1.0, 2.0),
        ]
    }
    assert found.overlapping == {"v_bbbbbbbbbbb_000", "v_bbbbbbbbbbb_001"}
    assert dict(found.left_out) == {
        "v_ccccccccccc_000": "no times with 0 <= start < end",
        "v_fffffffffff_000": "no times with 0 <= start < end",
        "v_eeeeeeeeeee": "no annotation",
    }
    overlaps, *left_out = found.notes()
    assert overlaps.startswith("segments that overlap with one of another label: 2; each counts as")
    assert left_out == [
        "left out, no times with 0 <= start < end: 2 (v_ccccccccccc_000, v_fffffffffff_000)",
        "left out, no annotation: 1 (v_eeeeeeeeeee)",
    ]
    counts = found.counts()
    assert len(counts) == 200
    assert {name: n for name, n in counts.items() if n} == {
        "Mooping floor": 2,
        "Long jump": 1,
        "High jump": 1,
        "Futsal": 1,
    }


def test_whole_videos(write):
    found = official_rows(read_annotations(write()), WHOLE_VIDEOS)
    assert {r.id: (r.label, r.start, r.end, r.group) for r in found.rows.values()} == {
        "v_aaaaaaaaaaa": ("Mooping floor", None, None, "aaaaaaaaaaa"),
        "v_ccccccccccc": ("Futsal", None, None, "ccccccccccc"),
        "v_fffffffffff": ("Futsal", None, None, "fffffffffff"),
    }
    assert found.left_out == {"v_bbbbbbbbbbb": "several labels", "v_eeeeeeeeeee": "no annotation"}
    assert found.overlapping == frozenset()


def test_segments_that_touch_or_share_a_label_do_not_overlap(write):
    video = entry("training", ("Futsal", 0, 10), ("Futsal", 5, 15), ("Archery", 15, 20))
    found = official_rows(read_annotations(write({"aaaaaaaaaaa": video})), SEGMENTS)
    assert found.overlapping == frozenset()


def test_overlaps_against_a_plain_count(write):
    rng = np.random.default_rng(0)
    database = {}
    for number in range(30):
        listed = []
        for _ in range(rng.integers(1, 6)):
            start = int(rng.integers(0, 51))
            label = ["Futsal", "Archery", "Long jump"][rng.integers(3)]
            listed.append((label, start, start + int(rng.integers(1, 21))))
        database[f"video{number:06d}"] = entry("training", *listed)
    found = official_rows(read_annotations(write(database)), SEGMENTS)
    overlapping = set()
    for one, other in itertools.combinations(found.rows.values(), 2):
        shared = set(range(int(one.start), int(one.end))) & set(
            range(int(other.start), int(other.end))
        )
        if one.group == other.group and one.label != other.label and shared:
            overlapping |= {one.id, other.id}
    assert found.overlapping == overlapping
    assert overlapping


def test_spellings_of_labels_and_rules(write):
    video = entry("training", ("mooping_floor", 1, 2))
    found = official_rows(read_annotations(write({"aaaaaaaaaaa": video})), "ANET13-Segments")
    assert found.rule == SEGMENTS
    assert found.rows["v_aaaaaaaaaaa_000"].label == "Mooping floor"
    assert find_rule("video") == WHOLE_VIDEOS
    with pytest.raises(DatasetError, match="did you mean 'anet13-video'"):
        find_rule("anet13-vidoe")


@pytest.mark.parametrize(
    ("database", "changes", "message"),
    [
        ({}, {}, "no 'database' of videos"),
        ({"a": 1}, {}, "video 'a' without a subset"),
        ({"a": {"subset": "training"}}, {}, "video 'a' without annotations"),
        ({"a": entry("testing")}, {}, "no annotated training or validation video"),
        ({"a": entry("training", ("Futsall", 1, 2))}, {}, "label 'Futsall' of video 'a'.*'Futsal'"),
        ({"a": entry("training", ("Futsal", 1))}, {}, "an annotation of 'a' without label and seg"),
        ({"a": entry("training", ("Futsal", "1", 2))}, {}, "an annotation of 'a' without label"),
        ({"a": entry("training", (3, 1, 2))}, {}, "an annotation of 'a' without label and segment"),
        (None, {"version": "VERSION 1.2"}, "the version 'VERSION 1.2'; give the official.*1.3"),
    ],
)
def test_what_is_refused(write, database, changes, message):
    with pytest.raises(DatasetError, match=message) as caught:
        read_annotations(write(database, **changes))
    assert str(caught.value).startswith("annotations ")


def test_files_that_are_no_annotations(tmp_path):
    with pytest.raises(DatasetError, match=r"give the official activity_net.v1-3 JSON"):
        read_annotations(tmp_path / "absent.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DatasetError, match="no valid JSON"):
        read_annotations(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DatasetError, match="no 'database' of videos"):
        read_annotations(tmp_path / "a.json")
    only = {"aaaaaaaaaaa": entry("training", ("Futsal", 2, 1))}
    (tmp_path / "a.json").write_text(json.dumps({"database": only}))
    with pytest.raises(DatasetError, match=r"rows of activitynet200 .*: none"):
        official_rows(read_annotations(tmp_path / "a.json"), SEGMENTS)


def test_an_unknown_subset_is_an_error_and_its_case_does_not_matter(tmp_path):
    entry = {"duration": 9.0, "annotations": [{"label": "Archery", "segment": [0, 5]}]}
    for subset, fine in (("Validation", True), ("val", False), ("valid", False)):
        database = {"aaaaaaaaaaa": {**entry, "subset": subset}}
        path = tmp_path / "anet.json"
        path.write_text(json.dumps({"version": "VERSION 1.3", "database": database}))
        if fine:
            assert list(read_annotations(path).videos) == ["aaaaaaaaaaa"]
        else:
            with pytest.raises(DatasetError, match=f"of the subset '{subset}'"):
                read_annotations(path)
