"""Training configurations: the paper's numbers, and nothing unknown, misspelt or contradictory."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from contextlib import suppress
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.baselines.training.config import (
    DataSettings,
    OptimiserSettings,
    TrainConfig,
    differences,
    with_settings,
)
from zsl_bench.baselines.training.config_files import (
    bundled_configs,
    config_from_json,
    load_config,
)
from zsl_bench.classes import RULE_SETS, load_class_set
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.splits import load_split

PLAIN = TrainConfig(name="plain", data=DataSettings(dataset="ucf101", path="videos"))
SECTIONS = {f.name: getattr(PLAIN, f.name) for f in dataclasses.fields(PLAIN)
            if dataclasses.is_dataclass(getattr(PLAIN, f.name))}  # fmt: skip
FIELDS = [(s, f.name) for s, section in SECTIONS.items() for f in dataclasses.fields(section)]
PAPER = ("c3d", "e2e-kinetics700-tp1", "e2e-kinetics700-tp2", "e2e-sun-then-kinetics",
         "frozen-kinetics700-tp1", "r3d", "sun397-pretrain")  # fmt: skip
FREE = {("data", "path"), ("data", "list"), ("model", "vectors"), ("run", "device"),
        ("run", "workers"), ("run", "checkpoint_every"), ("run", "keep"),
        ("run", "log_every")}  # fmt: skip


def toml(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


DATA = '[data]\ndataset = "ucf101"\npath = "videos"\n'


def test_all_of_the_papers_configurations_come_with_the_package():
    assert set(bundled_configs()) >= set(PAPER)


@pytest.mark.parametrize("name", PAPER)
def test_bundled_values_are_the_papers(name):
    config = load_config(name)
    assert config.name == name
    assert config.description
    optimiser, clips = config.optimiser, config.clips
    assert (optimiser.learning_rate, optimiser.batch_size, optimiser.epochs) == (1e-3, 22, 150)
    assert (optimiser.milestones, optimiser.decay) == ((60, 120), 0.1)
    assert optimiser.loss == "unit-l2"
    assert optimiser.max_clips_per_epoch is None
    assert (optimiser.accumulate, optimiser.clip_gradient) == (1, None)
    assert (clips.frames, clips.size, clips.short_side, clips.policy) == (16, 112, 128, "paper-25")
    assert config.audit.threshold == 0.05
    assert set(config.audit.against) >= {"ucf101", "hmdb51"}
    assert config.model.vectors == "GoogleNews-vectors-negative300.bin"
    assert (config.run.precision, config.validation.select) == ("fp32", "last")
    assert (config.data.num_classes, config.data.num_samples) == (None, None)
    assert config.model.dropout == (0.10 if name == "c3d" else 0.05)
    assert config.model.network == {"c3d": "c3d", "r3d": "r3d_18"}.get(name, "r2plus1d_18")
    assert config.audit.allow_overlap is (name == "frozen-kinetics700-tp1")


@pytest.mark.parametrize("name", PAPER)
def test_bundled_files_name_their_values_themselves(name):
    import tomllib

    from zsl_bench.files import asset_path

    text = asset_path("configs", f"{name}.toml").read_text("utf-8")
    content = tomllib.loads(text)
    assert set(content["optimiser"]) >= {"learning_rate", "batch_size", "epochs", "milestones"}
    assert text.startswith("# ")
    assert "To download" in text
    assert max(map(len, text.splitlines())) <= 100


def test_each_configuration_is_what_its_name_says():
    configs = {name: load_config(name) for name in PAPER}
    tp1 = configs["e2e-kinetics700-tp1"]
    for name in ("c3d", "r3d", "frozen-kinetics700-tp1", "e2e-sun-then-kinetics"):
        assert configs[name].data == tp1.data
    assert (tp1.data.dataset, tp1.data.classes, tp1.audit.remove_overlap) == (
        "kinetics700", "tp1", False)  # fmt: skip
    tp2 = configs["e2e-kinetics700-tp2"]
    assert (tp2.data.classes, tp2.audit.against) == ("tp2", ("ucf101", "hmdb51", "activitynet200"))
    sun = configs["sun397-pretrain"]
    assert (sun.data.kind, sun.data.dataset, sun.audit.remove_overlap) == ("images", "sun397", True)
    assert configs["e2e-sun-then-kinetics"].model.weights == "runs/sun397-pretrain/weights"
    frozen = configs["frozen-kinetics700-tp1"]
    assert (frozen.model.family, frozen.frozen.views, frozen.frozen.batch_norm) == (
        "frozen", 10, "eval")  # fmt: skip
    assert frozen.model.weights == "R2Plus1D_18_Weights.KINETICS400_V1"


def test_bundled_names_of_classes_and_splits_exist():
    for name in PAPER:
        config = load_config(name)
        known = load_class_set(config.data.dataset)
        assert set(config.data.exclude) <= set(known.names)
        for test in config.audit.against:
            load_class_set(test)
        if config.data.classes is not None:
            split = load_split(config.data.classes)
            assert split.train[0] == config.data.dataset
            assert {name for name, _ in split.tests} == set(config.audit.against)
    excluded = load_config("sun397-pretrain").data.exclude
    assert [name.rsplit("/", 1)[-1] for name in excluded] == ["barndoor", "thriftshop"]


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 1e-3), (59, 1e-3), (60, 1e-4), (119, 1e-4), (120, 1e-5), (149, 1e-5)],
)
def test_the_schedule_at_the_papers_epochs(epoch, rate):
    assert OptimiserSettings().learning_rate_at(epoch) == pytest.approx(rate, rel=1e-12)


def test_the_rule_sets_for_words_are_those_of_the_class_sets():
    assert get_args(get_type_hints(type(PLAIN.model))["words"]) == RULE_SETS


@given(
    milestones=st.lists(st.integers(1, 40), max_size=5),
    decay=st.sampled_from([0.1, 0.5, 1.0]),
    epoch=st.integers(0, 45),
)
def test_the_schedule_is_that_of_torch(milestones, decay, epoch):
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=decay)
    for _ in range(epoch):
        optimiser.step()
        schedule.step()
    settings = OptimiserSettings(learning_rate=0.3, milestones=tuple(milestones), decay=decay)
    rate = optimiser.param_groups[0]["lr"]
    assert settings.learning_rate_at(epoch) == pytest.approx(rate, rel=1e-9)


def another(hint, value):
    """A value of a field's type that is not the one given."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not types.NoneType)
    if get_origin(hint) is Literal:
        return next(choice for choice in get_args(hint) if choice != value)
    if get_origin(hint) is tuple:
        return (*value, {str: "activitynet200", int: 7}[get_args(hint)[0]])
    if hint is bool:
        return not value
    if hint is str:
        return f"{value or ''}x"
    return (value or 0) + {int: 1, float: 0.125}[hint]


def changed(section, field):
    settings = SECTIONS[section]
    value = another(get_type_hints(type(settings))[field], getattr(settings, field))
    if (section, field) == ("clips", "policy"):
        value = "paper-10"
    if (section, field) == ("optimiser", "milestones"):
        value = (60, 121)
    more = {}
    if (section, field) == ("clips", "frames"):
        value, more = 8, {"policy": "paper-10x8"}
    if (section, field) == ("validation", "select"):
        more = {"held_out": 0.1}
    return with_settings(PLAIN, **{section: {field: value, **more}}), set(more)


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_only_what_cannot_change_a_number_is_free_at_resumption(section, field):
    config, more = changed(section, field)
    expected = () if (section, field) in FREE else tuple(
        sorted(f"{section}.{name}" for name in {field, *more}))  # fmt: skip
    assert differences(PLAIN, config) == expected
    assert differences(config, PLAIN) == expected
    assert (config.sha256 == PLAIN.sha256) is (not expected)


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_every_field_survives_json(section, field):
    config, _ = changed(section, field)
    text = json.dumps(config.to_json(), allow_nan=False)
    back = config_from_json(json.loads(text), asked="training configuration of a run")
    assert back == config
    assert back.sha256 == config.sha256


@pytest.mark.parametrize("name", PAPER)
def test_bundled_ones_survive_json(name):
    config = load_config(name)
    again = config_from_json(json.loads(json.dumps(config.to_json())), asked="it")
    assert again == config
    assert differences(config, again) == ()


def test_a_name_counts():
    assert differences(PLAIN, dataclasses.replace(PLAIN, name="other")) == ("name",)


def test_a_file_is_named_after_itself_and_takes_the_papers_defaults(tmp_path):
    config = load_config(toml(tmp_path, DATA))
    assert config == TrainConfig(name="mine", data=DataSettings(dataset="ucf101", path="videos"))
    assert load_config(toml(tmp_path, 'name = "own"\n' + DATA)).name == "own"


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("optimiser.epochs=3", "optimiser", "epochs", 3),
        ("optimiser.epochs = 3", "optimiser", "epochs", 3),
        ("optimiser.learning_rate=1", "optimiser", "learning_rate", 1.0),
        ("optimiser.learning_rate=3e-4", "optimiser", "learning_rate", 3e-4),
        ("optimiser.milestones=[2, 4]", "optimiser", "milestones", (2, 4)),
        ("optimiser.milestones=[]", "optimiser", "milestones", ()),
        ("data.path=a b/ü=c", "data", "path", "a b/ü=c"),
        ('data.path="7"', "data", "path", "7"),
        ("data.exclude=['Archery', 'Rowing']", "data", "exclude", ("Archery", "Rowing")),
        ("clips.flip=false", "clips", "flip", False),
        ("validation.max_samples=none", "validation", "max_samples", None),
        ("model.vectors=none", "model", "vectors", None),
        ("run.workers=0", "run", "workers", 0),
    ],
)
def test_single_settings_are_changed_from_outside(tmp_path, override, section, field, value):
    text = DATA + '[model]\nvectors = "mine.bin"\n'
    found = getattr(load_config(toml(tmp_path, text), overrides=[override]), section)
    assert getattr(found, field) == value
    assert type(getattr(found, field)) is type(value)


def test_later_overrides_win_and_the_name_can_be_changed(tmp_path):
    config = load_config(toml(tmp_path, DATA), overrides=["run.seed=1", "run.seed=2", "name=again"])
    assert (config.run.seed, config.name) == (2, "again")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DATA + "[optimizer]\nepochs = 3\n", "unknown field 'optimizer'; did you mean 'optimiser'"),
        (DATA + "[optimiser]\nepoch = 3\n", "optimiser.epoch; did you mean 'epochs'"),
        (DATA + '[optimiser]\nepochs = "3"\n', "optimiser.epochs = '3'; give a whole number"),
        (DATA + "[optimiser]\nepochs = 3.0\n", "give a whole number"),
        (DATA + "[optimiser]\nepochs = true\n", "give a whole number"),
        (DATA + "[optimiser]\nlearning_rate = true\n", "give a number"),
        (DATA + "[optimiser]\nmilestones = 60\n", "give a list in brackets"),
        (DATA + '[optimiser]\nmilestones = ["60"]\n', "give a whole number"),
        (DATA + "[clips]\nflip = 1\n", "give true or false"),
        (DATA + '[optimiser]\nloss = "mse-release"\n', "did you mean 'mse-released'"),
        (DATA + "[optimiser]\nloss = []\n", "optimiser.loss = []"),
        (DATA + '[model]\nfamily = "freezed"\n', "did you mean 'frozen'"),
        (DATA + "[model]\nnetwork = 1979-05-27\n", "give text in quotes"),
        (DATA + '[model]\nwords = "plian"\n', "model.words = 'plian'; did you mean 'plain'"),
        ("data = 3\n", "data is no table; write it as [data]"),
        ("[[data]]\n", "data is no table"),
        ('[data]\npath = "x"\n', "[data] lacks a field; give dataset"),
        ("[model]\n", "no data"),
        ("name = 3\n" + DATA, "give text in quotes"),
        ('name = "a/b"\n' + DATA, "a name that can be a folder's"),
        ('name = ""\n' + DATA, "a name that can be a folder's"),
        (DATA + "[optimiser]\nepochs = 0\n", "optimiser.epochs: 0; give 1 or more"),
        (DATA + "[optimiser]\nbatch_size = -1\n", "give 1 or more"),
        (DATA + "[optimiser]\nlearning_rate = 0\n", "give a number above 0"),
        (DATA + "[optimiser]\nlearning_rate = nan\n", "give a number above 0"),
        (DATA + "[optimiser]\ndecay = inf\n", "give a number above 0"),
        (DATA + "[optimiser]\ndecay = -0.1\n", "give a number above 0"),
        (DATA + "[optimiser]\nclip_gradient = 0.0\n", "give a number above 0"),
        (DATA + "[optimiser]\naccumulate = 23\n", "23 parts of a batch of 22"),
        (DATA + "[validation]\nheld_out = 1.0\n", "from 0 up to"),
        (DATA + "[validation]\nheld_out = nan\n", "from 0 up to"),
        (DATA + '[validation]\nselect = "best"\n', "set validation.held_out"),
        (DATA + "max_unreadable = 1.5\n", "from 0 up to"),
        (DATA + "num_samples = 0\n", "give 1 or more"),
        (DATA + "subset_seed = -1\n", "give 0 or more"),
        (DATA + "[model]\ndropout = 1\n", "from 0 up to"),
        (DATA + "[audit]\nagainst = []\n", "no test set"),
        (DATA + "[audit]\nthreshold = 3\n", "0 to 2"),
        (DATA + "[audit]\nthreshold = nan\n", "0 to 2"),
        (DATA + "[clips]\nframes = 8\n", "paper-25 for clips of 8 frames"),
        (DATA + "[clips]\nframes = 0\n", "frames"),
        (DATA + "[clips]\nsize = 300\n", "300"),
        (DATA + '[clips]\npolicy = "paper"\n', "policy"),
        (DATA + "[run]\nseed = -1\n", "give 0 or more"),
        (DATA + "[run]\nkeep = 0\n", "give 1 or more"),
        ("data = [", "no readable TOML"),
        ("a = " + "[" * 5000, "no readable TOML"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, words):
    with pytest.raises(ZslBenchError) as told:
        load_config(toml(tmp_path, text))
    message = str(told.value)
    assert words in message
    assert "training configuration" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimiser.epochs", "write it as section.field=value"),
        ("optimiser.=3", "write it as section.field=value"),
        ("optimizer.epochs=3", "did you mean 'optimiser'"),
        ("optimiser.epoch=3", "did you mean 'epochs'"),
        ("optimiser=3", "optimiser is no table"),
        ("name.x=3", "name is no table"),
        ("optimiser.epochs=", "give a whole number"),
        ("optimiser.epochs=none", "give a whole number"),
        ("optimiser.epochs=three", "give a whole number"),
        ("optimiser.milestones=" + "[" * 5000, "give a list"),
    ],
)
def test_a_wrong_override_is_one_line(tmp_path, override, words):
    with pytest.raises(ModelError) as told:
        load_config(toml(tmp_path, "name = 'x'\n" + DATA), overrides=[override])
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("e2e-kinetics700-tp3", "did you mean .*'e2e-kinetics700-tp1'"),
        ("nowhere/else.toml", "no such file or bundled configuration"),
    ],
)
def test_an_unknown_configuration_gets_a_hint(reference, words):
    with pytest.raises(ModelError, match=words):
        load_config(reference)


def test_a_folder_or_binary_file_is_no_configuration(tmp_path):
    for path in (tmp_path, toml(tmp_path, "", "empty.toml")):
        with pytest.raises(ModelError):
            load_config(path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="no readable TOML"):
        load_config(tmp_path / "binary.toml")


@given(value=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
), section=st.sampled_from([*SECTIONS, "name", "more"]))  # fmt: skip
def test_whatever_stands_there_is_read_or_refused_by_name(value, section):
    content = {"name": "x", "data": {"dataset": "ucf101", "path": "p"}, section: value}
    with suppress(ZslBenchError):
        config = config_from_json(content, asked="training configuration x")
        assert math.isfinite(config.optimiser.learning_rate)


def test_the_manual_names_every_setting_with_its_default():
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+\.\w+)`(?: \*)? \| (.*?) \|", page, re.MULTILINE))
    for section, field in FIELDS:
        default = getattr(SECTIONS[section], field)
        shown = default if isinstance(default, str) else json.dumps(default)
        expected = "none" if default is None else f"`{shown}`"
        if (section, field) in {("data", "dataset"), ("data", "path")}:
            expected = "required"
        assert rows.pop(f"{section}.{field}") == expected
    assert not [name for name in rows if name.partition(".")[0] in SECTIONS]
    free = set(re.findall(r"^\| `(\w+)\.(\w+)` \* \|", page, re.MULTILINE))
    assert free == FREE


def test_reading_a_configuration_costs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys\nfrom zsl_bench.baselines.training.config_files import load_config\n"
        "load_config('e2e-kinetics700-tp1')\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
