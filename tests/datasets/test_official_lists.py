"""The bundled lists: known totals, and the authors' own files where they are at hand."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from pathlib import Path

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list
from zsl_bench.files import asset_path

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_video_lists.py"


@pytest.mark.parametrize(("dataset", "total"), [("ucf101", 13320), ("hmdb51", 6766)])
def test_totals(dataset, total):
    official = official_list(dataset)
    assert len(official.videos) == total
    assert next(iter(official.splits)) == "all"
    assert official.splits["all"] == set(official.videos)
    assert {video.label for video in official.videos.values()} == set(load_class_set(dataset).names)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("testlist01", 3783), ("testlist02", 3734), ("testlist03", 3696)),
        *(("trainlist01", 9537), ("trainlist02", 9586), ("trainlist03", 9624)),
    ],
)
def test_ucf101_list_sizes(name, size):
    splits = official_list("ucf101").splits
    assert len(splits[name]) == size
    partner = ("train" if name.startswith("test") else "test") + name[-6:]
    assert splits[name] | splits[partner] == splits["all"]
    assert not splits[name] & splits[partner]


@pytest.mark.parametrize("split", [1, 2, 3])
def test_hmdb51_list_sizes(split):
    official = official_list("hmdb51")
    train, test = (official.splits[f"split{split}-{part}"] for part in ("train", "test"))
    assert (len(train), len(test)) == (3570, 1530)
    assert not train & test
    assert official.splits[f"split{split}-train+test"] == train | test
    assert set(Counter(official.videos[i].label for i in test).values()) == {30}
    assert set(Counter(official.videos[i].label for i in train).values()) == {70}


def test_groups():
    ucf101 = official_list("ucf101").videos.values()
    hmdb51 = official_list("hmdb51").videos.values()
    assert len({video.group for video in ucf101}) == 25 * 101 == 2525
    assert len({video.group for video in hmdb51}) == 2291
    assert len({video.group.partition("/")[2] for video in hmdb51}) == 1407


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
@pytest.mark.parametrize("split", [0, 1, 2])
def test_no_group_is_trained_on_and_tested_on(dataset, split):
    uses = {(video.group, video.uses[split]) for video in official_list(dataset).videos.values()}
    assert not {g for g, use in uses if use == "train"} & {g for g, use in uses if use == "test"}


def test_odd_names():
    ucf101, hmdb51 = official_list("ucf101").videos, official_list("hmdb51").videos
    pushups = ucf101["v_HandStandPushups_g01_c01"]
    assert (pushups.label, pushups.group) == ("HandstandPushups", "HandstandPushups_g01")
    assert "v_HandstandPushups_g01_c01" not in ucf101
    golf = hmdb51["Golf_Tips_-_Hit_The_Driver_300+_Yards!!!_golf_f_nm_np1_fr_med_0"]
    assert golf.group == "golf/Golf_Tips_-_Hit_The_Driver_300+_Yards!!!"
    assert hmdb51["April_09_brush_hair_u_nm_np1_ba_goo_0"].uses == ("train", "train", "test")


@pytest.mark.parametrize(
    ("dataset", "name", "found"),
    [
        ("ucf101", "testlist02", "testlist02"),
        ("ucf101", "TestList02", "testlist02"),
        ("ucf101", "split2", "testlist02"),
        ("hmdb51", "split3", "split3-test"),
        ("hmdb51", "split3-train", "split3-train"),
        ("hmdb51", "testlist01", None),
        ("ucf101", "split4", None),
    ],
)
def test_names_of_lists(dataset, name, found):
    official = official_list(dataset)
    assert official.find(name) == found
    if found is not None:
        assert official.name_of(official.splits[found]) == found


def test_tables_are_small_and_frozen():
    tables = {path.name: path for path in asset_path("videos").glob("*.json")}
    assert sum(path.stat().st_size for path in tables.values()) < 200_000
    ids = {name: sorted(official_list(Path(name).stem).videos) for name in tables}
    digests = {name: hashlib.sha256("\n".join(i).encode()).hexdigest() for name, i in ids.items()}
    assert digests == {
        "hmdb51.json": "3127fe33286c2a5a9fac1d78a8a30a53ae74095d63c8d1211c6e7cbfdb2192ec",
        "ucf101.json": "e6c0e5b7874711f3dd3d4b3da348ce3686b73d02d91942879f4b0f9cb2562b85",
    }


def ucf101_by_hand(folder: Path) -> dict[str, list[str]]:
    uses: dict[str, list[str]] = {}
    for split in "123":
        for part in ("train", "test"):
            text = (folder / f"{part}list0{split}.txt").read_bytes().replace(b"\r", b"").decode()
            for line in text.split("\n"):
                if line:
                    uses.setdefault(line.split(" ")[0], []).append(part)
    return uses


def hmdb51_by_hand(folder: Path) -> dict[str, list[str]]:
    names = ["unused", "train", "test"]
    uses: dict[str, list[str]] = {}
    for split in "123":
        for file in folder.glob(f"*_test_split{split}.txt"):
            label = file.name[: -len("_test_split1.txt")]
            for line in file.read_text().split("\n"):
                if line.strip():
                    name, digit = line.split()
                    uses.setdefault(f"{label}/{name}", []).append(names[int(digit)])
    return uses


@pytest.mark.datasets
@pytest.mark.parametrize(
    ("dataset", "folder", "by_hand"),
    [
        ("ucf101", "ucfTrainTestlist", ucf101_by_hand),
        ("hmdb51", "hmdb51_splits", hmdb51_by_hand),
    ],
)
def test_lists_are_the_authors(dataset, folder, by_hand, shared_data):
    theirs = by_hand(shared_data / "splits" / folder)
    ours = {
        f"{video.label}/{video.id}.avi": list(video.uses)
        for video in official_list(dataset).videos.values()
    }
    assert ours == theirs


@pytest.mark.datasets
def test_the_script_makes_the_same_tables_again(shared_data, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("build_video_lists", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folders = [str(shared_data / "splits" / name) for name in ("ucfTrainTestlist", "hmdb51_splits")]
    monkeypatch.setattr("sys.argv", ["build_video_lists", *folders, "--out", str(tmp_path)])
    script.main()
    for name in ("ucf101.json", "hmdb51.json"):
        assert (tmp_path / name).read_bytes() == asset_path("videos", name).read_bytes()
        assert json.loads((tmp_path / name).read_bytes())["version"] == 1
