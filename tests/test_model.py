import copy
import hashlib
import importlib
import sys
import types
from pathlib import Path

import pytest
import torch

from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.model import (
    UNVERSIONED,
    LoadOptions,
    ModelCard,
    ScoringModel,
    UsesWordVectors,
    ZeroShotModel,
    check_is_model,
    check_policy,
    check_settings,
    declaration_json,
    guarded,
    is_scoring,
    parse_settings,
)
from zsl_bench.model_digest import is_versioned, source_digest, weights_digest, weights_identity
from zsl_bench.video import ClipSpec

UCF = load_class_set("ucf101")
HMDB = load_class_set("hmdb51")


class Embeds:
    card = ModelCard(name="m")

    def embed_classes(self, classes):
        return torch.zeros(len(classes), 2)

    def embed_clips(self, clips):
        return torch.zeros(len(clips), 2)


class Scores:
    card = ModelCard(name="m")

    def score(self, clips, classes):
        return torch.zeros(len(clips), len(classes))


class Both(Embeds, Scores):
    pass


@pytest.mark.parametrize("field", ["trained_on", "pretrained_on"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("open", "open"),
        ((), ()),
        (UCF, (UCF,)),
        ((UCF, HMDB), (UCF, HMDB)),
        ([HMDB], (HMDB,)),
    ],
    ids=["undeclared", "open", "nothing", "set", "sets", "list"],
)
def test_the_four_declarations_are_never_conflated(field, value, expected):
    card = ModelCard(name="m", **{field: value})
    assert getattr(card, field) == expected
    listed = declaration_json(getattr(card, field))
    if expected is None or expected == "open":
        assert listed == expected
    else:
        assert [entry["fingerprint"] for entry in listed] == [s.fingerprint for s in expected]


def test_an_empty_list_declares_nothing_was_seen():
    assert ModelCard(name="m", trained_on=[]).trained_on == ()


def test_class_names_become_a_class_set_with_words():
    (declared,) = ModelCard(name="m", trained_on=["PlayingGuitar", "folding napkins"]).trained_on
    expected = class_set_from_names(["PlayingGuitar", "folding napkins"], dataset="x", source="y")
    assert declared.names == ("PlayingGuitar", "folding napkins")
    assert declared.words == expected.words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trained_on": "kinetics400"}, "trained_on of model card 'm'"),
        ({"trained_on": ["archery", "kinetics400"]}, "data-set name 'kinetics400'"),
        ({"trained_on": ["archery", UCF]}, "trained_on of model card 'm'"),
        ({"trained_on": 3}, "trained_on of model card 'm'"),
        ({"pretrained_on": {"archery": 1}}, "pretrained_on of model card 'm'"),
        ({"trained_on": ["archery", "archery"]}, "twice"),
        ({"pooling": "max"}, "pooling 'max'"),
        ({"scores": "cosines"}, "did you mean 'cosine'"),
        ({"policy": "uniform-8"}, "cuts clips of 8 frames, the model takes 16"),
        ({"policy": "nonsense"}, "nonsense"),
        ({"name": ""}, "empty name"),
        ({"name": "a/b"}, "slash"),
        ({"name": "a\0b"}, "slash"),
        ({"settings": {"prompts": None}}, "give names to text or numbers"),
        ({"settings": {1: "x"}}, "give names to text or numbers"),
        ({"settings": "prompts=bare"}, "give names to text or numbers"),
    ],
)
def test_a_card_that_will_not_do_is_refused_in_one_line(changes, message):
    with pytest.raises(ZslBenchError) as caught:
        ModelCard(**{"name": "m", **changes})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_of_a_card_cannot_be_changed_behind_its_back():
    given = {"prompts": "photo-of", "top_k": 10}
    card = ModelCard(name="m", settings=given)
    given["top_k"] = 1
    assert dict(card.settings) == {"prompts": "photo-of", "top_k": 10}
    with pytest.raises(TypeError):
        card.settings["top_k"] = 1


def test_settings_are_split_at_the_first_equals_sign():
    given = ("prompts=photo-of", "text=a=b", "empty=")
    assert parse_settings(given) == {"prompts": "photo-of", "text": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("prompts",), "write it as prompts=photo-of"),
        (("=bare",), "no NAME=VALUE"),
        (("k=1", "k=2"), "k: it is given twice"),
    ],
)
def test_settings_that_will_not_do(given, message):
    with pytest.raises(ModelError, match=message):
        parse_settings(given)


def test_a_setting_that_a_model_does_not_have_is_refused():
    options = LoadOptions(settings={"promts": "bare"})
    check_settings(LoadOptions(), (), "model m")
    with pytest.raises(ModelError, match="did you mean 'prompts'"):
        check_settings(options, ("frames", "prompts"), "model m")
    with pytest.raises(ModelError, match="it has no settings"):
        check_settings(options, (), "model m")


def test_a_policy_must_fit_the_clip():
    check_policy("uniform-8", ClipSpec(frames=8), "evaluate m")
    with pytest.raises(ModelError, match="evaluate m: policy paper-25 cuts clips of 16 frames"):
        check_policy("paper-25", ClipSpec(frames=8), "evaluate m")


def test_declarations_cover_names_and_fingerprints():
    declared = ModelCard(
        name="m", trained_on=UCF.select(["Archery"]), pretrained_on="open"
    ).declared()
    assert declared["pretrained_on"] == "open"
    (entry,) = declared["trained_on"]
    assert entry["classes"] == ["Archery"]
    assert entry["dataset"] == "ucf101"
    assert entry["fingerprint"] == UCF.select(["Archery"]).fingerprint


def test_the_interface_is_recognised_by_its_methods():
    assert isinstance(Embeds(), ZeroShotModel)
    assert isinstance(Scores(), ScoringModel)
    assert not isinstance(Embeds(), UsesWordVectors)
    for model, scoring in ((Embeds(), False), (Scores(), True), (Both(), False)):
        check_is_model(model, "m")
        assert is_scoring(model) is scoring


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "NoneType with no ModelCard"),
        (type("M", (), {"card": {"name": "m"}})(), "M with no ModelCard"),
        (type("M", (), {"card": Embeds.card})(), "without embed_classes and embed_clips"),
        (
            type("M", (), {"card": Embeds.card, "embed_clips": lambda *_: None})(),
            "without embed_classes;",
        ),
        (
            type("M", (), {"card": Embeds.card, "embed_clips": 3, "embed_classes": 3})(),
            "without embed_classes and embed_clips",
        ),
    ],
)
def test_other_objects_are_refused(model, message):
    with pytest.raises(ModelError, match=message):
        check_is_model(model, "py:x:load")


def test_code_that_ends_the_process_is_one_line():
    with pytest.raises(ModelError, match="importing it: SystemExit: 3"):
        guarded(lambda: sys.exit(3), "model 'm': importing it")


def test_every_file_of_a_package_counts_as_its_models_code(tmp_path, monkeypatch):
    package = tmp_path / "strange_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from strange_package.inner.net import Net\n")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "net.py").write_text("class Net: pass\n")
    (package / "core.py").write_text("K = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("strange_package").Net()
    before = source_digest(model)
    assert before.startswith("source-sha256:")
    assert source_digest(model) == before
    (package / "core.py").write_text("K = 100\n")
    assert source_digest(model) != before


class Weighted(torch.nn.Linear):
    card = ModelCard(name="m")

    def __init__(self):
        super().__init__(3, 2)
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.scale = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))


def test_the_digest_of_weights_moves_with_every_bit_name_and_shape():
    model = Weighted()
    digest = weights_digest(model)
    assert digest.startswith("sha256:")
    assert weights_digest(copy.deepcopy(model)) == digest
    changed = [copy.deepcopy(model) for _ in range(4)]
    with torch.no_grad():
        changed[0].weight.view(torch.int32)[0, 0] ^= 1
        changed[1].steps += 1
        changed[2].weight = torch.nn.Parameter(model.weight.reshape(3, 2))
        changed[3].scale = torch.nn.Parameter(model.scale.float())
    renamed = copy.deepcopy(model)
    renamed.register_buffer("counter", renamed.steps)
    del renamed.steps
    digests = {weights_digest(m) for m in (*changed, renamed)}
    assert len(digests) == 5
    assert digest not in digests


def test_the_digest_does_not_depend_on_memory_layout():
    model = Weighted()
    digest = weights_digest(model)
    model.weight = torch.nn.Parameter(model.weight.detach().t().contiguous().t())
    assert not model.weight.is_contiguous()
    assert weights_digest(model) == digest


class Unstated:
    """A model with the weights of another and no revision."""

    card = ModelCard(name="m")

    @classmethod
    def of(cls, model):
        made = cls()
        made.state_dict = model.state_dict
        return made


def test_a_revision_stands_for_the_weights_and_without_either_there_is_none():
    model = Weighted()
    model.card = ModelCard(name="m", revision="v3")
    assert weights_digest(model) == "v3"
    stated = weights_identity(model)
    assert stated == {"weights": "v3", "state": weights_digest(Unstated.of(model))}
    with torch.no_grad():
        model.weight += 1
    assert weights_identity(model) != stated
    assert weights_identity(Unstated.of(model)) == {"weights": weights_digest(Unstated.of(model))}
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert weights_digest(Embeds()) == f"source-sha256:{source}"
    made = types.new_class("Made", (), {}, lambda body: body.update(card=Embeds.card))
    made.__module__ = "nowhere"
    assert weights_digest(made()) == UNVERSIONED
    assert is_versioned("v3")
    assert is_versioned("sha256:00")
    assert not is_versioned(UNVERSIONED)
    assert not is_versioned(f"source-sha256:{source}")
