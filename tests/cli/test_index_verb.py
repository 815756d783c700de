"""``zsl-bench index``: real files, archives, manifests, what is wrong, exit statuses."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.datasets import open_dataset
from zsl_bench.videos import Manifest


def run(*arguments):
    return CliRunner().invoke(main, ["index", *map(str, arguments)])


@pytest.fixture
def archery(tmp_path, write_video):
    """Some UCF101: three good videos, one cut short, one of no length, one that is a page."""
    folder = tmp_path / "UCF-101" / "Archery"
    for number in (1, 2, 3):
        write_video(folder / f"v_Archery_g01_c0{number}.avi", (40 * number, 9, 9), frames=30)
    whole = (folder / "v_Archery_g01_c03.avi").read_bytes()
    (folder / "v_Archery_g01_c04.avi").write_bytes(whole[: len(whole) // 2])
    (folder / "v_Archery_g01_c05.avi").write_bytes(b"")
    (folder / "v_Archery_g01_c06.avi").write_bytes(b"<html>404</html>")
    shutil.copy(folder / "v_Archery_g01_c01.avi", folder / "copy.avi")
    return tmp_path / "UCF-101"


def test_what_is_wrong_is_listed_with_reason_and_remedy(archery, tmp_path):
    done = run(
        "ucf101", archery, "--out", tmp_path / "m.json", "--detail", tmp_path / "d.csv", "--json"
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["videos"] == 6
    manifest = Manifest.load(tmp_path / "m.json")
    assert {i for i, _ in manifest.unreadable} == {f"v_Archery_g01_c0{n}" for n in (4, 5, 6)}
    assert {v.id: v.frames for v in manifest.videos}["v_Archery_g01_c02"] == 30
    assert len(manifest.missing) == 13_320 - 6
    with (tmp_path / "d.csv").open(newline="") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream) if row["path"]}
    kinds = {path.rpartition("/")[2]: row["findings"] for path, row in rows.items()}
    assert rows["Archery/copy.avi"]["reason"].endswith("content as Archery/v_Archery_g01_c01.avi")
    assert "truncated" in kinds["v_Archery_g01_c04.avi"]
    assert "empty" in kinds["v_Archery_g01_c05.avi"]
    assert "undecodable" in kinds["v_Archery_g01_c06.avi"]
    assert kinds["v_Archery_g01_c02.avi"] == ""
    for row in rows.values():
        assert bool(row["reason"]) == bool(row["remedy"]) == bool(row["findings"])


def test_the_screen_is_one_screen_and_strict_is_status_3(archery):
    done = run("ucf101", archery)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) < 25
    assert "6 of 13,320 videos" in done.stdout
    assert run("ucf101", archery, "--strict").exit_code == 3


def test_a_whole_data_set_of_ones_own_passes_strict(tmp_path, write_video):
    for number, name in enumerate(("a", "b")):
        write_video(tmp_path / "own" / name / "1.mp4", (90 * number, 9, 9))
    done = run("own", tmp_path / "own", "--strict", "--out", tmp_path / "m.json")
    assert done.exit_code == 0, done.output
    assert not Manifest.load(tmp_path / "m.json").unreadable


def test_a_manifest_evaluates_like_its_folder(archery, tmp_path):
    run("ucf101", archery, "--split", "testlist01", "--out", tmp_path / "m.json")
    listed = open_dataset("ucf101", tmp_path / "m.json")
    assert listed.split == "testlist01"
    assert listed.digest == open_dataset("ucf101", archery, test_list="testlist01").digest


def test_an_archive_is_unpacked_beside_itself_once(archery, tmp_path):
    shutil.rmtree(tmp_path / "zip", ignore_errors=True)
    with zipfile.ZipFile(tmp_path / "UCF101.zip", "w") as archive:
        for file in sorted(archery.rglob("*.avi")):
            archive.write(file, file.relative_to(archery.parent))
    first = run("ucf101", tmp_path / "UCF101.zip", "--out", tmp_path / "m.json")
    assert first.exit_code == 0, first.output
    assert (tmp_path / "UCF101/UCF-101/Archery/v_Archery_g01_c01.avi").is_file()
    assert "unpacking" not in run("ucf101", tmp_path / "UCF101.zip").stderr
    made = Manifest.load(tmp_path / "m.json")
    assert made.digest == open_dataset("ucf101", archery).digest


def test_a_folder_with_nothing_but_archives(archery, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    with zipfile.ZipFile(folder / "part_0.zip", "w") as archive:
        for file in sorted(archery.rglob("*.avi")):
            archive.write(file, f"Archery/{file.name}")
    for _ in range(2):
        done = run("ucf101", folder, "--out", tmp_path / "m.json")
        assert done.exit_code == 0, done.output
        assert len(Manifest.load(tmp_path / "m.json")) == 6


def test_shared_videos_are_named(archery, tmp_path):
    other = tmp_path / "training" / "shooting"
    other.mkdir(parents=True)
    shutil.copy(archery / "Archery/v_Archery_g01_c02.avi", other / "renamed_clip.avi")
    run("own", other.parent, "--out", tmp_path / "train.json")
    done = run("ucf101", archery, "--overlap-with", tmp_path / "train.json")
    assert (
        "shared with own (all): 1 of 6 rows here: v_Archery_g01_c02 (1 by content)" in done.stdout
    )
    told = json.loads(
        run("ucf101", archery, "--overlap-with", tmp_path / "train.json", "--json").stdout
    )
    assert told["shared"][0]["test_rows"] == ["v_Archery_g01_c02"]
    nothing = run("ucf101", archery, "--overlap-with", tmp_path / "nowhere.json")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_a_second_check_opens_nothing(archery):
    first, second = (json.loads(run("ucf101", archery, "--json").stdout) for _ in range(2))
    assert first["probed"] > 0
    assert second["probed"] == 0
    fresh = json.loads(run("ucf101", archery, "--json", "--fresh").stdout)
    assert fresh["probed"] == first["probed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hmdb51", "UCF-101"), "this looks like ucf101"),
        (("ucf101", "nowhere"), "nowhere"),
        (("ucf101", "UCF-101", "--split", "testlist04"), "did you mean"),
        (("ucf101", "hub:org/name@main"), "--unpack-to"),
        (("toys", "UCF-101", "--images", "--split", "x"), "leave them out"),
        (("ucf101", "UCF-101", "--annotations", "own.csv"), "another name to read a list"),
        (("ucf101", "UCF-101", "--detail", "d.txt"), "without .csv or .json"),
    ],
)
def test_errors_are_one_line(archery, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(archery.parent)
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_relative_path_to_an_archive(archery, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "UCF101.zip", "w") as archive:
        for file in sorted(archery.rglob("*.avi")):
            archive.write(file, file.relative_to(archery.parent))
    monkeypatch.chdir(tmp_path)
    done = run("ucf101", "UCF101.zip", "--out", "m.json")
    assert done.exit_code == 0, done.output
    assert len(Manifest.load("m.json")) == 6
