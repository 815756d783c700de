"""Test lists as files: official ones, a user's own, and what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zsl_bench.datasets import official_list, open_dataset
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

ARCHERY = "v_Archery_g01_c01"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ucf_lines(name: str) -> list[str]:
    official = official_list("ucf101")
    return sorted(f"{official.videos[i].label}/{i}.avi" for i in official.splits[name])


@pytest.fixture
def hmdb_files(tmp_path: Path) -> Path:
    """The 153 split files as their authors lay them out, with their trailing blanks."""
    folder = tmp_path / "splits"
    folder.mkdir()
    digits = {"unused": 0, "train": 1, "test": 2}
    lines: dict[Path, list[str]] = {}
    for video in official_list("hmdb51").videos.values():
        for split in (1, 2, 3):
            file = folder / f"{video.label}_test_split{split}.txt"
            lines.setdefault(file, []).append(f"{video.id}.avi {digits[video.uses[split - 1]]} ")
    for file, rows in lines.items():
        write(file, "\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\n"])
@pytest.mark.parametrize("number", ["", " 1"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_ucf101_files_in_every_dress(end, number, start, full_trees, tmp_path):
    lines = [line + number for line in ucf_lines("testlist01")]
    path = write(tmp_path / "mine.txt", start + end.join(lines))
    manifest = open_dataset("ucf101", full_trees["ucf101"], test_list=path)
    assert manifest.split == "testlist01"
    assert len(manifest) == 3783
    by_name = open_dataset("ucf101", full_trees["ucf101"], test_list="testlist01")
    assert manifest == by_name


def test_paths_of_other_systems_and_bare_names_fit(full_trees, tmp_path):
    text = "Archery\\v_Archery_g01_c01.avi\nv_Diving_g01_c01.mp4 23\narchery/v_archery_g02_c01.AVI"
    path = write(tmp_path / "few.txt", text)
    manifest = open_dataset("ucf101", full_trees["ucf101"], test_list=path)
    assert manifest.split == "custom-few"
    assert [video.id for video in manifest.videos] == [
        "v_Archery_g01_c01",
        "v_Archery_g02_c01",
        "v_Diving_g01_c01",
    ]
    assert not manifest.is_partial
    assert sum(manifest.expected.values()) == 3


def test_an_official_name_is_not_enough(full_trees, tmp_path):
    path = write(tmp_path / "testlist01.txt", "\n".join(ucf_lines("testlist01")[:-1]))
    manifest = open_dataset("ucf101", full_trees["ucf101"], test_list=path)
    assert manifest.split == "custom-testlist01"
    assert len(manifest) == 3782


def test_what_a_list_names_and_the_folder_lacks_is_missing(plant):
    root = plant(f"{ARCHERY}.avi", "v_Archery_g08_c01.avi")
    manifest = open_dataset("ucf101", root, test_list="testlist01")
    assert [video.id for video in manifest.videos] == [ARCHERY]
    assert len(manifest.missing) == 3782
    assert manifest.extra == ()


def test_a_list_without_any_video_of_the_folder(plant):
    root = plant("v_Archery_g08_c01.avi")
    with pytest.raises(DatasetError, match="no video of that list among the 1 of the data set"):
        open_dataset("ucf101", root, test_list="testlist01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Archery/v_Archery_g01_c99.avi", "names no video of UCF101"),
        ("Diving/v_Archery_g01_c01.avi", "names no video of UCF101"),
        ("Flying/v_Archery_g01_c01.avi", "names no video of UCF101"),
        ("Archery/v_Archery_g01_c01.jpg", "names no video of UCF101"),
        ("Archery/v_Archery_g01_c01.avi one", "names no video of UCF101"),
        ("Archery/v_Archery_g01_c01.avi 1 2", "names no video of UCF101"),
        ("v_Archery_g01_c01.avi\nArchery/v_Archery_g01_c01.avi", "comes twice"),
        ("", "no lines"),
        ("\r\n \n", "no lines"),
        (b"RIFF\xff\xfe", "no text"),
    ],
)
def test_lines_that_do_not_fit(text, message, plant, tmp_path):
    path = write(tmp_path / "list.txt", text)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset("ucf101", plant(f"{ARCHERY}.avi"), test_list=path)
    assert "list.txt" in str(caught.value)


def test_neither_a_name_nor_a_file(plant, tmp_path):
    root = plant(f"{ARCHERY}.avi")
    with pytest.raises(DatasetError, match="did you mean 'testlist01'"):
        open_dataset("ucf101", root, test_list="testlist1")
    with pytest.raises(DatasetError, match="neither a list of that name nor a file"):
        open_dataset("ucf101", root, test_list=tmp_path / "absent.txt")
    with pytest.raises(DatasetError, match="a folder; give one file of it"):
        open_dataset("ucf101", root, test_list=tmp_path)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_one_hmdb51_file_stands_for_its_split(split, hmdb_files, full_trees):
    path = hmdb_files / f"wave_test_split{split}.txt"
    manifest = open_dataset("hmdb51", full_trees["hmdb51"], test_list=path)
    by_name = open_dataset("hmdb51", full_trees["hmdb51"], test_list=f"split{split}")
    assert manifest == by_name
    assert (manifest.split, len(manifest)) == (f"split{split}-test", 1530)


def test_a_folder_of_one_split_is_clear(hmdb_files, full_trees):
    with pytest.raises(DatasetError, match=r"files of splits 1, 2, 3; give one file of the split"):
        open_dataset("hmdb51", full_trees["hmdb51"], test_list=hmdb_files)
    for file in [*hmdb_files.glob("*split1.txt"), *hmdb_files.glob("*split3.txt")]:
        file.unlink()
    write(hmdb_files / "class_list.txt", "brush_hair\n")
    manifest = open_dataset("hmdb51", full_trees["hmdb51"], test_list=hmdb_files)
    assert manifest.split == "split2-test"


def test_an_hmdb51_list_of_ones_own(hmdb_files, full_trees):
    path = hmdb_files / "wave_test_split1.txt"
    write(path, path.read_text().replace(" 2 ", " 0 "))
    manifest = open_dataset("hmdb51", full_trees["hmdb51"], test_list=path)
    assert manifest.split == "custom-wave_test_split1"
    assert len(manifest) == 1500
    assert manifest.expected["wave"] == 0
    assert not manifest.is_partial


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nobody_wave_f_nm_np1_fr_med_26.avi 1", "names no video of HMDB51"),
        ("TrumanShow_wave_f_nm_np1_fr_med_26.txt 1", "names no video of HMDB51"),
        ("April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1", "is a video of brush_hair"),
        ("TrumanShow_wave_f_nm_np1_fr_med_26.avi 1", "comes twice"),
        ("TrumanShow_wave_f_nm_np1_fr_med_26.avi 3", "does not fit"),
        ("TrumanShow_wave_f_nm_np1_fr_med_26.avi", "does not fit"),
    ],
)
def test_hmdb51_lines_that_do_not_fit(line, message, hmdb_files, plant):
    path = hmdb_files / "wave_test_split1.txt"
    write(path, path.read_text() + line)
    root = plant("April_09_brush_hair_u_nm_np1_ba_goo_0.avi")
    with pytest.raises(DatasetError, match=message):
        open_dataset("hmdb51", root, test_list=path)


def test_hmdb51_files_that_are_not_all_there(hmdb_files, plant, tmp_path):
    root = plant("April_09_brush_hair_u_nm_np1_ba_goo_0.avi")
    (hmdb_files / "clap_test_split1.txt").rename(hmdb_files / "flap_test_split1.txt")
    with pytest.raises(DatasetError, match="no file of clap; put the 51 official files together"):
        open_dataset("hmdb51", root, test_list=hmdb_files / "wave_test_split1.txt")
    write(hmdb_files / "clap_test_split1.txt", "x.avi 1")
    with pytest.raises(DatasetError, match=r"a file of an unknown class, flap_test_split1\.txt"):
        open_dataset("hmdb51", root, test_list=hmdb_files / "wave_test_split1.txt")
    with pytest.raises(DatasetError, match=r"not named CLASS_test_splitN\.txt"):
        open_dataset("hmdb51", root, test_list=write(tmp_path / "list.txt", "x.avi 1"))
    with pytest.raises(DatasetError, match=r"no CLASS_test_splitN\.txt"):
        open_dataset("hmdb51", root, test_list=root)


@pytest.mark.datasets
def test_the_authors_files(shared_data, full_trees):
    folder = shared_data / "splits"
    for name in ("testlist01", "testlist02", "testlist03", "trainlist01", "trainlist03"):
        path = folder / "ucfTrainTestlist" / f"{name}.txt"
        assert open_dataset("ucf101", full_trees["ucf101"], test_list=path).split == name
    for split in (1, 2, 3):
        path = folder / "hmdb51_splits" / f"run_test_split{split}.txt"
        manifest = open_dataset("hmdb51", full_trees["hmdb51"], test_list=path)
        assert manifest.split == f"split{split}-test"
