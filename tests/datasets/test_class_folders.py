"""Data sets that are folders of class folders."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import known_datasets, open_dataset, summary
from zsl_bench.errors import DatasetError


def test_folders_name_the_classes(plant):
    root = plant("red ball/1.mp4", "red ball/2.MKV", "kite/1.mp4", "kite/windy/3.avi", "talk.mp4")
    manifest = open_dataset("toys", root)
    assert (manifest.dataset, manifest.split) == ("toys", "all")
    assert manifest.classes.names == ("kite", "red ball")
    assert manifest.counts() == {"kite": 2, "red ball": 2}
    assert [(video.id, video.group) for video in manifest.videos] == [
        ("kite/1.mp4", "kite/1"),
        ("kite/windy/3.avi", "kite/windy/3"),
        ("red ball/1.mp4", "red ball/1"),
        ("red ball/2.MKV", "red ball/2"),
    ]
    assert manifest.extra == ("talk.mp4",)
    assert manifest.expected is None
    assert not manifest.is_partial


def test_an_empty_folder_is_a_class_without_videos(plant):
    root = plant(
        "kite/1.mp4", "ball/.DS_Store", "docs/read.me", "lists/deep/x.txt", "cut/1.mp4.part"
    )
    (root / "hoop" / "windy").mkdir(parents=True)
    manifest = open_dataset("toys", root)
    assert manifest.counts() == {"ball": 0, "hoop": 0, "kite": 1}
    assert manifest.is_partial
    assert not summary(manifest)["complete"]
    assert "left out, folders with files but no video: 3 (cut, docs, lists)" in manifest.notes
    plant("ball/1.mp4", "hoop/windy/1.mp4")
    assert not open_dataset("toys", root).is_partial


def test_an_empty_folder_composes_like_any_other(plant):
    root = plant("kite/1.mp4", unicodedata.normalize("NFC", "fête") + "/1.mp4")
    (root / unicodedata.normalize("NFD", "fête")).mkdir(exist_ok=True)
    assert open_dataset("toys", root).counts() == {"fête": 1, "kite": 1}


def test_a_folder_that_a_system_made_is_no_class(plant):
    root = plant("kite/1.mp4", "__MACOSX/kite/._1.mp4", "kite/@eaDir/1.mp4/thumb.mp4")
    (root / "lost+found").mkdir()
    manifest = open_dataset("toys", root)
    assert manifest.counts() == {"kite": 1}
    assert manifest.notes == ()


def test_empty_folders_change_nothing_for_a_bundled_class_set(plant):
    root = plant("abseiling/1.mp4", "annotations/train.csv")
    (root / "arm wrestling").mkdir()
    (root / "spare").mkdir()
    manifest = open_dataset("kinetics400", root)
    assert manifest.classes == load_class_set("kinetics400")
    assert "left out, folders with files but no video: 1 (annotations)" in manifest.notes


def test_a_bundled_class_set_keeps_all_its_classes(plant):
    root = plant("arm_wrestling/abcdefghijk_000001_000011.mp4", "Abseiling/x.mp4")
    manifest = open_dataset("kinetics400", root)
    assert manifest.classes == load_class_set("kinetics400")
    assert [(video.id, video.group) for video in manifest.videos] == [
        ("abseiling/x.mp4", "abseiling/x"),
        ("arm wrestling/abcdefghijk_000001_000011.mp4", "abcdefghijk"),
    ]
    assert manifest.is_partial
    facts = summary(manifest)
    assert (facts["classes"], facts["num_classes"]) == (2, 400)
    assert facts["expected_videos"] is None
    assert facts["per_class"][0] == {"name": "abseiling", "videos": 1, "expected": None}


def test_spellings_of_folders_do_not_change_the_digest(plant, tmp_path):
    first = open_dataset("kinetics600", plant("arm wrestling/x.mp4"))
    second = open_dataset("Kinetics 600", plant("arm_wrestling/x.mp4", root=tmp_path / "other"))
    assert first.digest == second.digest


def test_unknown_folders_get_near_matches(plant):
    root = plant("arm wrestlin/x.mp4", "abseiling/y.mp4", "archery/z.mp4")
    message = r"1 of 3 folders are none of its classes: arm wrestlin; did you mean 'arm wrestling'"
    with pytest.raises(DatasetError, match=message):
        open_dataset("kinetics400", root)


def test_another_data_set_is_recognised(plant):
    root = plant("brush_hair/1.avi", "cartwheel/2.avi", "catch/3.avi")
    with pytest.raises(DatasetError, match=r"looks like hmdb51.*; ask for hmdb51"):
        open_dataset("kinetics700", root)


def test_a_known_data_set_under_another_name_is_noted(plant):
    root = plant("Archery/v_Archery_g01_c01.avi", "Diving/v_Diving_g01_c01.avi")
    (note,) = open_dataset("mine", root).notes
    assert note.startswith("this looks like ucf101: 2 of 2 files are its videos")


@pytest.mark.parametrize("part", ["train", "Val", "videos"])
def test_a_folder_of_parts_is_not_a_folder_of_classes(part, plant):
    root = plant(f"{part}/kite/1.mp4")
    with pytest.raises(DatasetError, match=f"which are no classes; give .* such as .*{part}"):
        open_dataset("toys", root)


@pytest.mark.parametrize("second", ["kite/1.avi", "kite/1.MP4"])
def test_one_video_twice(second, plant):
    root = plant("kite/1.mp4", second, "ball/1.avi")
    with pytest.raises(DatasetError, match="one video as 'kite/1") as caught:
        open_dataset("toys", root)
    assert repr(second) in str(caught.value)


def test_two_folders_of_one_class_share_their_ids(plant):
    root = plant("arm wrestling/1.mp4", "arm_wrestling/2.mp4")
    assert open_dataset("kinetics400", root).counts()["arm wrestling"] == 2
    plant("arm_wrestling/1.mp4")
    with pytest.raises(DatasetError, match=r"'arm wrestling/1\.mp4' and 'arm_wrestling/1\.mp4'"):
        open_dataset("kinetics400", root)


def test_composed_and_decomposed_names_are_one(plant, tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "fête/é.mp4") for form in ("NFC", "NFD"))
    first = open_dataset("toys", plant(composed))
    second = open_dataset("toys", plant(decomposed, root=tmp_path / "mac"))
    assert first.digest == second.digest
    assert second.resolve(second.videos[0]).is_file()


def test_bad_folders(plant, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "kite").mkdir(parents=True)
    plant("kite.zip", root=tmp_path / "packed")
    for path, message in [
        (tmp_path / "empty", "no video files; give a folder that has one folder of videos"),
        (tmp_path / "hollow", "no video files"),
        (plant("1.mp4", "2.mp4"), r"video files \(2\), but no class folders"),
        (tmp_path / "packed", "unpack its .zip archives first"),
        (tmp_path / "absent", "no such file or directory"),
    ]:
        with pytest.raises(DatasetError, match=message):
            open_dataset("toys", path)


def test_no_lists_are_known(plant):
    with pytest.raises(DatasetError, match="no official lists are known"):
        open_dataset("toys", plant("kite/1.mp4"), test_list="testlist01")


@pytest.mark.parametrize("name", ["", "a/b", "..", "toys*", "tøys", "-x"])
def test_names_that_cannot_be_part_of_a_file_name(name, plant):
    with pytest.raises(DatasetError, match="cannot be part of a file name"):
        open_dataset(name, plant("kite/1.mp4"))


def test_links_that_go_round_are_named(plant):
    root = plant("kite/1.mp4")
    (root / "kite" / "up").symlink_to("..")
    with pytest.raises(DatasetError, match="the link 'kite/up' leads back"):
        open_dataset("toys", root)


def test_names_that_are_not_utf8_are_named(plant):
    root = plant("kite/1.mp4")
    try:
        (root / "kite" / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(
        DatasetError, match=r"names that are not UTF-8 \(1\), such as kite/caf\\xe9"
    ):
        open_dataset("toys", root)


def test_unreadable_files_stay_rows(plant):
    plant("kite/1.mp4", content=b"")
    manifest = open_dataset("toys", plant("ball/1.mp4"))
    assert manifest.unreadable == (("kite/1.mp4", "zero length"),)
    assert len(manifest) == 2


def test_known_names():
    assert {"ucf101", "hmdb51", "kinetics700", "activitynet200"} <= set(known_datasets())


names = st.text("abé (),'+&!", min_size=1, max_size=8).filter(lambda t: t.strip(" .") == t)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.dictionaries(names, st.sets(names, min_size=1, max_size=3), min_size=1, max_size=3))
def test_every_file_is_one_row_whatever_its_name(tmp_path_factory, plant, tree):
    root = tmp_path_factory.mktemp("tree")
    tree = {f"c{i} {name}": files for i, (name, files) in enumerate(tree.items())}
    paths = {f"{label}/{file}.mp4" for label, files in tree.items() for file in files}
    manifest = open_dataset("toys", plant(*paths, root=root))
    assert {video.path for video in manifest.videos} == paths
    assert {video.label for video in manifest.videos} == set(tree)
    assert all(manifest.resolve(video).is_file() for video in manifest.videos)


@pytest.mark.datasets
def test_real_kinetics_clips(shared_data):
    root = shared_data / "videos" / "kinetics"
    manifest = open_dataset("kinetics600", root)
    files = [p for p in root.rglob("*") if p.is_file()]
    assert len(manifest) == len(files)
    assert "C4lCVBZ3ux0" in {video.group for video in manifest.videos}
