"""A package that is written, installed, listed, checked and scored as its README says."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.cli import main
from zsl_bench.errors import ModelError, ResultError
from zsl_bench.workflows import new_plugin as subject
from zsl_bench.workflows.new_plugin import new_plugin

OFFLINE = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")


def run(*command, site, folder):
    """Run a Python command as a user of a package installed in ``site`` does."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_a_name_to_a_result_in_three_commands(tmp_path, write_video):
    pytest.importorskip("hatchling", reason="building the plug-in needs hatchling")
    made = new_plugin("my-model", tmp_path / "work" / "my-model")
    assert made.files == (
        "pyproject.toml",
        "README.md",
        "src/my_model/__init__.py",
        "tests/test_model.py",
    )
    found = [path for path in made.folder.rglob("*") if path.is_file()]
    assert {path.relative_to(made.folder).as_posix() for path in found} == set(made.files)
    assert not any("${" in path.read_text("utf-8") for path in found)
    readme = (made.folder / "README.md").read_text("utf-8")
    block = re.search(r"```sh\n(.*?)```", readme, re.DOTALL).group(1)
    install, check, evaluate = (shlex.split(line) for line in block.splitlines())
    for number, name in enumerate(("archery", "bowling", "juggling balls", "playing guitar")):
        write_video(tmp_path / "videos" / name / "one.mp4", (60 * number, 40, 90), frames=20)

    site = tmp_path / "site"
    assert install == ["pip", "install", "-e", "."]
    target = ("--target", str(site), str(made.folder))
    done = run("-m", "pip", "install", *OFFLINE, *target, site="", folder=tmp_path)
    assert done.returncode == 0, done.stderr

    assert check[0] == evaluate[0] == "zsl-bench"
    done = run("-m", "zsl_bench", *check[1:], site=site, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    command = [part.replace("ucf101=PATH", "mine=videos") for part in evaluate[1:]]
    done = run("-m", "zsl_bench", *command, "--json", site=site, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert result["identity"]["model"]["name"] == "my-model"
    assert result["coverage"]["scored"] == 4

    done = run(
        "-m", "zsl_bench", "list", "models", "my-model", "--json", site=site, folder=tmp_path
    )
    (row,) = json.loads(done.stdout)["models"]
    assert (row["distribution"], row["version"], row["state"]) == ("my-model", "0.1.0", "readable")
    assert (row["clip"]["frames"], row["policy"], row["trained_on"]) == (16, "paper-25", None)

    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    done = run(*tests, site=site, folder=made.folder)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@given(st.from_regex(r"[a-z]{1,6}([-._]{1,2}[a-z0-9]{1,4}){0,3}", fullmatch=True))
@settings(max_examples=60, deadline=None)
def test_a_name_is_taken_or_the_code_that_uses_it_is_sound(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("new") / "x"
    try:
        made = new_plugin(name, folder)
    except ModelError:
        assert not folder.exists()
        return
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    points = project["project"]["entry-points"]["zsl_bench.models"]
    assert points == {name: f"{made.module}:load"}
    assert made.module.isidentifier()
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        f"src/{made.module}"
    ]
    for file in made.files:
        if file.endswith(".py"):
            compile((folder / file).read_text("utf-8"), file, "exec")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "no name for a package"),
        ("My-Model", "no name for a package"),
        ("my model", "no name for a package"),
        ("modèle", "no name for a package"),
        ("../up", "no name for a package"),
        ("-x", "no name for a package"),
        ("x-", "no name for a package"),
        ('x"y', "no name for a package"),
        ("x\n", "no name for a package"),
        ("x" * 65, "no name for a package"),
        ("3d", "no name for a module"),
        ("class", "no name for a module"),
        ("json", "a module 'json' is installed already"),
        ("torch", "a module 'torch' is installed already"),
        ("zsl-bench", "a module 'zsl_bench' is installed already"),
        ("e2e", "offers a model of that name"),
    ],
)
def test_names_that_cannot_be(name, told, tmp_path):
    with pytest.raises(ModelError, match=told) as caught:
        new_plugin(name, tmp_path / "x")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for place in ("mine", "file"):
        with pytest.raises(ResultError, match="something is there already; give another --out"):
            new_plugin("my-model", tmp_path / place)
    with pytest.raises(ResultError, match="it cannot be written"):
        new_plugin("my-model", tmp_path / "file" / "inner")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_an_empty_folder_is_filled_even_where_one_stands_in_it(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    made = new_plugin("my-model", tmp_path / "empty")
    assert all((made.folder / file).is_file() for file in made.files)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    new_plugin("my-model", Path())
    assert sorted(path.name for path in Path().iterdir()) == [
        "README.md", "pyproject.toml", "src", "tests",
    ]  # fmt: skip


def test_a_failure_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(subject.Path, "rename", full)
    with pytest.raises(ResultError, match="No space left on device"):
        new_plugin("my-model", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_verb_prints_the_three_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["new-model", "my-model"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1:] == [
        "  pip install -e ./my-model",
        "  zsl-bench check-model my-model",
        "  zsl-bench evaluate --model my-model --data ucf101=PATH",
    ]
    done = CliRunner().invoke(main, ["new-model", "other", "--out", "here/there", "--json"])
    said = json.loads(done.stdout)
    assert said["module"] == "other"
    assert said["commands"][0] == "pip install -e ./here/there"
    assert all((Path("here/there") / file).is_file() for file in said["files"])
    done = CliRunner().invoke(main, ["new-model", "my-model"])
    assert done.exit_code == 1
    assert done.stderr == (
        "zsl-bench: new model in my-model: something is there already; give another --out\n"
    )
