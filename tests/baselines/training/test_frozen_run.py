"""The frozen baseline as a whole run: what it changes, and what it leaves alone."""

import pytest
import torch

from zsl_bench.baselines.training.config import TrainConfig
from zsl_bench.baselines.training.run import prepare, train
from zsl_bench.baselines.weights import load_weights
from zsl_bench.errors import DatasetError

SPECIAL = ("running_mean", "running_var", "num_batches_tracked")


def frozen(tiny_config, **frozen_settings) -> TrainConfig:
    return tiny_config(
        model={"family": "frozen"},
        frozen={"views": 3, **frozen_settings},
        optimiser={"epochs": 3},
    )


def changed(config, weights):
    """The keys of the network that differ from what training started from."""
    before = prepare(config).start.network.state_dict()
    after = load_weights(weights).state_dict()
    assert before.keys() == after.keys()
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_only_the_linear_layer_changes(tiny_config, tmp_path):
    config = frozen(tiny_config)
    report = train(config, tmp_path / "run")
    assert changed(config, report.weights) == {"head.weight", "head.bias"}
    assert load_weights(report.weights).config.family == "frozen"
    (bank,) = (tmp_path / "run" / "features").iterdir()
    assert sorted(path.name for path in bank.iterdir()) == ["bank.json", "features.npy"]


def test_the_released_variant_lets_batch_norm_run(tiny_config, tmp_path):
    config = frozen(tiny_config, batch_norm="released")
    report = train(config, tmp_path / "run")
    keys = changed(config, report.weights)
    assert {"head.weight", "head.bias"} < keys
    statistics = keys - {"head.weight", "head.bias"}
    assert statistics == {
        key for key in load_weights(report.weights).state_dict() if key.endswith(SPECIAL)
    }
    assert not (tmp_path / "run" / "features").exists()


def test_held_out_classes_are_scored_by_the_network_behind_the_layer(tiny_config, tmp_path):
    config = frozen(tiny_config)
    config = tiny_config(
        model={"family": "frozen"},
        frozen={"views": 2},
        validation={"held_out": 0.4, "select": "best"},
    )
    report = train(config, tmp_path / "run")
    assert 0 <= report.held_out_top1 <= 1
    assert changed(config, report.weights) == {"head.weight", "head.bias"}


def test_too_many_unreadable_samples_end_the_run(tiny_config, training_videos, tmp_path):
    folder = tmp_path / "videos"
    for source in training_videos.rglob("*.mp4"):
        target = folder / source.relative_to(training_videos)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (folder / "archery" / "v1.mp4").write_bytes(b"no video")
    config = frozen(tiny_config)
    with pytest.raises(DatasetError, match="1 of 24 samples unreadable"):
        train(tiny_config(data={"path": str(folder)}, model={"family": "frozen"}), tmp_path / "a")
    allowed = tiny_config(
        data={"path": str(folder), "max_unreadable": 0.1},
        model={"family": "frozen"},
        frozen=vars(config.frozen),
    )
    report = train(allowed, tmp_path / "b")
    assert report.unreadable == 1
    assert "archery/v1" in (tmp_path / "b" / "unreadable.csv").read_text()
