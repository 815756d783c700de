"""The loop against a plain one written here, and what it does to the loss."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.config import OptimiserSettings
from zsl_bench.baselines.training.data import candidate_classes, open_training_data, select_samples
from zsl_bench.baselines.training.loading import load_clip
from zsl_bench.baselines.training.precision import exact_time_convolutions
from zsl_bench.baselines.training.run import train
from zsl_bench.baselines.training.sampler import EpochPlan, dropout_seed
from zsl_bench.baselines.weights import load_weights
from zsl_bench.errors import DatasetError, ModelError
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig


def _plain_training(config: TrainConfig, rates: list[float]) -> dict[str, torch.Tensor]:
    """Train as one would by hand: no loader, no checkpoints, the loss written out."""
    manifest = open_training_data(config.data)
    classes, _ = candidate_classes(manifest, config.data)
    data = select_samples(manifest, classes, config)
    vectors = torch.tensor(class_vectors(data.classes).matrix)
    network = create_network(config.model.network, seed=config.run.seed).train()
    adam = torch.optim.Adam(network.parameters(), lr=rates[0])
    total = 0
    for epoch, rate in enumerate(rates):
        adam.param_groups[0]["lr"] = rate
        plan = EpochPlan(
            samples=len(data), seed=config.run.seed, epoch=epoch,
            batch_size=config.optimiser.batch_size,
        )  # fmt: skip
        for step in range(plan.steps):
            chosen = [int(p) for p in plan.positions(step)]
            clips = np.stack([load_clip(data, config, epoch=epoch, position=p) for p in chosen])
            with torch.random.fork_rng():
                torch.manual_seed(dropout_seed(config.run.seed, total, 0))
                outputs = network(torch.from_numpy(clips))
            unit = outputs / outputs.norm(dim=1, keepdim=True)
            loss = ((unit - vectors[data.labels[chosen]]) ** 2).sum(dim=1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += 1
    return network.state_dict()


def _metrics(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def test_the_loop_is_a_plain_loop(tiny_config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    config = tiny_config()
    report = train(config, tmp_path / "run")
    wanted = _plain_training(config, [1e-3, 1e-4])
    found = load_weights(report.weights).state_dict()
    assert wanted.keys() == found.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-6, msg=key)
    assert report.steps == 12
    assert not report.stopped


def test_the_paper_s_learning_rates() -> None:
    settings = OptimiserSettings()
    rates = {epoch: settings.learning_rate_at(epoch) for epoch in (0, 59, 60, 119, 120, 149)}
    assert rates == pytest.approx({0: 1e-3, 59: 1e-3, 60: 1e-4, 119: 1e-4, 120: 1e-5, 149: 1e-5})


def test_metrics_hold_the_learning_rate_of_every_epoch(tiny_config, tmp_path: Path) -> None:
    train(tiny_config(), tmp_path / "run")
    rows = _metrics(tmp_path / "run")
    rates = {int(row["epoch"]): float(row["learning_rate"]) for row in rows}
    assert rates == pytest.approx({0: 1e-3, 1: 1e-4})
    steps = [int(row["step"]) for row in rows if row["kind"] == "step"]
    assert steps == list(range(1, 13))


def test_a_few_clips_are_learned_by_heart(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(
        data={"num_samples": 4, "subset": "even"},
        clips={"flip": False},
        optimiser={"epochs": 60, "batch_size": 4, "milestones": (45,), "learning_rate": 5e-3},
        model={"dropout": 0.0},
        run={"log_every": 1000},
    )
    report = train(config, tmp_path / "run")
    first = float(_metrics(tmp_path / "run")[0]["loss"])
    assert first > 1.0
    assert report.loss < 0.1


def test_a_batch_in_parts_has_the_gradient_of_the_whole(tiny_config, tmp_path: Path) -> None:
    """Only the linear layer is trained, so that batch norm does not tell parts from the whole."""
    base: dict[str, Any] = {
        "model": {"family": "frozen", "dropout": 0.0},
        "frozen": {"views": 2},
        "run": {"log_every": 1000},
    }
    states = []
    for accumulate in (1, 3):
        config = tiny_config(**base, optimiser={"accumulate": accumulate})
        report = train(config, tmp_path / f"run{accumulate}")
        states.append(load_weights(report.weights).state_dict())
    for key, tensor in states[0].items():
        torch.testing.assert_close(states[1][key], tensor, rtol=1e-4, atol=1e-6, msg=key)


def test_a_gradient_limit_changes_the_steps(tiny_config, tmp_path: Path) -> None:
    free = train(tiny_config(), tmp_path / "free")
    tight = train(tiny_config(optimiser={"clip_gradient": 1e-9}), tmp_path / "tight")
    loose = train(tiny_config(optimiser={"clip_gradient": 1e9}), tmp_path / "loose")
    states = [load_weights(r.weights).state_dict()["head.weight"] for r in (free, tight, loose)]
    assert torch.equal(states[0], states[2])
    assert not torch.equal(states[0], states[1])


def test_a_loss_that_is_no_number_stops_the_run(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(
        optimiser={"learning_rate": 1e30, "epochs": 3}, run={"checkpoint_every": 1}
    )
    with pytest.raises(ModelError, match=r"not a finite number; .*lower optimiser.learning_rate"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "weights").exists()


@pytest.mark.parametrize("option", ["channels_last", "bf16"])
def test_layout_and_precision_change_the_weights_little(tiny_config, tmp_path, option) -> None:
    change: dict[str, Any] = {"precision": "bf16"} if option == "bf16" else {"channels_last": True}
    one = {"optimiser": {"epochs": 1, "max_clips_per_epoch": 4}}
    plain = load_weights(train(tiny_config(**one), tmp_path / "a").weights).state_dict()
    other = load_weights(train(tiny_config(**one, run=change), tmp_path / "b").weights).state_dict()
    mean = "backbone.stem.1.running_mean"
    key = mean if mean in plain else next(k for k in plain if k.endswith("running_mean"))
    tolerance = 0.05 if option == "bf16" else 1e-4
    torch.testing.assert_close(other[key], plain[key], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", [(3, 1, 1), (3, 3, 3)])
def test_gradients_over_two_time_steps_survive_half_precision(kernel: tuple[int, ...]) -> None:
    """The CPU's own kernel reads memory that nobody wrote there."""
    padding = tuple(side // 2 for side in kernel)
    gradients = []
    for half in (False, True):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv3d(48, 32, kernel, padding=padding, bias=False))
        exact_time_convolutions(network)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = network(torch.randn(4, 48, 2, 7, 7))
        outputs.float().square().sum().backward()
        gradients.append(network[0].weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-2)


def test_half_precision_trains_the_paper_s_network(tiny_config, tmp_path: Path) -> None:
    config = tiny_config(
        model={"network": "r2plus1d_18"}, run={"precision": "bf16"}, data={"num_samples": 4},
        optimiser={"epochs": 2},
    )  # fmt: skip
    report = train(config, tmp_path / "run")
    assert 0 < report.loss < 3


def test_too_many_unreadable_samples_stop_the_run(tiny_config, training_videos, tmp_path) -> None:
    import shutil

    root = tmp_path / "videos"
    shutil.copytree(training_videos, root)
    (root / "archery" / "v1.mp4").write_bytes(b"no video at all")
    with pytest.raises(DatasetError, match=r"1 of 24 samples unreadable: archery/v1.mp4"):
        train(tiny_config(data={"path": str(root)}), tmp_path / "strict")
    config = tiny_config(data={"path": str(root), "max_unreadable": 0.05})
    report = train(config, tmp_path / "lenient")
    assert report.unreadable == 1
    listed = (tmp_path / "lenient" / "unreadable.csv").read_text()
    assert "archery/v1.mp4" in listed
    assert "not a video file" in listed
