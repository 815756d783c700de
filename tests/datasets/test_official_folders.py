"""Reading UCF101 and HMDB51 folders: layouts, copies, lists, and what is wrong with them."""

from __future__ import annotations

import os
import shutil

import pytest

from zsl_bench.datasets import official_list, open_dataset, summary, summary_lines
from zsl_bench.errors import DatasetError

ARCHERY = "v_Archery_g01_c01"
DIVING = "v_Diving_g09_c02"
HMDB = "April_09_brush_hair_u_nm_np1_ba_goo_0"


@pytest.mark.parametrize(
    ("dataset", "videos", "classes"), [("ucf101", 13320, 101), ("hmdb51", 6766, 51)]
)
def test_full_size(dataset, videos, classes, full_trees):
    official_list(dataset)
    manifest = open_dataset(dataset, full_trees[dataset])
    assert len(manifest) == videos
    assert not manifest.is_partial
    assert manifest.counts() == manifest.expected
    assert not manifest.missing + manifest.extra + manifest.unreadable + manifest.notes
    line = f"{dataset}, all: {videos:,} of {videos:,} videos, {classes} of {classes} classes"
    assert summary_lines(manifest) == (line,)
    for video in manifest.videos:
        assert video.path == f"{video.label}/{video.id}.avi"


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_every_list_at_full_size(dataset, full_trees):
    digests = set()
    for name, ids in official_list(dataset).splits.items():
        manifest = open_dataset(dataset, full_trees[dataset], test_list=name)
        assert manifest.split == name
        assert {video.id for video in manifest.videos} == ids
        assert not manifest.is_partial
        digests.add(manifest.digest)
    assert len(digests) == len(official_list(dataset).splits)


LAYOUTS = {
    "class folders": (f"Archery/{ARCHERY}.avi", f"Diving/{DIVING}.avi"),
    "flat": (f"{ARCHERY}.avi", f"{DIVING}.avi"),
    "one below": (f"UCF-101/Archery/{ARCHERY}.avi", f"UCF-101/Diving/{DIVING}.avi"),
    "flat, one below": (f"videos/{ARCHERY}.avi", f"videos/{DIVING}.avi"),
    "parts": (f"train/Archery/{ARCHERY}.avi", f"test/Diving/{DIVING}.avi"),
    "other containers": (f"Archery/{ARCHERY}.mp4", f"Diving/{DIVING}.WEBM"),
    "other case": (f"archery/{ARCHERY.upper()}.AVI", f"DIVING/{DIVING.lower()}.mkv"),
    "own folders": (f"stuff/{ARCHERY}.avi", f"Archery range/{DIVING}.avi"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(layout, plant, tmp_path):
    manifest = open_dataset("ucf101", plant(*LAYOUTS[layout]))
    plain = open_dataset("ucf101", plant(*LAYOUTS["class folders"], root=tmp_path / "plain"))
    assert manifest.digest == plain.digest
    assert [video.label for video in manifest.videos] == ["Archery", "Diving"]
    assert [video.group for video in manifest.videos] == ["Archery_g01", "Diving_g09"]
    assert [manifest.resolve(video).is_file() for video in manifest.videos] == [True, True]
    assert len(manifest.missing) == 13318
    assert manifest.is_partial


def test_names_of_data_sets_in_other_spellings(plant):
    root = plant(f"{ARCHERY}.avi")
    assert open_dataset("UCF-101", root).dataset == "ucf101"
    assert open_dataset("Ucf 101", root).dataset == "ucf101"


def test_handstand_pushups_in_all_its_spellings(plant):
    root = plant(
        "HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "HandStandPushups/v_HandstandPushups_g01_c02.avi",
    )
    manifest = open_dataset("ucf101", root)
    assert manifest.counts()["HandstandPushups"] == 2
    assert [v.id for v in manifest.videos] == [f"v_HandStandPushups_g01_c0{n}" for n in (1, 2)]


def test_files_that_are_not_official_stay_out_of_the_rows(plant):
    root = plant(f"brush_hair/{HMDB}.avi", "catch/_renamed_catch_1.avi", "talk.mp4")
    manifest = open_dataset("hmdb51", root)
    assert [video.id for video in manifest.videos] == [HMDB]
    assert manifest.extra == ("catch/_renamed_catch_1.avi", "talk.mp4")
    assert "2 extra, not evaluated" in " ".join(summary_lines(manifest))


def test_a_name_that_lost_its_punctuation_is_pointed_out(plant):
    root = plant(
        f"brush_hair/{HMDB}.avi",
        "golf/Golf_Tips_Hit_The_Driver_300_Yards_golf_f_nm_np1_fr_med_0.avi",
    )
    (note,) = open_dataset("hmdb51", root).notes
    assert note.startswith("extra files that look like missing videos renamed: 1 (")
    assert "Golf_Tips_-_Hit_The_Driver_300+_Yards!!!_golf_f_nm_np1_fr_med_0" in note


def test_hidden_and_other_files_are_passed_over(plant):
    root = plant(
        f"Archery/{ARCHERY}.avi",
        f"Archery/._{ARCHERY}.avi",
        "Archery/.DS_Store",
        f".cache/{DIVING}.avi",
        "Archery/readme.txt",
        "Archery/LICENSE",
        f"Diving/{DIVING}.avi.part",
    )
    manifest = open_dataset("ucf101", root)
    assert [video.id for video in manifest.videos] == [ARCHERY]
    assert manifest.extra == ()
    assert manifest.notes == (
        f"left out, unfinished downloads: 1 (Diving/{DIVING}.avi.part)",
        "left out, no videos: 2 (.txt 1, no extension 1)",
    )


def test_unreadable_files_stay_rows(plant, tmp_path, monkeypatch):
    root = plant(f"Archery/{ARCHERY}.avi", "Archery/v_Archery_g01_c05.avi")
    plant("Archery/v_Archery_g01_c02.avi", content=b"")
    (root / "Archery/v_Archery_g01_c03.avi").symlink_to(tmp_path / "gone.avi")
    os.mkfifo(root / "Archery/v_Archery_g01_c04.avi")
    loop = root / "Archery/v_Archery_g01_c06.avi"
    loop.symlink_to(loop)
    really = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "c05" not in str(path) and really(path, mode)
    )
    manifest = open_dataset("ucf101", root)
    assert len(manifest) == 6
    reasons = dict(manifest.unreadable)
    assert reasons.pop("v_Archery_g01_c03").startswith("a link to a file that cannot be reached")
    assert reasons.pop("v_Archery_g01_c06").startswith("a link to a file that cannot be reached")
    assert reasons == {
        "v_Archery_g01_c02": "zero length",
        "v_Archery_g01_c04": "not a regular file",
        "v_Archery_g01_c05": "no permission to read it",
    }
    assert not summary(manifest)["complete"]
    assert "5 unreadable: v_Archery_g01_c02 (zero length)" in " ".join(summary_lines(manifest))


def test_linked_files_and_folders_are_followed(plant, tmp_path):
    disk = plant(f"{ARCHERY}.avi", f"Diving/{DIVING}.avi", root=tmp_path / "disk")
    root = tmp_path / "links"
    (root / "Archery").mkdir(parents=True)
    (root / "Archery" / f"{ARCHERY}.avi").symlink_to(disk / f"{ARCHERY}.avi")
    (root / "Diving").symlink_to(disk / "Diving")
    manifest = open_dataset("ucf101", root)
    assert [video.path for video in manifest.videos] == [
        f"Archery/{ARCHERY}.avi",
        f"Diving/{DIVING}.avi",
    ]
    assert manifest.unreadable == ()


@pytest.mark.parametrize(
    "second", [f"Archery/{ARCHERY}.mp4", f"copy/{ARCHERY}.avi", f"{ARCHERY}.AVI"]
)
def test_one_video_twice_is_an_error_that_names_both(second, plant):
    root = plant(f"Archery/{ARCHERY}.avi", second)
    with pytest.raises(DatasetError, match="more than one file for 1 of its videos") as caught:
        open_dataset("ucf101", root)
    assert f"Archery/{ARCHERY}.avi" in str(caught.value)
    assert second in str(caught.value)


def test_a_video_in_the_folder_of_another_class_is_an_error(plant):
    root = plant(f"Archery/{ARCHERY}.avi", f"Archery/{DIVING}.avi")
    with pytest.raises(DatasetError, match=f"'Archery/{DIVING}.avi', which is a video of Diving"):
        open_dataset("ucf101", root)


@pytest.mark.parametrize(
    ("asked", "found", "message"),
    [
        ("ucf101", "hmdb51", "this looks like hmdb51: 6,766 of 6,766 files are its videos"),
        ("hmdb51", "ucf101", "this looks like ucf101: 13,320 of 13,320 files are its videos"),
        ("kinetics400", "ucf101", "this looks like ucf101"),
        ("ucf101", None, "give the folder that holds the class folders"),
    ],
)
def test_another_data_set_is_recognised(asked, found, message, full_trees, plant):
    root = full_trees[found] if found else plant("a/one.avi", "b/two.avi")
    with pytest.raises(DatasetError, match=message):
        open_dataset(asked, root)


def test_another_data_set_is_recognised_by_its_folders(plant):
    root = plant("brush_hair/1.avi", "cartwheel/2.avi", "catch/3.avi", "strange/4.avi")
    with pytest.raises(
        DatasetError, match="looks like hmdb51: 3 of 4 class folders are among its 51"
    ):
        open_dataset("ucf101", root)
    with pytest.raises(DatasetError, match="give the files their official names"):
        open_dataset("hmdb51", root)


def test_bad_folders(plant, tmp_path):
    root = plant(f"Archery/{ARCHERY}.avi", "UCF101.rar")
    (tmp_path / "empty").mkdir()
    plant("swing.rar", "wave.rar", root=tmp_path / "packed")
    for path, message in [
        (tmp_path / "absent", "no such file or directory; check the path"),
        (root / "Archery" / f"{ARCHERY}.avi", "a file, not a folder"),
        (root / "UCF101.rar", "an archive; unpack it"),
        (tmp_path / "empty", "no video files; give the folder"),
        (tmp_path / "packed", "no video files; unpack its .rar archives first"),
        (tmp_path / "a\0b", "check the path"),
    ]:
        with pytest.raises(DatasetError, match=message) as caught:
            open_dataset("ucf101", path)
        assert "\n" not in str(caught.value)


def test_links_that_go_round_are_named(plant):
    root = plant(f"Archery/{ARCHERY}.avi")
    (root / "Archery" / "again").symlink_to(root)
    with pytest.raises(DatasetError, match="the link 'Archery/again' leads back"):
        open_dataset("ucf101", root)


def test_a_folder_that_may_not_be_read_is_named(plant, monkeypatch):
    root = plant(f"Archery/{ARCHERY}.avi", f"Diving/{DIVING}.avi")
    really = os.scandir

    def scandir(path):
        if str(path).endswith("Diving"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DatasetError, match="Diving: permission denied; make the folder readable"):
        open_dataset("ucf101", root)


def test_names_that_are_not_utf8_are_extra_and_can_be_written(plant, tmp_path):
    root = plant(f"Archery/{ARCHERY}.avi")
    try:
        (root / os.fsdecode(b"caf\xe9.avi")).write_bytes(b"x")
        (root / os.fsdecode(b"\xff")).mkdir()
        (root / os.fsdecode(b"\xff") / f"{DIVING}.avi").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    manifest = open_dataset("ucf101", root)
    assert manifest.extra == (r"\xff" + f"/{DIVING}.avi", r"caf\xe9.avi")
    manifest.save(tmp_path / "m.json")


def test_deep_folders_are_not_searched(plant):
    root = plant(f"a/b/c/{ARCHERY}.avi", f"a/b/c/d/{DIVING}.avi")
    assert [video.id for video in open_dataset("ucf101", root).videos] == [ARCHERY]


@pytest.mark.datasets
@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_real_clips(dataset, shared_data):
    root = shared_data / "videos" / dataset
    manifest = open_dataset(dataset, root)
    files = {str(p.relative_to(root)) for p in root.rglob("*.avi")}
    assert {video.path for video in manifest.videos} == {p for p in files if "_renamed_" not in p}
    assert set(manifest.extra) == {p for p in files if "_renamed_" in p}
    assert all(video.path.startswith(f"{video.label}/") for video in manifest.videos)
    assert len(manifest) + len(manifest.missing) == {"ucf101": 13320, "hmdb51": 6766}[dataset]
    assert manifest.unreadable == ()


@pytest.mark.datasets
def test_a_copy_elsewhere_has_the_same_digest(shared_data, tmp_path):
    root = shared_data / "videos" / "hmdb51"
    (tmp_path / "flat").mkdir()
    for file in root.rglob("*.avi"):
        shutil.copyfile(file, tmp_path / "flat" / file.name)
    copy = open_dataset("hmdb51", tmp_path / "flat")
    assert copy.digest == open_dataset("hmdb51", root).digest
