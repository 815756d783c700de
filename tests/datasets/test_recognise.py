"""What a folder is said to look like."""

from __future__ import annotations

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import open_dataset
from zsl_bench.datasets.folder import open_folder
from zsl_bench.datasets.recognise import looks_like
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.datasets.scan import IMAGES, VIDEOS, scan_folder
from zsl_bench.errors import DatasetError

IDS = ("-aaaaaaaaa_", "bbBBbbBBbb1", "cc-cc_ccccc")
LOOKS = {
    "ucf101 by its videos": (["a/V_ARCHERY_G01_C01.AVI", "v_Diving_g09_c02.mp4"], "ucf101"),
    "ucf101 by its naming": (["v_Juggling_g01_c01.avi", "v_Kiting_g02_c01.avi"], "ucf101"),
    "hmdb51 by its naming": (["Some_Film_dance_f_cm_np2_le_bad_3.avi"], "hmdb51"),
    "activitynet": ([f"train/v_{i}.mp4" for i in IDS], "activitynet200 or activitynet100"),
    "kinetics, flat": (
        [f"val/{i}_000010_000020.mp4" for i in IDS],
        "kinetics400, kinetics600 or kinetics700",
    ),
    "kinetics in class folders": (
        [f"{c}/{i}_000010_000020.mp4" for c in ("abseiling", "arm_wrestling") for i in IDS],
        "kinetics400",
    ),
    "most of them": ([*(f"v_{i}.mp4" for i in IDS), "a.mp4"], "activitynet200 or activitynet100"),
    "half of them": ([f"v_{IDS[0]}.mp4", "a.mp4"], None),
    "names of one's own": (["a.mp4", "kite/b.mp4"], None),
    "YouTube ids alone": ([f"{i}.mp4" for i in IDS], None),
    "sun397 in place of videos": (["a/abbey/sun_aaaaaaaaaaaaaaaa.jpg"], "sun397"),
    "frames of ucf101 in place of videos": (["Archery/1.jpg", "Diving/2.jpg"], None),
    "nothing": ([], None),
    "no videos": (["readme.txt"], None),
}


@pytest.mark.parametrize("case", LOOKS)
def test_what_folders_look_like(case, plant, tmp_path):
    (tmp_path / "videos").mkdir()
    files, dataset = LOOKS[case]
    likeness = looks_like(scan_folder(plant(*files)))
    assert (likeness and likeness.dataset) == dataset
    if likeness:
        assert str(likeness).startswith(f"this looks like {dataset}: ")


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_official_trees(dataset, full_trees):
    assert looks_like(scan_folder(full_trees[dataset])).dataset == dataset


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51", "activitynet200", "kinetics700", "sun397"])
def test_every_class_folder_of_a_data_set(dataset, plant):
    kind = IMAGES if dataset == "sun397" else VIDEOS
    suffix = "jpg" if dataset == "sun397" else "mp4"
    names = [name.removeprefix("/") for name in load_class_set(dataset).names]
    root = plant(*(f"{name.replace('/', '_')}/1.{suffix}" for name in names))
    assert looks_like(scan_folder(root, kind=kind)).dataset == dataset


def test_videos_in_place_of_images(plant):
    ucf = plant("Archery/v_Archery_g01_c01.avi")
    assert looks_like(scan_folder(ucf, kind=IMAGES)).dataset == "ucf101"


def test_naming_can_be_left_out(plant):
    scan = scan_folder(plant(*(f"train/v_{i}.mp4" for i in IDS)))
    assert looks_like(scan, by_naming=False) is None


def test_a_folder_without_class_folders_is_recognised(plant):
    root = plant(*(f"{i}_000010_000020.mp4" for i in IDS))
    with pytest.raises(DatasetError, match="this looks like kinetics400, kinetics600 or kinetics7"):
        open_folder(DatasetRequest(dataset="toys", asked="toys", root=root))
    with pytest.raises(
        DatasetError, match=r"not one of 3 video files .*; this looks like kinetics"
    ):
        open_dataset("ucf101", root)


def test_ones_own_class_folders_of_clips_are_not_taken_for_kinetics(plant):
    root = plant(*(f"kite/{i}_000010_000020.mp4" for i in IDS))
    assert open_folder(DatasetRequest(dataset="toys", asked="toys", root=root)).notes == ()


@pytest.mark.parametrize("dataset", ["kinetics700", "activitynet200"])
def test_videos_of_another_data_set_in_folders_that_are_classes_are_refused(dataset, plant):
    root = plant("Archery/v_Archery_g01_c01.avi", "archery/v_Archery_g01_c02.avi")
    with pytest.raises(DatasetError, match=r"this looks like ucf101: 2 of 2 .*; ask for ucf101"):
        open_folder(DatasetRequest(dataset=dataset, asked=dataset, root=root))
