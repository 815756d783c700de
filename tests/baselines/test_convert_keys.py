"""Every key of a checkpoint is accounted for, and its options say what they say and no more."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from zsl_bench.baselines.convert.conversion import convert, default_name, save_conversion
from zsl_bench.baselines.convert.declarations import declare, known_torchvision
from zsl_bench.baselines.convert.keys import our_key
from zsl_bench.baselines.convert.reading import Checkpoint
from zsl_bench.baselines.networks import empty_network
from zsl_bench.baselines.training.config_files import load_config
from zsl_bench.baselines.training.start import starting_network
from zsl_bench.baselines.weights import load_weights
from zsl_bench.errors import ModelError, WeightsError, WordVectorError
from zsl_bench.splits import load_split

OPTIONS = {
    "network": "r3d_18",
    "dataset": "kinetics2both",
    "n_classes": 664,
    "class_overlap": 0.01,
    "n_epochs": 50,
    "nopretrained": False,
    "fixconvs": False,
}


def hollow(shape, dtype=torch.float32):
    """Return a tensor of zeros whose file holds one number."""
    return torch.zeros((), dtype=dtype).expand(shape)


def released(network, *, named=False, counters=True):
    """Return a state dict in the released spelling, by the network's own shapes."""
    children = ("stem", "layer1", "layer2", "layer3", "layer4")
    state = {}
    for key, tensor in empty_network(network).state_dict().items():
        first, _, rest = key.partition(".")
        child = rest.partition(".")[0]
        if first == "head":
            name = f"regressor.{rest}"
        elif network == "c3d":
            name = rest
        else:
            number = child if named else children.index(child)
            name = f"model.{number}.{rest.partition('.')[2]}"
        if counters or not key.endswith("num_batches_tracked"):
            state[f"module.{name}"] = hollow(tensor.shape, tensor.dtype)
    return state


def write(path, state, options=OPTIONS, **others):
    content = {"state_dict": state, "opt": argparse.Namespace(**(options or {})), **others}
    torch.save(state if options is None else content, path)
    return path


@pytest.mark.parametrize("network", ["r2plus1d_18", "r3d_18", "c3d"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("counters", [False, True])
def test_every_key_of_a_released_network_finds_its_place(tmp_path, network, named, counters):
    state = released(network, named=named, counters=counters)
    if network == "c3d":
        state["module.fc7.weight"] = hollow((4096, 4096))
        state["module.fc8.bias"] = hollow((487,))
    conversion = convert(write(tmp_path / "run.pth.tar", state))
    conversion.check()
    plan, wanted = conversion.plan, empty_network(network).state_dict()
    assert (plan.network, plan.dim, conversion.kind) == (network, 300, "checkpoint")
    assert {key.source for key in plan.keys if key.source} == set(state)
    assert {key.target for key in plan.keys if key.target} == set(wanted)
    assert {key: tensor.shape for key, tensor in plan.state.items()} == {
        key: tensor.shape for key, tensor in wanted.items()
    }
    steps = sum(key.endswith("num_batches_tracked") for key in wanted)
    assert len(plan.of("filled")) == (0 if counters else steps)
    assert len(plan.of("dropped")) == (2 if network == "c3d" else 0)
    assert len(plan.of("mapped")) == len(wanted) - len(plan.of("filled"))


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("module.model.0.3.weight", "backbone.stem.3.weight"),
        ("module.module.model.4.1.conv2.1.bias", "backbone.layer4.1.conv2.1.bias"),
        ("model.stem.0.weight", "backbone.stem.0.weight"),
        ("layer2.0.downsample.0.weight", "backbone.layer2.0.downsample.0.weight"),
        ("conv3b.bias", "backbone.conv3b.bias"),
        ("module.regressor.bias", "head.bias"),
        ("backbone.stem.0.weight", "backbone.stem.0.weight"),
        ("fc7.bias", None),
        ("module.model.fc.weight", None),
        ("something.else", "something.else"),
    ],
)
def test_both_spellings_lead_to_one_name(key, ours):
    assert our_key(key)[0] == ours


def test_a_layer_mismatch_is_told_shape_by_shape_and_nothing_is_written(tmp_path):
    state = released("r2plus1d_18")
    state["module.model.1.0.conv1.0.0.weight"] = hollow((230, 64, 1, 3, 3))
    state["module.model.1.0.conv1.0.1.running_mean"] = hollow((144,), torch.int64)
    state["module.regressor.0.weight"] = state.pop("module.regressor.weight")
    state["module.extra"] = hollow((2,))
    conversion = convert(write(tmp_path / "run.pth.tar", state))
    unlike = {key.source: (key.found, key.wanted) for key in conversion.plan.of("other shape")}
    assert unlike == {
        "module.model.1.0.conv1.0.0.weight": ("float32 230x64x1x3x3", "float32 144x64x1x3x3"),
        "module.model.1.0.conv1.0.1.running_mean": ("int64 144", "float32 144"),
    }
    assert [key.target for key in conversion.plan.of("missing")] == ["head.weight"]
    unexpected = conversion.plan.of("unexpected")
    assert [key.source for key in unexpected] == ["module.regressor.0.weight", "module.extra"]
    with pytest.raises(
        WeightsError, match=r"1 keys missing .*2 unexpected keys .*2 keys of another"
    ):
        save_conversion(conversion, tmp_path / "out", name="a")
    assert not (tmp_path / "out").exists()


def test_another_network_can_be_asked_for_and_is_compared(tmp_path):
    file = write(tmp_path / "run.pth.tar", released("r3d_18"))
    plan = convert(file, network="r2plus1d_18").plan
    assert plan.network == "r2plus1d_18"
    assert plan.of("missing")
    assert plan.of("other shape")
    with pytest.raises(ModelError, match="r2plus1d_18"):
        convert(file, network="r2plus1d")


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"encoder.weight": torch.ones(2)}, "keys of no known network, such as 'encoder.weight'"),
        ({"model.0.0.weight": torch.ones(2), "stem.0.weight": torch.ones(2)}, "for one tensor"),
        ({"regressor.weight": torch.ones(3, 4)}, "keys of no known network"),
        ({**released("r3d_18"), "module.regressor.weight": torch.ones(0, 512)}, "without outputs"),
    ],
)
def test_keys_of_nothing_known_are_named(tmp_path, state, match):
    with pytest.raises(WeightsError, match=match):
        convert(write(tmp_path / "a.pth", state, None))


def test_half_precision_is_cast_and_said(tmp_path, tiny):
    state = {f"module.{key}": value.clone() for key, value in tiny.state_dict().items()}
    state["module.head.bias"] = state["module.head.bias"].half()
    conversion = convert(write(tmp_path / "a.pth", state, None))
    cast = [key for key in conversion.plan.keys if key.why]
    assert [(key.source, key.found, key.why) for key in cast] == [
        ("module.head.bias", "float16 300", "cast to float32")
    ]
    made = load_weights(save_conversion(conversion, tmp_path / "out", name="half"))
    assert torch.equal(made.state_dict()["head.bias"], state["module.head.bias"].float())
    assert made.card.trained_on is made.card.pretrained_on is None
    assert "undeclared" in made.card.description
    assert made.card.clip.dtype == "float32"


def test_the_folder_keeps_where_it_came_from(tmp_path, tiny):
    state = {f"module.{key}": value for key, value in tiny.state_dict().items()}
    options = {**OPTIONS, "network": "tiny", "fixconvs": True}
    file = write(tmp_path / "run.pth.tar", state, options, accuracy=np.float32(0.25), epoch=1)
    folder = save_conversion(convert(file), tmp_path / "out", name="paper")
    card = json.loads((folder / "card.json").read_text())
    kept = card["training"]
    assert kept["converted_from"]["file"] == "run.pth.tar"
    assert len(kept["converted_from"]["sha256"]) == 64
    assert kept["opt"] == options
    assert kept["accuracy"] == 0.25
    assert kept["keys"]["head.bias"] == "module.head.bias"
    assert any("best test accuracy" in note for note in kept["notes"])
    model = load_weights(folder)
    assert (model.config.family, model.card.name) == ("frozen", "paper")
    assert len(model.card.trained_on[0]) == 664
    assert model.card.pretrained_on == ()
    assert str(tmp_path) not in (folder / "card.json").read_text()


def test_values_that_are_not_finite_are_refused(tmp_path, tiny):
    state = {key: value.clone() for key, value in tiny.state_dict().items()}
    state["head.bias"][3] = float("inf")
    with pytest.raises(WeightsError, match=r"not finite in head\.bias"):
        save_conversion(convert(write(tmp_path / "a.pth", state, None)), tmp_path / "o", name="a")
    assert not (tmp_path / "o").exists()


def test_word_vectors_of_the_bundled_classes_go_with_the_weights(tmp_path, tiny):
    file = write(tmp_path / "a.pth", tiny.state_dict(), None)
    rows = "\n".join(
        f"{word} {' '.join(['0.5'] * 299)} {i}" for i, word in enumerate(["run", "zz"])
    )
    (tmp_path / "vectors.txt").write_text(f"2 300\n{rows}\n")
    (tmp_path / "short.txt").write_text("1 2\nrun 0.5 1\n")
    vectors = tmp_path / "vectors.txt"
    folder = save_conversion(convert(file), tmp_path / "out", name="a", vectors=vectors)
    assert set(load_weights(folder).vectors.words) == {"run"}
    with pytest.raises(WordVectorError, match="length 2; give vectors of length 300"):
        save_conversion(convert(file), tmp_path / "b", name="a", vectors=tmp_path / "short.txt")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("network", ["r3d_18", "c3d"])
def test_a_backbone_becomes_a_file_that_training_starts_from(tmp_path, network):
    wanted = empty_network(network).backbone.state_dict()
    state = {key: hollow(tensor.shape, tensor.dtype) for key, tensor in wanted.items()}
    unused = {"fc.weight": (400, 512)} if network == "r3d_18" else {"fc8.weight": (487, 4096)}
    for key, shape in unused.items():
        state[key] = hollow(shape)
    conversion = convert(write(tmp_path / "c3d.pickle", state, None))
    assert conversion.kind == "backbone"
    assert conversion.origin is None
    assert [key.source for key in conversion.plan.of("dropped")] == list(unused)
    file = save_conversion(conversion, tmp_path / "out", name="a")
    with safe_open(file, framework="pt") as opened:
        assert set(opened.keys()) == set(wanted)
    settings = load_config(
        "demo",
        overrides=(
            f"model.network={network}",
            f"model.weights={file}",
            "model.pretrained_on=undeclared",
        ),
    )
    network = starting_network(settings, dim=300).network
    assert all(not tensor.any() for tensor in network.backbone.state_dict().values())
    with pytest.raises(WeightsError, match="points at no vectors"):
        save_conversion(conversion, tmp_path / "out", name="a", vectors="x")


def options_say(network="r2plus1d_18", accuracy=None, **options):
    checkpoint = Checkpoint(
        path=Path("run.pth.tar"),
        sha256="0" * 64,
        state={},
        options={**OPTIONS, "network": network, **options},
        accuracy=accuracy,
    )
    return declare(checkpoint, network)


def test_training_classes_are_declared_where_number_and_threshold_agree():
    (kept,) = options_say().trained_on
    assert (len(kept), kept.dataset) == (664, "kinetics700 kept at 0.01")
    assert not {"archery", "bench pressing"} & {name.casefold() for name in kept.names}
    (kept,) = options_say(n_classes=662, class_overlap=0.05).trained_on
    assert kept.names == load_split("tp1").kept
    assert kept.dataset == "kinetics700-tp1"
    said = " ".join(options_say().notes)
    assert "never published" in said
    assert "reconstruction" in said


@pytest.mark.parametrize(
    "options",
    [
        {"n_classes": 678, "class_overlap": 0.05, "dataset": "sun2both"},
        {"n_classes": 664, "class_overlap": 0.05},
        {"n_classes": 605, "dataset": "kinetics2others"},
        {"n_classes": "664"},
        {"n_classes": None},
        {"class_overlap": None},
        {"class_overlap": 7.0},
        {"dataset": None},
    ],
    ids=str,
)
def test_other_options_leave_the_training_classes_undeclared(options):
    declared = options_say(**options)
    assert declared.trained_on is None
    assert "undeclared" in declared.notes[0]


@pytest.mark.parametrize(
    ("network", "options", "pretrained_on", "backbone"),
    [
        ("r3d_18", {"nopretrained": False}, (), None),
        ("r3d_18", {"nopretrained": True}, 400, "R3D_18_Weights.KINETICS400_V1"),
        ("r2plus1d_18", {"nopretrained": True}, 400, "R2Plus1D_18_Weights.KINETICS400_V1"),
        ("c3d", {"nopretrained": True}, None, None),
        ("c3d", {"nopretrained": False}, (), None),
        ("r3d_18", {"nopretrained": None}, None, None),
        ("r3d_18", {"nopretrained": False, "weights": "sun.pth.tar"}, None, None),
    ],
)
def test_pretraining_is_read_against_the_name_of_its_option(
    network, options, pretrained_on, backbone
):
    declared = options_say(network, **options)
    assert declared.backbone == backbone
    if pretrained_on == 400:
        assert [len(one) for one in declared.pretrained_on] == [400]
    else:
        assert declared.pretrained_on == pretrained_on


def test_options_of_another_network_are_noted():
    checkpoint = Checkpoint(path=Path("a"), sha256="", state={}, options=OPTIONS)
    assert any("name the network r3d_18" in n for n in declare(checkpoint, "c3d").notes)


def test_torchvisions_files_are_known_by_their_digest():
    known = known_torchvision("r2plus1d_18", "91a641e6" + "0" * 56)
    assert known == "R2Plus1D_18_Weights.KINETICS400_V1"
    assert known_torchvision("r3d_18", "91a641e6" + "0" * 56) is None
    assert known_torchvision("c3d", "91a641e6" + "0" * 56) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/run.pth.tar", "run"), ("c3d.pickle", "c3d"), (".pth", "pth"), ("x.y.pt", "x.y")],
)
def test_a_model_is_named_after_its_file(name, expected):
    assert default_name(Path(name)) == expected
