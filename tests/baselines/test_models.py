import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from zsl_bench import LoadOptions
from zsl_bench.baselines import models
from zsl_bench.baselines import published as published_table
from zsl_bench.baselines.models import (
    load_e2e,
    load_e2e_random,
    load_frozen,
    random_model,
    save_random,
)
from zsl_bench.baselines.weights import save_weights
from zsl_bench.classes import class_set_from_names
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.files import read_asset, sha256_file
from zsl_bench.hub import HubSnapshot
from zsl_bench.model import UsesWordVectors, ZeroShotModel
from zsl_bench.model_digest import weights_digest
from zsl_bench.testing import check_model
from zsl_bench.video import ClipSpec

SMALL = {"clip": ClipSpec(frames=4, size=32, short_side=36, dtype="float32"), "policy": "uniform-4"}


@pytest.mark.parametrize(("name", "load"), [("e2e", load_e2e), ("frozen", load_frozen)])
def test_without_weights_it_says_where_to_get_them(name, load):
    with pytest.raises(WeightsError) as caught:
        load(LoadOptions())
    assert f"model '{name}': no published weights" in str(caught.value)
    assert "with --weights DIR" in str(caught.value)


def test_a_random_initialisation_only_by_name():
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate()
    model = load_e2e_random(LoadOptions(allow_approximate=True))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    card = model.card
    assert card.name == "e2e-random"
    assert "random initialisation" in card.description
    assert (card.trained_on, card.pretrained_on, card.revision) == ((), (), None)
    assert (card.policy, card.pooling) == ("paper-25", "mean")
    assert card.clip == ClipSpec(
        frames=16, size=112, short_side=128, resize="brattoli2020", dtype="float32"
    )
    assert model.allow_approximate
    assert isinstance(model, ZeroShotModel)
    assert isinstance(model, UsesWordVectors)
    with pytest.raises(ModelError, match="random initialisation has no use for"):
        load_e2e_random(LoadOptions(weights=Path("w")))


@pytest.mark.parametrize("network", ["r2plus1d_18", "r3d_18"])
def test_the_baselines_keep_every_rule_on_small_clips(network):
    check_model(random_model(network=network, **SMALL))


def test_the_frozen_baseline_keeps_every_rule(tiny, tmp_path):
    tiny.config = models.NetworkConfig(family="frozen", network="tiny", dim=300)
    folder = save_weights(tiny, tmp_path / "w")
    check_model(load_frozen(LoadOptions(weights=folder)))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["r2plus1d_18", "c3d"])
def test_the_baselines_keep_every_rule(network):
    check_model(random_model(network=network))


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["r2plus1d_18", "r3d_18", "c3d"])
def test_the_baselines_keep_every_rule_on_a_gpu(network):
    check_model(random_model(network=network), device="cuda:0")


def test_a_saved_random_initialisation_loads_through_the_door(tmp_path):
    folder = save_random(tmp_path / "w", network="r3d_18", seed=5)
    model = load_e2e(LoadOptions(weights=folder))
    assert model.config.network == "r3d_18"
    assert weights_digest(model) == weights_digest(random_model(network="r3d_18", seed=5))
    with pytest.raises(WeightsError, match="family 'e2e'; name the model e2e"):
        load_frozen(LoadOptions(weights=folder))


def test_vectors_and_clips_are_the_networks(tiny):
    classes = class_set_from_names(["archery", "swimming"], dataset="d", source="s")
    rows = tiny.embed_classes(classes)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    clips = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (3, 4, 3, 8, 8), dtype=np.uint8)
    )
    with torch.no_grad():
        vectors, features = tiny.embed_clips(clips), tiny.features(clips)
        torch.testing.assert_close(vectors, tiny.network.head(features))
    assert features.shape == (3, 8)
    assert (vectors.norm(dim=1) - 1).abs().max() > 1e-3


def test_every_published_name_has_a_way_to_get_it():
    table = read_asset("weights.json")
    assert table["schema"] == 1
    assert table["weights"].keys() == {"e2e", "frozen"}
    for entry in table["weights"].values():
        assert entry["how"]
        if entry["published"] is not None:
            assert entry["published"].keys() == {"repo", "revision", "sha256"}


def test_published_weights_come_from_the_hub_and_are_checked(tiny, tmp_path, monkeypatch):
    folder = save_weights(tiny, tmp_path / "w")
    commit = "a" * 40
    published = {
        "repo": "org/e2e",
        "revision": commit,
        "sha256": sha256_file(folder / "model.safetensors"),
    }
    table = {"weights": {"e2e": {"published": published, "how": ""}}}
    asked = []

    def fetch(reference):
        asked.append(reference)
        return HubSnapshot(repo="org/e2e", commit=commit, path=folder)

    monkeypatch.setattr(published_table, "read_asset", lambda *_: json.loads(json.dumps(table)))
    monkeypatch.setattr(models, "fetch_weights", fetch)
    model = load_e2e(LoadOptions())
    assert asked == [f"org/e2e@{commit}"]
    assert model.source == f"hub:org/e2e@{commit}"
    assert weights_digest(model) == weights_digest(tiny)
    published["sha256"] = "0" * 64
    with pytest.raises(WeightsError, match="a digest other than the published one"):
        load_e2e(LoadOptions())
