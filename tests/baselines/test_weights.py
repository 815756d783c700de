import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from zsl_bench.baselines import weights as weights_module
from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.models import random_model
from zsl_bench.baselines.weights import load_weights, save_weights
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ResultError, WeightsError, WordVectorError
from zsl_bench.model_digest import weights_digest
from zsl_bench.wordvectors import WordVectors

K400 = "R2Plus1D_18_Weights.KINETICS400_V1"


@pytest.fixture
def folder(tiny, tmp_path):
    return save_weights(tiny, tmp_path / "w")


def edit(path, **changes):
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def own_vectors(dim=300, words=("archery", "swim", "blarg")):
    matrix = np.eye(len(words), dim, dtype=np.float32)
    return WordVectors(
        words={w: i for i, w in enumerate(words)}, matrix=matrix, source="mine", digest="ab12"
    )


def test_a_folder_gives_the_model_back(tiny, folder):
    again = load_weights(folder)
    clips = torch.rand(2, 4, 3, 8, 8) * 255
    with torch.no_grad():
        assert torch.equal(again.embed_clips(clips), tiny.embed_clips(clips))
    assert again.card == tiny.card
    assert again.config == tiny.config
    assert again.source == str(folder)
    assert not again.network.training
    assert sorted(p.name for p in folder.iterdir()) == [
        "card.json",
        "config.json",
        "model.safetensors",
    ]


def test_equal_weights_have_one_digest_whichever_way_they_come(tiny, folder, tmp_path):
    single = save_weights(tiny, tmp_path / "single.safetensors")
    torch.save(tiny.state_dict(), tmp_path / "plain.pt")
    parallel = {f"module.{key}": tensor for key, tensor in tiny.state_dict().items()}
    torch.save(parallel, tmp_path / "parallel.pth")
    save_file(tiny.state_dict(), tmp_path / "bare.safetensors")
    digest = weights_digest(tiny)
    assert digest.startswith("sha256:")
    for path in (
        folder,
        folder / "config.json",
        folder / "model.safetensors",
        single,
        tmp_path / "plain.pt",
        tmp_path / "parallel.pth",
        tmp_path / "bare.safetensors",
    ):
        assert weights_digest(load_weights(path)) == digest, path
    assert weights_digest(random_model(network="tiny", seed=4)) != digest


def test_a_single_file_carries_its_card_and_a_bare_one_declares_nothing(tiny, tmp_path):
    single = load_weights(save_weights(tiny, tmp_path / "single.safetensors"))
    assert single.card == tiny.card
    save_file(tiny.state_dict(), tmp_path / "bare.safetensors")
    bare = load_weights(tmp_path / "bare.safetensors")
    assert bare.config == NetworkConfig(family="e2e", network="tiny", dim=300)
    assert (bare.card.trained_on, bare.card.pretrained_on) == (None, None)
    assert "undeclared" in bare.card.description


def test_a_file_of_a_folder_keeps_the_folders_card(tiny, folder):
    edit(folder / "card.json", trained_on=[{"dataset": "ucf101", "classes": ["Archery"]}])
    assert load_weights(folder / "model.safetensors").card.trained_on[0].names == ("Archery",)


def test_the_training_record_is_kept_in_the_card(tiny, tmp_path):
    folder = save_weights(tiny, tmp_path / "w", training={"epochs": 150})
    assert json.loads((folder / "card.json").read_text())["training"] == {"epochs": 150}
    load_weights(folder)


def test_a_folder_brings_its_own_word_vectors(tiny, tmp_path):
    vectors = own_vectors()
    tiny.vectors = vectors
    folder = save_weights(tiny, tmp_path / "w")
    classes = class_set_from_names(["archery", "swimming"], dataset="d", source="s")
    made = load_weights(folder).class_vectors(classes)
    assert (made.source, made.digest, made.approximate_words) == ("mine", "ab12", ())
    assert np.array_equal(made.matrix, vectors.matrix[:2])
    bundled = load_weights(folder, vectors="bundled").class_vectors(classes)
    assert bundled.digest != "ab12"
    again = save_weights(replace_vectors(load_weights(folder)), folder)
    assert not (again / "vectors.safetensors").exists()
    assert load_weights(again).vectors is None


def replace_vectors(model):
    model.vectors = None
    return model


def test_vectors_of_another_length_are_refused(tiny):
    tiny.vectors = own_vectors(dim=50)
    classes = class_set_from_names(["archery"], dataset="d", source="s")
    with pytest.raises(WordVectorError, match="vectors of length 50; give vectors of length 300"):
        tiny.embed_classes(classes)


def test_approximate_words_stop_scoring_unless_allowed(tiny):
    classes = class_set_from_names(["abseiling", "archery"], dataset="d", source="s")
    with pytest.raises(WordVectorError, match="abseil"):
        tiny.embed_classes(classes)
    tiny.allow_approximate = True
    assert tiny.embed_classes(classes).shape == (2, 300)
    assert tiny.class_vectors(classes).approximate_classes == ("abseiling",)


def test_a_frozen_folder_declares_its_backbone(tiny, tmp_path):
    model = BaselineModel(
        tiny.network,
        config=replace(tiny.config, family="frozen", backbone=K400),
        card=replace(tiny.card, name="frozen", trained_on=(), pretrained_on=None),
    )
    (seen,) = load_weights(save_weights(model, tmp_path / "w")).card.pretrained_on
    assert seen.names == load_class_set("kinetics400").select(seen.names).names
    assert len(seen) == 400
    edit(tmp_path / "w/card.json", pretrained_on=[])
    with pytest.raises(WeightsError, match="leaves out the classes of the backbone"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize("name", ["config.json", "card.json", "model.safetensors"])
def test_a_folder_without_a_file_says_which(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"no {name}"):
        load_weights(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, "schema 9; this version reads schema 1"),
        ({"family": "clip"}, "family 'clip'; choose from e2e, frozen"),
        ({"network": "tinny"}, "network 'tinny'; did you mean 'tiny'"),
        ({"network": "r3d_18"}, "keys missing"),
        ({"dim": "300"}, "dim '300'"),
        ({"dim": 0}, "dim 0"),
        ({"dim": 200}, "head.bias float32 300 for float32 200"),
        ({"backbone": 3}, "backbone 3"),
        ({"backbone": "Nope"}, "torchvision weights 'Nope'"),
        ({"netwrk": "x"}, "unknown field 'netwrk'; did you mean 'network'"),
        ({"sha256": "x"}, "no table of digests"),
        ({"sha256": {"model.safetensors": "0" * 64}}, "is not the file that config.json describes"),
        ({"sha256": {"vectors.safetensors": "0" * 64}}, "no vectors.safetensors"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(folder, change, message):
    edit(folder / "config.json", **change)
    with pytest.raises(WeightsError) as caught:
        load_weights(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_that_is_none_is_refused(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="no valid JSON"):
        load_weights(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(WeightsError, match="no JSON object"):
        load_weights(folder)


def test_weights_of_another_network_name_the_keys(folder):
    state = load_file(folder / "model.safetensors")
    state["extra"] = state.pop("head.bias")
    save_file(state, folder / "model.safetensors")
    edit(folder / "config.json", sha256=...)
    with pytest.raises(
        WeightsError, match=r"for tiny: 1 keys missing \(head\.bias\), 1 unexpected"
    ):
        load_weights(folder)


def test_files_of_two_saves_do_not_load(tiny, folder, tmp_path):
    other = save_weights(random_model(network="tiny", seed=9), tmp_path / "other")
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(WeightsError, match=r"is not the file that config\.json describes"):
        load_weights(folder)


def test_neither_folder_nor_weights(tmp_path):
    with pytest.raises(WeightsError, match="no such file or folder"):
        load_weights(tmp_path / "none")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(WeightsError, match="a file of another kind"):
        load_weights(tmp_path / "a.txt")
    (tmp_path / "e").mkdir()
    with pytest.raises(WeightsError, match=r"no config\.json"):
        load_weights(tmp_path / "e")


def test_a_note_that_is_no_card_is_refused(tiny, tmp_path):
    for note in ("3", '{"config": {}}', '{"other": 1}'):
        save_file(tiny.state_dict(), tmp_path / "a.safetensors", {"zsl_bench": note})
        with pytest.raises(WeightsError):
            load_weights(tmp_path / "a.safetensors")


def test_damaged_vectors_are_named(tiny, tmp_path):
    tiny.vectors = own_vectors()
    folder = save_weights(tiny, tmp_path / "w")
    save_file({"vectors": torch.zeros(1, 300)}, folder / "vectors.safetensors")
    with pytest.raises(WeightsError, match=r"vectors\.safetensors is not the file"):
        load_weights(folder)
    edit(folder / "config.json", sha256=...)
    with pytest.raises(WeightsError, match="no words beside the vectors"):
        load_weights(folder)


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failing", ["write_json", "save"])
def test_a_full_disk_leaves_what_was_there(tiny, tmp_path, monkeypatch, existing, failing):
    folder = tmp_path / "w"
    if existing:
        save_weights(tiny, folder)
        before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights_module, failing, full)
    with pytest.raises(ResultError, match="No space left on device"):
        save_weights(random_model(network="tiny", seed=8), folder)
    if existing:
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    else:
        assert not folder.exists()


def test_a_crash_between_two_files_does_not_load(tiny, folder, monkeypatch):
    real = Path.replace

    def stop_before_config(self, target):
        if target.name == "config.json" and target.parent == folder:
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_before_config)
        with pytest.raises(KeyboardInterrupt):
            save_weights(random_model(network="tiny", seed=8), folder)
    with pytest.raises(WeightsError, match=r"is not the file that config\.json describes"):
        load_weights(folder)


def test_a_file_in_the_folders_place_is_left_alone(tiny, tmp_path):
    (tmp_path / "w").write_text("mine")
    with pytest.raises(ResultError):
        save_weights(tiny, tmp_path / "w")
    assert (tmp_path / "w").read_text() == "mine"


def test_other_files_in_the_folder_stay(tiny, folder):
    (folder / "notes.txt").write_text("mine")
    save_weights(tiny, folder)
    assert (folder / "notes.txt").read_text() == "mine"
