"""Several processes against one that forwards their shards one after another."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.data import candidate_classes, open_training_data, select_samples
from zsl_bench.baselines.training.loading import load_clip
from zsl_bench.baselines.training.sampler import EpochPlan, dropout_seed
from zsl_bench.baselines.weights import load_weights
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig


def _shards_in_turn(config: TrainConfig, replicas: int) -> dict[str, torch.Tensor]:
    """Forward each replica's shard in turn and average the gradients.

    Every shard starts from the first replica's running statistics, and only the first one's go on.
    """
    manifest = open_training_data(config.data)
    classes, _ = candidate_classes(manifest, config.data)
    data = select_samples(manifest, classes, config)
    vectors = torch.tensor(class_vectors(data.classes).matrix)
    network = create_network(config.model.network, seed=config.run.seed).train()
    adam = torch.optim.Adam(network.parameters(), lr=config.optimiser.learning_rate)
    total = 0
    for epoch in range(config.optimiser.epochs):
        plan = EpochPlan(
            samples=len(data), seed=config.run.seed, epoch=epoch,
            batch_size=config.optimiser.batch_size, replicas=replicas,
            max_clips=config.optimiser.max_clips_per_epoch,
        )  # fmt: skip
        adam.param_groups[0]["lr"] = config.optimiser.learning_rate_at(epoch)
        for step in range(plan.steps):
            adam.zero_grad()
            before = {k: b.clone() for k, b in network.named_buffers()}
            for replica in range(replicas):
                for key, buffer in network.named_buffers():
                    buffer.copy_(before[key])
                chosen = [int(p) for p in plan.positions(step, replica=replica)]
                clips = [load_clip(data, config, epoch=epoch, position=p) for p in chosen]
                with torch.random.fork_rng():
                    torch.manual_seed(dropout_seed(config.run.seed, total, replica))
                    outputs = network(torch.from_numpy(np.stack(clips)))
                unit = outputs / outputs.norm(dim=1, keepdim=True)
                loss = ((unit - vectors[data.labels[chosen]]) ** 2).sum(dim=1).mean()
                (loss / replicas).backward()
                if replica == 0:
                    first = {k: b.clone() for k, b in network.named_buffers()}
            for key, buffer in network.named_buffers():
                buffer.copy_(first[key])
            adam.step()
            total += 1
    return network.state_dict()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _launch(config: TrainConfig, folder: Path, processes: int, *more: str) -> str:
    toml = folder.with_suffix(".toml")
    lines = [f'name = "{config.name}"']
    for section, values in config.to_json().items():
        if isinstance(values, dict):
            lines.append(f"[{section}]")
            lines += [f"{k} = {json.dumps(v)}" for k, v in values.items() if v is not None]
    toml.write_text("\n".join(lines))
    ran = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
            "--master-addr", "127.0.0.1", "--master-port", str(_free_port()),
            "-m", "zsl_bench", "train", str(toml), "--out", str(folder), *more,
        ],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("network", ["r2plus1d_18", "r2plus1d_tiny"])
def test_two_processes_are_two_shards_in_turn(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path, network: str
) -> None:
    clips = {"frames": 2, "size": 16, "short_side": 20, "policy": "first-2"}
    config = tiny_config(
        model={"network": network},
        clips=clips if network == "r2plus1d_18" else {},
        optimiser={"batch_size": 3, "epochs": 2, "max_clips_per_epoch": 6},
    )
    _launch(config, tmp_path / "two", 2)
    wanted = _shards_in_turn(config, 2)
    found = load_weights(tmp_path / "two" / "weights").state_dict()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=1e-5, msg=key)
    start = create_network(network, seed=0).state_dict()
    assert not torch.allclose(start["head.weight"], wanted["head.weight"], atol=1e-5)


@pytest.mark.slow
def test_two_processes_validate_resume_and_train_the_frozen_baseline(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = tiny_config(
        model={"family": "frozen"},
        frozen={"views": 2},
        validation={"held_out": 0.34, "select": "best"},
    )
    stdout = _launch(config, tmp_path / "run", 2, "--json")
    report = json.loads(stdout)
    assert report["held_out_top1"] is not None
    assert report["held_out_classes"] == 2
    again = json.loads(_launch(config, tmp_path / "run", 2, "--resume", "--json"))
    assert again["steps"] == report["steps"] == 4
