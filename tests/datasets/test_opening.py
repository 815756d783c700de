"""A manifest file stands for its data set, whole or restricted to an official list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zsl_bench.datasets import official_list, open_dataset
from zsl_bench.errors import DatasetError


@pytest.mark.parametrize(
    ("dataset", "test_list"),
    [
        *(("ucf101", name) for name in ("testlist01", "split3", "trainlist02")),
        *(("hmdb51", name) for name in ("split2", "split1-train+test", "all")),
    ],
)
def test_a_manifest_restricted_to_a_list_is_the_manifest_of_that_list(
    dataset, test_list, full_trees, tmp_path
):
    whole = open_dataset(dataset, full_trees[dataset])
    gone = sorted(official_list(dataset).videos)[::7]
    at_hand = {video.id for video in whole.videos} - set(gone)
    partial = replace(
        whole,
        videos=tuple(video for video in whole.videos if video.id in at_hand),
        missing=tuple(gone),
    )
    partial.save(tmp_path / "m.json")
    listed = open_dataset(dataset, tmp_path / "m.json", test_list=test_list)
    direct = open_dataset(dataset, full_trees[dataset], test_list=test_list)
    assert (listed.split, listed.expected) == (direct.split, direct.expected)
    assert {v.id for v in listed.videos} == {v.id for v in direct.videos} & at_hand
    assert {*listed.missing} == {v.id for v in direct.videos} - at_hand


def test_a_whole_manifest_gives_the_digest_of_the_folder(full_trees, tmp_path):
    folder = open_dataset("ucf101", full_trees["ucf101"])
    folder.save(tmp_path / "m.json")
    assert open_dataset("UCF-101", tmp_path / "m.json") == folder
    lists = [
        open_dataset("ucf101", place, test_list="testlist02").digest
        for place in (full_trees["ucf101"], tmp_path / "m.json")
    ]
    assert lists[0] == lists[1]


def test_a_list_file_restricts_too(full_trees, tmp_path):
    open_dataset("ucf101", full_trees["ucf101"]).save(tmp_path / "m.json")
    (tmp_path / "mine.txt").write_text("Archery/v_Archery_g01_c01.avi\n")
    made = open_dataset("ucf101", tmp_path / "m.json", test_list=tmp_path / "mine.txt")
    assert (made.split, len(made)) == ("custom-mine", 1)


def test_what_a_manifest_cannot_give_is_told(plant, tmp_path):
    root = plant("Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g08_c01.avi")
    open_dataset("ucf101", root).save(tmp_path / "all.json")
    open_dataset("ucf101", root, test_list="testlist01").save(tmp_path / "one.json")
    with pytest.raises(DatasetError, match=r"a manifest of ucf101; ask for ucf101"):
        open_dataset("hmdb51", tmp_path / "all.json")
    with pytest.raises(DatasetError, match=r"its list 'testlist01'.*--split testlist02"):
        open_dataset("ucf101", tmp_path / "one.json", test_list="testlist02")
    assert len(open_dataset("ucf101", tmp_path / "one.json", test_list="testlist01")) == 1
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DatasetError, match="read a manifest"):
        open_dataset("ucf101", tmp_path / "other.json")
