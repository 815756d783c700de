"""Training steps a second, against the loop that one writes first.

"Plain" reads a whole video with OpenCV, converts and resizes every frame, takes the random clip,
and steps: no workers, no checkpoints, no metrics. "Ours" is ``zsl_bench.baselines.training`` with
all that it keeps, decoding in the same process; "ours, 1 worker" decodes in another one. All train
the same network from the same start on the same clips; first it is checked that the
losses of two steps agree.

The ways take turns; a ratio is one of wall-clock times in a run, the table has the median and the
range. One thread computes.

    python benchmarks/training.py [--network NAME] [--steps 6] [--runs 5] [--quick] [--json]

``--quick`` only checks that the losses agree; the exit code is 1 where they do not.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from loader import GENERATED, generate
from training_clips import whole

import zsl_bench.baselines.training.run as ours
from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.config import (
    AuditSettings,
    DataSettings,
    ModelSettings,
    OptimiserSettings,
    RunSettings,
    TrainConfig,
    with_settings,
)
from zsl_bench.baselines.training.losses import word_vector_loss
from zsl_bench.baselines.training.sampler import EpochPlan, dropout_seed, sample_generator

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("swimming", "juggling balls", "milking cow", "surfing water")
BATCH = 4
TOLERANCE = 1e-4


def plain(config: TrainConfig, steps: int) -> tuple[list[float], float]:
    """Train as one would first write it; return the losses and the seconds of the loop."""
    prepared = ours.prepare(config)
    data, network = prepared.training_set, create_network(config.model.network, seed=0).train()
    targets = torch.from_numpy(prepared.classes.matrix)
    adam = torch.optim.Adam(network.parameters(), lr=config.optimiser.learning_rate)
    plan = EpochPlan(samples=len(data), seed=0, epoch=0, batch_size=BATCH)
    losses = []
    started = time.perf_counter()
    for step in range(steps):
        chosen = [int(position) for position in plan.positions(step)]
        clips = [whole(data.path(p), sample_generator(0, 0, p)) for p in chosen]
        torch.manual_seed(dropout_seed(0, step, 0))
        outputs = network(torch.from_numpy(np.stack(clips)))
        loss = word_vector_loss("unit-l2", outputs, targets[data.labels[chosen]])
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses, time.perf_counter() - started


def package(config: TrainConfig, folder: Path) -> tuple[list[float], float]:
    """Train with the package; return the losses and the seconds of its loop."""
    report = ours.train(config, folder)
    with (folder / "metrics.csv").open() as rows:
        losses = [float(row["loss"]) for row in csv.DictReader(rows) if row["kind"] == "step"]
    return losses, report.seconds


def make_data(root: Path, videos: int) -> None:
    """Link one generated UCF101-size video into class folders as many times as asked."""
    source = generate(root, GENERATED["ucf"])
    for number in range(videos):
        place = root / "videos" / NAMES[number % len(NAMES)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"v{number}.avi").symlink_to(source)


def configure(root: Path, network: str, steps: int) -> TrainConfig:
    """Return a configuration of one epoch of that many steps."""
    return TrainConfig(
        name="benchmark",
        data=DataSettings(dataset="benchmark", path=str(root / "videos")),
        model=ModelSettings(network=network),
        audit=AuditSettings(against=("hmdb51",)),
        optimiser=OptimiserSettings(epochs=1, batch_size=BATCH, max_clips_per_epoch=BATCH * steps),
        run=RunSettings(device="cpu", workers=0),
    )


def largest_difference(config: TrainConfig, root: Path) -> float:
    """Train two steps both ways and compare the losses."""
    short = with_settings(
        config, optimiser={"max_clips_per_epoch": 2 * BATCH}, run={"log_every": 1}
    )
    one, _ = plain(short, 2)
    other, _ = package(short, root / "check")
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def measure(config: TrainConfig, root: Path, runs: int, steps: int) -> list[dict[str, Any]]:
    """Time every way, the ways taking turns run by run."""
    ways: dict[str, Callable[[Path], float]] = {
        "plain": lambda _: plain(config, steps)[1],
        "ours": lambda folder: package(config, folder)[1],
        "ours, 1 worker": lambda folder: package(with_settings(config, run={"workers": 1}), folder)[
            1
        ],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs):
        for number, (way, train) in enumerate(ways.items()):
            seconds[way].append(train(root / f"run{run}-{number}"))
    rows = []
    for way, taken in seconds.items():
        ratios = [a / b for a, b in zip(seconds["plain"], taken, strict=True)]
        rows.append(
            {
                "way": way,
                "steps_per_s": round(steps / statistics.median(taken), 2),
                "ratio": round(statistics.median(ratios), 2),
                "lowest": round(min(ratios), 2),
                "highest": round(max(ratios), 2),
            }
        )
    return rows


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", default="r2plus1d_tiny")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_data(root, BATCH * max(arguments.steps, 2))
        config = configure(root, arguments.network, arguments.steps)
        difference = largest_difference(config, root)
        agree = difference <= TOLERANCE
        rows = [] if arguments.quick else measure(config, root, arguments.runs, arguments.steps)
    if arguments.json:
        print(json.dumps({"difference": difference, "agree": agree, "rows": rows}))
        return 0 if agree else 1
    print(f"losses of two steps differ by at most {difference:.1e}")
    for row in rows:
        print(
            f"{row['way']:>16}: {row['steps_per_s']:7.2f} steps/s, "
            f"{row['ratio']:.2f}x ({row['lowest']:.2f} to {row['highest']:.2f})"
        )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
