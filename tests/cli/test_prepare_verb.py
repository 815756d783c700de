"""``zsl-bench prepare``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.datasets import open_dataset
from zsl_bench.videos import Manifest


@pytest.fixture
def toys(tmp_path, write_video, monkeypatch):
    for number, name in enumerate(("red ball", "blue ball")):
        write_video(tmp_path / f"videos/{name}/one.avi", (60 * number, 60, 9), frames=17)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["prepare", *arguments])


def test_a_folder(toys):
    done = run("toys", "videos", "out", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "toys, all: 2 of 2 videos prepared, 34 frames" in done.stdout
    assert "manifest written: out/manifest.json" in done.stdout
    manifest = Manifest.load("out/manifest.json")
    assert [video.path for video in manifest.videos] == [
        "videos/blue ball/one.mp4",
        "videos/red ball/one.mp4",
    ]
    assert json.loads((toys / "out" / "report.json").read_text())["videos"] == 2
    again = open_dataset("toys", toys / "out" / "videos")
    assert len(again) == 2


def test_a_manifest_and_json(toys):
    open_dataset("toys", toys / "videos").save("toys.json")
    done = run("toys", "toys.json", "out", "--jobs", "1", "--json", "--short-side", "original",
               "--codec", "mjpeg", "--quality", "2", "--scaler", "area", "--gop", "4")  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    made = report["preparation"]
    wanted = {"short_side": None, "codec": "mjpeg", "quality": 2, "scaler": "area", "gop": 4}
    assert {name: made[name] for name in wanted} == wanted
    assert report["frames"] == 34


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["toys", "toys.json", "out", "--split", "all"], "which has settled them"),
        (["ucf101", "toys.json", "out"], "a manifest of toys"),
        (["toys", "videos", "videos/out"], "lies among them"),
        (["toys", "videos", "out", "--codec", "theora"], "this PyAV writes h264"),
        (["toys", "videos", "out", "--short-side", "127"], "an odd number of pixels"),
        (["toys", "nowhere", "out"], "no such file"),
    ],
)
def test_what_it_refuses(arguments, told, toys):
    open_dataset("toys", toys / "videos").save("toys.json")
    done = run(*arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (toys / "out" / "manifest.json").exists()


def test_a_short_side_that_is_no_number(toys):
    done = run("toys", "videos", "out", "--short-side", "small")
    assert done.exit_code == 2
    assert "neither a number of pixels nor 'original'" in done.stderr


def test_strict_says_that_a_video_was_left_out(toys):
    (toys / "videos" / "red ball" / "two.avi").write_text("no video")
    assert run("toys", "videos", "out", "--jobs", "1").exit_code == 0
    done = run("toys", "videos", "out", "--jobs", "1", "--strict")
    assert done.exit_code == 3
    assert "cannot be prepared, 1: red ball/two" in done.stdout
    assert "from before: 2 videos" in done.stdout
