"""The command line as a whole: help, imports, exit statuses, examples."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from zsl_bench.cli import main

HEAVY = ("torch", "torchvision", "av", "cv2", "gensim", "scipy", "huggingface_hub", "matplotlib")


def commands() -> dict[str, click.Command]:
    """Every verb and sub-verb by its path."""
    found: dict[str, click.Command] = {}

    def walk(path: str, command: click.Command) -> None:
        found[path] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                walk(f"{path} {name}".strip(), command.get_command(context, name))

    walk("", main)
    return found


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys, json\n"
        "from zsl_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('\\nMODULES', json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.rsplit("MODULES ", 1)[1]))


@pytest.mark.parametrize(
    ("arguments", "also_banned"),
    [
        (["--help"], ("numpy", "rich.progress")),
        (["check-overlap", "kinetics700", "--against", "ucf101", "--against", "hmdb51"], ()),
        (["check-overlap", "kinetics700", "--against", "ucf101", "--json"], ()),
        (["list", "classes", "ucf101"], ()),
        (["list", "protocols"], ()),
        (["list", "models"], ()),
        (["list", "policies"], ()),
        (["list", "configs"], ()),
        (["evaluate", "--help"], ()),
        (["train", "--help"], ()),
        (["extract", "--help"], ()),
        (["fit", "--help"], ()),
        (["check-method", "--help"], ()),
        (["report", "--help"], ()),
        (["figure", "--help"], ()),
        (["figure", "confusion", "--help"], ()),
        (["leaderboard", "--help"], ()),
        (["overlap-report", "--help"], ()),
        (["study", "--help"], ()),
        (["verify", "--help"], ()),
        (["score", "--help"], ()),
        (["compare", "--help"], ()),
        (["curves", "--help"], ()),
        (["sensitivity", "--help"], ()),
        (["index", "--help"], ()),
        (["prepare", "--help"], ()),
        (["download", "data", "ucf101"], ("numpy", "huggingface_hub")),
    ],
)
def test_light_verbs_import_nothing_heavy(arguments, also_banned):
    loaded = modules_after(*arguments)
    assert not [name for name in (*HEAVY, *also_banned) if name in loaded]


@pytest.mark.parametrize("path", commands())
def test_every_help_works_and_ends_in_an_example(path):
    done = CliRunner().invoke(main, [*path.split(), "--help"])
    assert done.exit_code == 0
    last = " ".join(done.stdout.strip().split("\n\n")[-1].split())
    assert last.startswith(f"Example: zsl-bench {path}".rstrip())


NEEDS_A_HUB = ("download weights",)
"""Verbs whose examples are run in tests/hub, where there is a server."""


def write_weights(place):
    """Write a weights folder, and its network in the form of a released checkpoint."""
    import torch

    from zsl_bench.baselines.models import load_from_path, save_random
    from zsl_bench.model import LoadOptions

    folder = save_random(place / "runs" / "mine" / "weights", network="r2plus1d_tiny")
    state = load_from_path(folder, LoadOptions()).state_dict()
    released = {f"module.{key}": tensor for key, tensor in state.items()}
    torch.save({"state_dict": released, "accuracy": 0.3}, place / "checkpoint.pth.tar")


def write_clips(place):
    """Write clip features of made-up videos of two classes."""
    import numpy as np

    from zsl_bench.baselines.extracted import BackboneRecord, ClipFile, write_clip_file
    from zsl_bench.classes import class_set_from_names
    from zsl_bench.model import ModelCard

    features = np.random.default_rng(0).normal(size=(6, 2, 5)).astype(np.float32)
    record = BackboneRecord(
        card=ModelCard(name="net", trained_on=(), pretrained_on=()),
        weights={"weights": "1"},
        output="features",
        reference="path:weights",
        given={},
    )
    names = tuple(f"{number}.mp4" for number in range(6))
    content = ClipFile(
        source="clips",
        features=features,
        lengths=np.full(6, 2),
        labels=np.arange(6) % 2,
        classes=class_set_from_names(["cooking rice", "washing car"], dataset="m", source="s"),
        ids=names,
        groups=names,
        backbone=record,
    )
    write_clip_file(place / "clips.safetensors", content, features)


@pytest.mark.parametrize("path", [path for path in commands() if path not in NEEDS_A_HUB])
def test_every_example_runs(path, tmp_path, monkeypatch, write_video, write_results):
    write_results(tmp_path)
    shutil.copy(tmp_path / "features-a.npz", tmp_path / "features.npz")
    write_video(tmp_path / "videos" / "ucf101" / "Archery" / "v_Archery_g01_c01.avi", frames=17)
    kinetics = tmp_path / "videos" / "kinetics700"
    first = write_video(kinetics / "air drumming" / "0.mp4", frames=17)
    for number in range(1, 22):
        shutil.copy(first, first.with_name(f"{number}.mp4"))
    shutil.copytree(first.parent, kinetics / "milking cow")
    monkeypatch.chdir(tmp_path)
    if path in ("convert", "push"):
        write_weights(tmp_path)
    if path == "fit":
        write_clips(tmp_path)
    example = commands()[path].epilog.removeprefix("Example: zsl-bench ")
    done = CliRunner().invoke(main, shlex.split(example))
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()


def test_running_as_a_module_is_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "zsl_bench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("zsl-bench, version ")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["check-overlap", "kinetix700", "--against", "ucf101"], 1, "did you mean 'kinetics700'"),
        (["check-overlap", "hmdb51", "--against", "ucf11"], 1, "did you mean 'ucf101'?"),
        (["check-overlap", "hmdb51", "--against", "ucf101", "--threshold", "3"], 1, "0 to 2"),
        (["check-overlap", "hmdb51", "--against", "ucf101", "--threshold", "x"], 2, "not a valid"),
        (["check-overlap", "hmdb51"], 2, "--against"),
        (["check-overlop"], 2, "did you mean 'check-overlap'"),
        (["list", "splits", "tp9"], 1, "did you mean"),
        (["list", "protocols", "brattoli-haf"], 1, "did you mean 'brattoli-half'"),
        (["evaluate", "--model", "e2e-random", "--data", "ucf101"], 2, "DATASET=PATH"),
        (["evaluate", "--model", "e2e-random", "--data", "ucf101=nowhere"], 1, "nowhere"),
    ],
)
def test_errors_are_one_line_with_the_right_status(arguments, status, words):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""
    if status == 1:
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("zsl-bench: ")
