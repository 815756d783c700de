"""ActivityNet on the disk: real files, and trees with the official names, beside a JSON.

No copy of the official JSON is at hand. The one of these tests is made up in its published form,
with every official class name and made-up ids.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import numpy as np
import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import summary_lines
from zsl_bench.datasets.activitynet import read_annotations
from zsl_bench.datasets.activitynet_folder import open_activitynet
from zsl_bench.datasets.names import dataset_name, known_datasets
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.errors import DatasetError
from zsl_bench.features import match_features, read_features
from zsl_bench.videos import Manifest

V13, V12 = "activity_net.v1-3.min.json", "activity_net.v1-2.min.json"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
FIRST, SECOND, THIRD, FOURTH = "-aaaaaaaaa_", "bbBBbbBBbb1", "v_cccccccc2", "--ddddddd-3"
TESTED, BARE = "eeeeeeeeeee", "fffffffffff"


def entry(subset, *annotations):
    return {
        "duration": 82.73,
        "subset": subset,
        "resolution": "1920x1080",
        "url": "https://www.youtube.com/watch?v=made-up",
        "annotations": [{"segment": times, "label": label} for label, *times in annotations],
    }


SMALL = {
    FIRST: entry("training", ("Mooping floor", 0.1, 0.3), ("Mooping floor", 0.3, 0.7)),
    SECOND: entry("validation", ("Long jump", 0, 0.5), ("High jump", 0.4, 0.6)),
    THIRD: entry("validation", ("Futsal", 9.0, 4.0), ("Futsal", 0.2, 0.6)),
    FOURTH: entry("training", ("Rock-paper-scissors", 0, 0.7)),
    TESTED: entry("testing"),
    BARE: entry("training"),
}


def content(database, version="1.3"):
    names = load_class_set("activitynet200").names[: 200 if version == "1.3" else 100]
    root = {"parentName": None, "nodeName": "Root", "nodeId": 0, "parentId": None}
    taxonomy = [
        {"parentName": "Root", "nodeName": name, "nodeId": number, "parentId": 0}
        for number, name in enumerate(names, start=1)
    ]
    return json.dumps(
        {"taxonomy": [root, *taxonomy], "version": f"VERSION {version}", "database": database}
    )


def full_database(classes, *, seed=0, videos=6):
    """Every class in training and validation, several segments a video, and a testing part."""
    rng = np.random.default_rng(seed)
    database = {}
    for label in classes:
        for number in range(videos):
            ends = sorted(rng.uniform(0, 180, size=2 * rng.integers(1, 4)).tolist())
            segments = [(label, *pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
            name = "".join(rng.choice(list(LETTERS), size=11))
            database[name] = entry("validation" if number % 3 else "training", *segments)
        database["".join(rng.choice(list(LETTERS), size=11))] = entry("testing")
    return database


def request(root, dataset="activitynet200", **changes):
    return DatasetRequest(dataset=dataset, asked=dataset, root=root, **changes)


def opened(root, dataset="activitynet200", **changes):
    return open_activitynet(request(root, dataset, **changes))


@pytest.fixture
def tree(plant):
    """Return a function that plants files beside the small JSON."""

    def make(*files, json_at=V13, database=None):
        root = plant(*files)
        plant(json_at, content=content(database or SMALL).encode())
        return root

    return make


def rows(manifest):
    return [(v.id, v.label, v.path, v.group, v.start, v.end) for v in manifest.videos]


SEGMENTS = [
    (f"v_{FOURTH}_000", "Rock-paper-scissors", FOURTH, 0.0, 0.7),
    (f"v_{FIRST}_000", "Mooping floor", FIRST, 0.1, 0.3),
    (f"v_{FIRST}_001", "Mooping floor", FIRST, 0.3, 0.7),
    (f"v_{SECOND}_000", "Long jump", SECOND, 0.0, 0.5),
    (f"v_{SECOND}_001", "High jump", SECOND, 0.4, 0.6),
    (f"v_{THIRD}_001", "Futsal", THIRD, 0.2, 0.6),
]
LAYOUTS = {
    "flat": "v_{}.mp4",
    "parts": "train/v_{}.mp4",
    "as unpacked": "ActivityNet/v1-3/train_val/v_{}.mp4",
    "bare ids": "{}.mkv",
    "downloader": "videos/v_{}.mp4.webm",
    "upper case": "videos/V_{}.MP4",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(layout, tree):
    names = [LAYOUTS[layout].format(video) for video in (FIRST, SECOND, THIRD, FOURTH)]
    manifest = opened(tree(*names))
    path = dict(zip((FIRST, SECOND, THIRD, FOURTH), names, strict=True))
    assert rows(manifest) == [(i, x, path[g], g, s, e) for i, x, g, s, e in SEGMENTS]
    assert (manifest.dataset, manifest.split) == ("activitynet200", "anet13-segments-v1")
    assert manifest.classes == load_class_set("activitynet200")
    assert manifest.missing == manifest.extra == ()
    assert set(manifest.overlapping) == {f"v_{SECOND}_000", f"v_{SECOND}_001"}
    assert {k: n for k, n in manifest.expected.items() if n} == Counter(row[1] for row in SEGMENTS)


@pytest.mark.parametrize(
    "place",
    [
        V13,
        f"annotations/{V13}",
        f"../{V13}",
        f"../json/{V13}",
        "anet_v1.3.json",
        "ActivityNet1.3.json",
    ],
)
def test_the_json_is_found(place, tree):
    assert len(opened(tree(f"v_{FIRST}.mp4", json_at=place))) == 2


def test_whole_videos(tree):
    root = tree(f"v_{FIRST}.mp4", f"v_{SECOND}.mp4", f"{TESTED}.mp4", f"v_{BARE}.mp4", "talk.mp4")
    manifest = opened(root, test_list="anet13-video")
    assert rows(manifest) == [
        (f"v_{FIRST}", "Mooping floor", f"v_{FIRST}.mp4", FIRST, None, None),
    ]
    assert manifest.split == "anet13-video"
    assert set(manifest.missing) == {f"v_{THIRD}", f"v_{FOURTH}"}
    assert manifest.overlapping == ()
    assert set(manifest.extra) == {f"{TESTED}.mp4", f"v_{BARE}.mp4", f"v_{SECOND}.mp4", "talk.mp4"}
    said = " | ".join(manifest.notes)
    assert f"files of the subset testing, which has no labels: 1 ({TESTED}.mp4)" in said
    assert "files of videos that the rule leaves out: 2 (v_" in said
    assert f"left out, several labels: 1 (v_{SECOND})" in said
    assert f"left out, no annotation: 1 (v_{BARE})" in said
    assert "rows of activity_net.v1-3.min.json, SHA-256 " in said


def test_every_row_of_a_missing_video_is_missing_and_overlaps_are_at_hand(tree):
    manifest = opened(tree(f"v_{FIRST}.mp4"))
    assert [row[0] for row in rows(manifest)] == [f"v_{FIRST}_000", f"v_{FIRST}_001"]
    assert set(manifest.missing) == {i for i, _, video, _, _ in SEGMENTS if video != FIRST}
    assert manifest.overlapping == ()
    assert manifest.is_partial
    assert summary_lines(manifest)[0] == (
        "activitynet200, anet13-segments-v1: 2 of 6 videos, 1 of 200 classes"
    )


def test_the_manifest_is_saved_and_loaded(tree, tmp_path):
    manifest = opened(tree(f"v_{FIRST}.mp4", f"v_{SECOND}.mp4"))
    manifest.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == manifest


def test_a_manifest_called_like_the_json_is_not_taken_for_it(tree):
    root = tree(f"v_{FIRST}.mp4")
    first = opened(root)
    first.save(root / "activitynet13.json")
    assert opened(root).videos == first.videos


@pytest.mark.parametrize(
    "second", [f"v_{FIRST}.mkv", f"{FIRST}.mp4", f"more/v_{FIRST}.mp4", f"V_{FIRST.upper()}.mp4"]
)
def test_one_video_in_two_files_is_an_error_that_names_both(second, tree):
    with pytest.raises(DatasetError, match="more than one file for 1 of its videos") as caught:
        opened(tree(f"v_{FIRST}.mp4", second))
    assert f"v_{FIRST}.mp4" in str(caught.value)
    assert second in str(caught.value)


def test_ids_that_differ_in_case_only_are_not_guessed(tree):
    database = {
        "abcdefghijk": entry("training", ("Futsal", 0, 1)),
        "ABCDEFGHIJK": entry("training", ("Archery", 0, 1)),
    }
    root = tree("v_abcdefghijk.mp4", "v_Abcdefghijk.mp4", database=database)
    manifest = opened(root)
    assert [row[:3] for row in rows(manifest)] == [
        ("v_abcdefghijk_000", "Futsal", "v_abcdefghijk.mp4")
    ]
    assert manifest.extra == ("v_Abcdefghijk.mp4",)


def test_names_in_another_case_are_told(tree):
    said = " ".join(opened(tree(f"v_{SECOND.lower()}.mp4", f"v_{FIRST}.MP4")).notes)
    assert f"files whose names differ from their ids in case: 1 (v_{SECOND.lower()}.mp4)" in said


def test_unreadable_files_stay_rows(tree, tmp_path):
    root = tree(f"v_{FOURTH}.mp4")
    (root / f"v_{FIRST}.mp4").write_bytes(b"")
    (root / f"v_{SECOND}.mp4").symlink_to(tmp_path / "gone.mp4")
    manifest = opened(root)
    assert len(manifest) == 5
    reasons = dict(manifest.unreadable)
    assert reasons.pop(f"v_{SECOND}_000").startswith("a link to a file that cannot be reached")
    assert reasons.pop(f"v_{SECOND}_001").startswith("a link to a file that cannot be reached")
    assert reasons == {f"v_{FIRST}_00{n}": "zero length" for n in (0, 1)}


def test_names_that_are_not_utf8_are_extra(tree, tmp_path):
    root = tree(f"v_{FIRST}.mp4")
    try:
        (root / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
        (root / os.fsdecode(b"\xff")).mkdir()
        (root / os.fsdecode(b"\xff") / f"v_{SECOND}.mp4").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    manifest = opened(root)
    assert manifest.extra == (r"\xff" + f"/v_{SECOND}.mp4", r"caf\xe9.mp4")
    manifest.save(tmp_path / "m.json")


def test_links_that_go_round_and_folders_that_may_not_be_read(tree, monkeypatch):
    root = tree(f"train/v_{FIRST}.mp4", f"val/v_{SECOND}.mp4")
    (root / "train" / "again").symlink_to(root)
    with pytest.raises(DatasetError, match="the link 'train/again' leads back"):
        opened(root)
    (root / "train" / "again").unlink()
    really = os.scandir

    def scandir(path):
        if str(path).endswith("val"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DatasetError, match="val: permission denied; make the folder readable"):
        opened(root)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no video files; give the folder of the training and validation videos"),
        (["v1-2_val.tar.gz"], r"no video files; unpack its \.gz archives first"),
        (["talk.mp4"], "not one of 1 video files is called v_ID or ID by an id of activity_net"),
        (["v_zzzzzzzzzzz.mp4"], "not one of 1 video files"),
        (
            ["a/v_Archery_g01_c01.avi", "b/v_Archery_g01_c02.avi"],
            "this looks like ucf101: 2 of 2 files are its videos; ask for ucf101",
        ),
        (
            ["aaaaaaaaaaa_000010_000020.mp4"],
            "looks like kinetics400, kinetics600 or kinetics700: 1 of 1 files are named ID_0",
        ),
        (["a/abbey/sun_aaaaaaaaaaaaaaaa.jpg"], "this looks like sun397"),
    ],
)
def test_folders_that_hold_something_else(files, message, tree):
    with pytest.raises(DatasetError, match=message) as caught:
        opened(tree(*files))
    assert "\n" not in str(caught.value)


def test_without_a_json(plant, tmp_path):
    root = plant(f"v_{FIRST}.mp4", f"v_{SECOND}.mp4")
    with pytest.raises(DatasetError, match=rf"no {V13} there or in the folder above; put it"):
        opened(root)
    with pytest.raises(DatasetError, match=rf"no {V12} there .*ActivityNet 1\.2"):
        opened(root, "activitynet100")
    with pytest.raises(DatasetError, match="No such file or directory"):
        opened(root, annotations=tmp_path / "absent.json")
    plant(V12, content=b"{}")
    with pytest.raises(DatasetError, match=rf"ask for activitynet100, whose {V12} is there"):
        opened(root)
    ucf = plant("Archery/v_Archery_g01_c01.avi", root=tmp_path / "ucf")
    with pytest.raises(DatasetError, match=r"this looks like ucf101.*; ask for ucf101"):
        opened(ucf, test_list="anet13-video")
    with pytest.raises(DatasetError, match="no such file or directory; check the path"):
        opened(tmp_path / "absent")


def test_two_jsons_that_differ(tree, plant):
    root = tree(f"v_{FIRST}.mp4")
    plant("activity_net.v1-3.json", content=content(SMALL).encode())
    assert len(opened(root)) == 2
    plant("activity_net.v1-3.json", content=content(SMALL).encode() + b"\n")
    with pytest.raises(DatasetError, match=r"files that differ: activity_net.v1-3.json, activity_"):
        opened(root)
    assert len(opened(root, annotations=root / V13)) == 2


def test_rules_of_the_other_release_and_others(tree):
    root = tree(f"v_{FIRST}.mp4")
    for name in ("anet12-video", "testlist01", root / "list.txt"):
        with pytest.raises(DatasetError, match="neither of its two video rules"):
            opened(root, test_list=name)
    assert opened(root, test_list="Segments").split == "anet13-segments-v1"


def test_class_folders_without_a_json(plant):
    root = plant("Mooping_floor/a.mp4", "High jump/b.mp4")
    manifest = opened(root)
    assert (manifest.split, manifest.expected) == ("all", None)
    assert [video.label for video in manifest.videos] == ["High jump", "Mooping floor"]
    with pytest.raises(DatasetError, match="no activity_net"):
        opened(root, test_list="anet13-video")


def test_a_list_of_ones_own(plant):
    root = plant("a.mp4")
    plant("mine.csv", content=b"path,label,start,end\na.mp4,mooping floor,0,1\n")
    manifest = opened(root, annotations=root / "mine.csv")
    assert (manifest.split, manifest.videos[0].label) == ("custom-mine", "Mooping floor")


def test_full_names_against_a_plain_count(plant, tmp_path):
    classes = load_class_set("activitynet200").names
    database = full_database(classes)
    labelled = [video for video, facts in database.items() if facts["annotations"]]
    gone = set(labelled[::17])
    root = plant(
        *(f"v1-3/train_val/v_{video}.mp4" for video in labelled if video not in gone),
        *(f"v1-3/test/v_{video}.mkv" for video in database if video not in labelled),
    )
    plant(V13, content=content(database).encode())
    manifest = opened(root)
    want = {
        f"v_{video}_{place:03d}": (segment["label"], *segment["segment"])
        for video, facts in database.items()
        for place, segment in enumerate(facts["annotations"])
    }
    at_hand = {v.id: (v.label, v.start, v.end) for v in manifest.videos}
    assert at_hand == {i: row for i, row in want.items() if i[2:-4] not in gone}
    assert set(manifest.missing) == {i for i in want if i[2:-4] in gone}
    assert manifest.expected == Counter(label for label, _, _ in want.values())
    assert len(manifest.extra) == len(database) - len(labelled)
    assert len(set(manifest.expected)) == 200
    assert min(manifest.expected.values()) >= 6
    copy = plant(
        *(f"{video}.webm" for video in labelled if video not in gone), root=tmp_path / "copy"
    )
    again = opened(copy, annotations=root / V13)
    assert again.digest == manifest.digest


def test_the_hundred_classes_of_release_1_2(plant):
    whole = load_class_set("activitynet200")
    names = np.random.default_rng(1).permutation(whole.names)[:100].tolist()
    database = full_database(names, videos=2)
    labelled = [video for video, facts in database.items() if facts["annotations"]]
    root = plant(*(f"v_{video}.mp4" for video in labelled))
    plant(V12, content=content(database, "1.2").encode())
    manifest = opened(root, "activitynet100")
    assert (manifest.dataset, manifest.split) == ("activitynet100", "anet12-segments-v1")
    assert manifest.classes.names == tuple(
        sorted(names, key=load_class_set("activitynet200").index)
    )
    whole = load_class_set("activitynet200")
    assert manifest.classes.words == whole.select(manifest.classes.names).words
    assert manifest.missing == ()
    assert opened(root, "activitynet100", test_list="anet12-video").split == "anet12-video"
    with pytest.raises(DatasetError, match=r"version 'VERSION 1.2'; .* or ask for activitynet100"):
        opened(root, annotations=root / V12)
    fewer = {video: facts for video, facts in database.items() if video in labelled[:9]}
    plant(V12, content=content(fewer, "1.2").encode())
    with pytest.raises(DatasetError, match="labels of 5 classes, not of 100"):
        opened(root, "activitynet100")


@pytest.mark.parametrize(
    "spelling", ["activitynet-1.2", "ActivityNet100", "anet12", "ActivityNet v1.2", "anet_1.2"]
)
def test_spellings_of_release_1_2(spelling):
    assert dataset_name(spelling) == "activitynet100"
    assert "activitynet100" in known_datasets()


def test_labels_that_are_no_class(tree):
    root = tree(f"v_{FIRST}.mp4", database={FIRST: entry("training", ("Moping floor", 0, 1))})
    with pytest.raises(DatasetError, match=r"label 'Moping floor' of video .*'Mooping floor'"):
        opened(root)


def test_features_and_files_of_the_same_videos_have_one_digest(tree, tmp_path):
    manifest = opened(tree(f"v_{FIRST}.mp4", f"v_{SECOND}.mp4"))
    classes = load_class_set("activitynet200")
    np.savez(
        tmp_path / "f.npz",
        video_ids=np.array([video.id for video in manifest.videos]),
        video_vectors=np.eye(4, dtype=np.float32),
        classes=np.array(classes.names),
        class_vectors=np.ones((200, 4), np.float32),
    )
    matched = match_features(
        read_features(tmp_path / "f.npz"), "activitynet200", annotations=manifest.root / V13
    )
    assert matched.manifest.digest == manifest.digest
    assert matched.manifest.missing == manifest.missing


def test_real_videos_are_read_by_segment(tree, write_video):
    from zsl_bench.video import ClipSpec, clip_policy, load_clips

    root = tree(json_at="../" + V13)
    for video, suffix in ((FIRST, "mp4"), (THIRD, "mkv")):
        write_video(root / "val" / f"v_{video}.{suffix}", frames=20)
    manifest = opened(root)
    assert len(manifest) == 3
    spec, policy = ClipSpec(frames=16, size=32, short_side=36), clip_policy("first-16")
    brightness = {}
    for video in manifest.videos:
        path = manifest.resolve(video)
        clips = load_clips(path, policy, spec, start=video.start, end=video.end)
        brightness[video.id] = float(clips.frames[:, 0].mean())
    assert brightness[f"v_{FIRST}_000"] < brightness[f"v_{FIRST}_001"]


def test_the_json_as_it_is_published(tmp_path):
    path = tmp_path / V13
    database = full_database(load_class_set("activitynet200").names, videos=1)
    path.write_text(content(database))
    annotations = read_annotations(path)
    assert len(annotations.videos) == len(annotations.testing) == 200
    assert {a.label for listed in annotations.videos.values() for a in listed} == set(
        load_class_set("activitynet200").names
    )
