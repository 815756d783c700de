"""``zsl-bench convert``: what it prints, what it writes, and how it fails."""

import argparse
import json

import pytest
import torch
from click.testing import CliRunner

from zsl_bench.baselines.models import random_model
from zsl_bench.baselines.networks import empty_network
from zsl_bench.cli.convert import convert
from zsl_bench.errors import WeightsError
from zsl_bench.registry import load_model

OPTIONS = {
    "network": "r2plus1d_tiny",
    "dataset": "kinetics2both",
    "n_classes": 664,
    "class_overlap": 0.01,
    "n_epochs": 50,
    "nopretrained": False,
}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checkpoint(path, change=None, **others):
    model = random_model(network="r2plus1d_tiny", seed=5)
    state = {f"module.{key}": tensor for key, tensor in model.state_dict().items()}
    if change is not None:
        change(state)
    content = {
        "state_dict": state,
        "opt": argparse.Namespace(**OPTIONS),
        "accuracy": 0.25,
        **others,
    }
    torch.save(content, path)
    return model


def run(*arguments):
    return CliRunner().invoke(convert, list(map(str, arguments)))


def test_a_checkpoint_becomes_a_folder_that_loads(workplace):
    model = checkpoint("run.pth.tar", optimizer={})
    done = run("run.pth.tar")
    assert done.exit_code == 0, done.output
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["read"] == "checkpoint run.pth.tar: r2plus1d_tiny, 300 outputs"
    assert lines["not"] == "used     optimizer"
    assert "n_classes 664, class_overlap 0.01, n_epochs 50" in lines["options"]
    assert lines["accuracy"] == "0.25 (stored)"
    assert "best test accuracy" in done.stdout
    assert lines["weights"] == "weights/run"
    assert lines["next"].startswith("zsl-bench evaluate --model path:weights/run --data")
    loaded = load_model("path:weights/run")
    clip = torch.rand(1, 4, 3, 32, 32) * 255
    assert torch.equal(loaded.embed_clips(clip), model.embed_clips(clip))
    assert loaded.card.name == "run"


def test_groups_of_keys_count_all_tensors(workplace):
    checkpoint("run.pth.tar")
    done = run("run.pth.tar", "--name", "paper", "--out", "here")
    counted = [int(line.split()[-2]) for line in done.stdout.splitlines() if "tensor" in line]
    assert sum(counted) == len(empty_network("r2plus1d_tiny").state_dict())
    assert load_model("path:here").card.name == "paper"


def test_renamed_keys_are_told_by_their_rule(workplace):
    def change(state):
        for name in ("weight", "bias"):
            state[f"module.regressor.{name}"] = state.pop(f"module.head.{name}").double()
        del state["module.backbone.stem.2.num_batches_tracked"]

    checkpoint("run.pth.tar", change)
    lines = run("run.pth.tar").stdout.splitlines()
    assert "mapped       module.regressor.* -> head.*, cast to float32: 2 tensors" in lines
    assert "filled       a counter that old files lack, set to 0: 1 tensor" in lines


def test_json_has_every_key(workplace):
    checkpoint("run.pth.tar")
    content = json.loads(run("run.pth.tar", "--json").stdout)
    assert content["opt"] == OPTIONS
    assert (content["kind"], content["dim"], content["family"]) == ("checkpoint", 300, "e2e")
    assert {key["target"] for key in content["keys"]} == set(
        empty_network("r2plus1d_tiny").state_dict()
    )
    assert content["written"] == "weights/run"


def test_a_mismatch_is_shown_shape_by_shape_before_the_error(workplace):
    def change(state):
        state["module.head.weight"] = torch.ones(300, 7)
        state["module.head.extra"] = torch.ones(2)
        del state["module.head.bias"]

    checkpoint("run.pth.tar", change)
    for flags in ((), ("--json",)):
        done = run("run.pth.tar", *flags)
        assert isinstance(done.exception, WeightsError)
        assert "1 keys missing (head.bias)" in str(done.exception)
        assert not (workplace / "weights").exists()
        assert "float32 300x7" in done.stdout
    problems = [key for key in json.loads(done.stdout)["keys"] if key["outcome"] != "mapped"]
    assert [key["outcome"] for key in problems] == ["other shape", "missing", "unexpected"]
    said = run("run.pth.tar").stdout
    assert "module.head.weight: float32 300x7 for float32 300x" in said
    assert "unexpected   module.head.extra: float32 2" in said
    assert "next" not in said


def test_a_backbone_names_the_next_step(workplace):
    state = empty_network("c3d").backbone.state_dict()
    hollow = {key: torch.zeros(()).expand(tensor.shape) for key, tensor in state.items()}
    hollow["fc8.bias"] = torch.zeros(487)
    torch.save(hollow, "c3d.pickle")
    done = run("c3d.pickle", "--out", "c3d")
    assert done.exit_code == 0, done.output
    assert "dropped      fc8.bias: float32 487" in done.stdout
    assert "--set model.weights=c3d/backbone.safetensors" in done.stdout
    assert "--set model.pretrained_on=undeclared" in done.stdout
    assert (workplace / "c3d" / "backbone.safetensors").exists()


def test_a_network_of_no_name_and_a_missing_file_are_errors(workplace):
    checkpoint("run.pth.tar")
    assert "r2plus1d_18" in str(run("run.pth.tar", "--network", "r2plus1d").exception)
    assert "no such file" in str(run("none.pth.tar").exception)
