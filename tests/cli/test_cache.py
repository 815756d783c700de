"""The verb that looks after the cache, and the option that uses it."""

from __future__ import annotations

import json
import os
import shlex
import time

import click
import numpy as np
import pytest
from click.testing import CliRunner

from zsl_bench.cli.cache import cache
from zsl_bench.cli.evaluate import evaluate
from zsl_bench.clip_cache import DIGESTS, ClipCache, ClipOutputs, Entry
from zsl_bench.files import cache_dir, sha256_bytes

DAY = 86_400


def call(*arguments, **more):
    return CliRunner().invoke(cache, [str(each) for each in arguments], **more)


def fill(root, model="m", *, videos=2, days=0):
    """Keep some videos of a model, one a file, and return the files."""
    parts = {"run": {"model": {"name": model}, "clip_policy": "paper-25"}}
    kept = ClipCache(root, parts, pytest.fail)
    for number in range(videos):
        vectors = np.full((3, 4), number, dtype=np.float32)
        entry = Entry(sha256_bytes(b"%d" % number), None, None)
        kept.add([(entry, ClipOutputs(vectors=vectors, weights=np.ones(3, dtype=np.int64)))])
    files = sorted(kept.folder.glob("*.safetensors"))
    for path in (*files, kept.folder / "key.json"):
        os.utime(path, (time.time() - days * DAY,) * 2)
    return files


def test_the_users_cache_is_the_default(monkeypatch, tmp_path):
    assert "no clips are kept" in call("ls").stdout
    fill(cache_dir() / "clips")
    (row,) = json.loads(call("ls", "--json").stdout)
    assert (row["model"], row["policy"], row["videos"], row["clips"]) == ("m", "paper-25", 2, 6)
    assert row["parts"]["run"]["clip_policy"] == "paper-25"
    monkeypatch.setenv("ZSL_BENCH_CLIP_CACHE", str(tmp_path / "other"))
    assert f"kept in {tmp_path / 'other'}" in call("ls").stdout
    assert json.loads(call("ls", "--json", "--folder", cache_dir() / "clips").stdout) == [row]


def test_a_listing_has_a_row_a_key(tmp_path):
    fill(tmp_path, "one", videos=3)
    fill(tmp_path, "other", days=2)
    done = call("ls", "--folder", tmp_path)
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines() if "paper-25" in line]
    assert [row[1:5] for row in rows] == [
        ["one", "paper-25", "3", "9"],
        ["other", "paper-25", "2", "6"],
    ]
    assert "in 5 files" in done.stdout
    assert done.stderr == ""


def test_verify_names_what_is_damaged_and_removes_it(tmp_path):
    first, second = fill(tmp_path)
    done = call("verify", "--folder", tmp_path)
    assert (done.exit_code, done.stdout.strip().endswith("all as written")) == (0, True)
    first.write_bytes(first.read_bytes()[:-1])
    done = call("verify", "--folder", tmp_path)
    assert done.exit_code == 3
    assert f"{first}: it is cut off" in done.stdout
    assert "2 files read" in done.stdout
    assert "1 damaged; --remove" in done.stdout
    assert "1 file damaged" in call("ls", "--folder", tmp_path).stderr
    done = call("verify", "--folder", tmp_path, "--json", "--remove")
    assert done.exit_code == 3
    assert [each["path"] for each in json.loads(done.stdout)["damaged"]] == [str(first)]
    assert not first.exists()
    assert second.exists()
    assert call("verify", "--folder", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--all"], 0),
        (["--model", "old"], 2),
        (["--model", "none"], 4),
        (["--older-than", "2d"], 2),
        (["--older-than", "48H"], 2),
        (["--older-than", "20w"], 4),
        (["--max-size", "1G"], 4),
        (["--max-size", "0"], 0),
        (["--max-size", "0.6K"], 1),
        (["--max-size", "0.6 kB"], 1),
        (["--older-than", "0s", "--model", "new"], 2),
    ],
    ids=str,
)
def test_prune_removes_what_it_says(tmp_path, options, left):
    files = [*fill(tmp_path, "old", days=5), *fill(tmp_path, "new")]
    assert 600 >= files[0].stat().st_size > 300
    dry = call("prune", "--folder", tmp_path, *options, "--dry-run")
    assert dry.exit_code == 0
    assert all(path.exists() for path in files)
    done = call("prune", "--folder", tmp_path, *options, "--yes")
    assert done.exit_code == 0
    if "would remove" in dry.stdout:
        amount = dry.stdout.removeprefix("would remove")
        assert done.stdout.startswith(f"to remove:{amount}removed ")
    else:
        assert done.stdout == dry.stdout
    assert sum(path.exists() for path in files) == left
    assert not left or files[-1].exists() or "new" in options
    for path in files:
        assert path.parent.exists() == any(p.exists() for p in files if p.parent == path.parent)


def test_prune_all_takes_the_digests_of_videos_too(tmp_path):
    fill(tmp_path, "one", videos=1)
    lines = tmp_path / DIGESTS / "a.digests"
    lines.parent.mkdir()
    lines.write_bytes(b"")
    done = call("prune", "--folder", tmp_path, "--all", "--yes")
    assert f"in 2 files of {tmp_path}, of one" in done.stdout.splitlines()[0]
    assert list(tmp_path.rglob("*")) == [tmp_path / "keys"]
    lines.parent.mkdir()
    lines.write_bytes(b"")
    assert "of no model" in call("prune", "--folder", tmp_path, "--all", "--yes").stdout


def test_prune_asks(tmp_path):
    files = fill(tmp_path)
    for answer, status, there in (("n\n", 1, True), ("", 1, True), ("y\n", 0, False)):
        done = call("prune", "--folder", tmp_path, "--all", input=answer)
        assert done.exit_code == status
        assert all(path.exists() is there for path in files)
    assert "nothing to remove" in call("prune", "--folder", tmp_path, "--all").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prune"], "say what to remove"),
        (["prune", "--yes", "--dry-run"], "say what to remove"),
        (["prune", "--older-than", "a while"], "units s, m, h, d, w, as in 30d"),
        (["prune", "--older-than", "30"], "the units"),
        (["prune", "--max-size", "10X"], "units K, M, G, T"),
        (["prune", "--max-size", "-1G"], "the units"),
        (["ls", "--folder", "not/there"], "there is no folder not/there"),
        (["verify", "--folder", "not/there"], "there is no folder not/there"),
        (["ls", "--folder", __file__], "is a file"),
    ],
)
def test_wrong_usage_is_told(arguments, words):
    done = call(*arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["", *cache.commands])
def test_every_example_runs_on_an_empty_and_on_a_full_cache(name):
    command = cache.commands[name] if name else cache
    example = command.epilog.removeprefix("Example: zsl-bench cache ")
    for _ in range(2):
        done = call(*shlex.split(example))
        assert done.exit_code == 0
        assert done.stdout.strip()
        fill(cache_dir() / "clips")


@pytest.mark.parametrize(
    ("given", "variable", "folder"),
    [
        ([], None, None),
        ([], "", None),
        ([], "some/where", "some/where"),
        (["--cache"], None, "clips"),
        (["--cache"], "some/where", "some/where"),
        (["--cache", "here"], "some/where", "here"),
        (["--cache=here"], None, "here"),
    ],
)
def test_evaluate_takes_a_folder_the_users_or_none(monkeypatch, given, variable, folder):
    seen = {}
    if variable is not None:
        monkeypatch.setenv("ZSL_BENCH_CLIP_CACHE", variable)
    (option,) = [each for each in evaluate.params if each.name == "cache"]
    command = click.Command("evaluate", params=[option], callback=seen.update)
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 0, done.output
    expected = str(cache_dir() / "clips") if folder == "clips" else folder
    assert (None if seen["cache"] is None else str(seen["cache"])) == expected


def test_a_file_is_no_cache_for_evaluate():
    done = CliRunner().invoke(
        evaluate, ["--model", "e2e-random", "--data", "a=b", "--cache", __file__]
    )
    assert done.exit_code == 2
    assert "is a file" in done.stderr
