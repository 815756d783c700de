"""Time an epoch of the frozen baseline from cached features and through the backbone.

One way reads a view's feature from a bank and trains the linear layer; the other decodes a clip,
runs it through the frozen backbone and trains the same layer, as the released code does (there with
batch norm on batch statistics). Both train for one epoch from the same start, R(2+1)D-18 with
random weights. First the layer that comes out of the first way is compared with one trained on the
same views through the network. The bank is paid for once; what it costs is printed beside.

    python benchmarks/frozen.py [--samples 44] [--views 10] [--runs 3] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from command import add_run_options, script_parser, tell
from torch import nn

from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.config import (
    ClipSettings,
    DataSettings,
    FrozenSettings,
    ModelSettings,
    OptimiserSettings,
    RunSettings,
    TrainConfig,
)
from zsl_bench.baselines.training.data import TrainingSet
from zsl_bench.baselines.training.frozen import FeatureSource, feature_bank
from zsl_bench.baselines.training.loading import ClipSource, load_clip
from zsl_bench.baselines.training.losses import word_vector_loss
from zsl_bench.baselines.training.progress import Quiet
from zsl_bench.baselines.training.sampler import EpochPlan, sample_generator
from zsl_bench.classes import class_set_from_names
from zsl_bench.device import choose_device
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.features import FeatureBank

TOLERANCE = 1e-5
NAMES = ("swim", "run", "jump", "climb")


def generate(folder: Path, count: int) -> TrainingSet:
    """Encode videos of a drifting pattern, 75 frames of 320 x 240, and list them."""
    rows = []
    for number in range(count):
        rng = np.random.default_rng(number)
        scene = rng.integers(0, 255, (24, 32, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
        name = f"{number:05d}.mp4"
        rows.append(Video(id=name, label=NAMES[number % 4], path=name, group=name))
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for frame in range(75):
                picture = np.ascontiguousarray(scene[frame:, 2 * frame :][:240, :320])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    classes = class_set_from_names(NAMES, dataset="generated", source="benchmark")
    manifest = Manifest(
        dataset="generated", classes=classes, split="all", root=folder, videos=tuple(rows)
    )
    labels = np.array([classes.index(row.label) for row in rows])
    return TrainingSet(
        kind="videos", manifest=manifest, rows=tuple(rows), classes=classes, labels=labels
    )


def configuration(*, quick: bool, views: int, batch_size: int) -> TrainConfig:
    """Return the paper's settings, or those of a small trial."""
    clips = ClipSettings(size=32, short_side=40) if quick else ClipSettings()
    return TrainConfig(
        name="frozen-benchmark",
        data=DataSettings(dataset="generated", path="."),
        model=ModelSettings(family="frozen", dropout=0.0),
        clips=clips,
        optimiser=OptimiserSettings(batch_size=batch_size),
        frozen=FrozenSettings(views=views),
        run=RunSettings(workers=0),
    )


def targets(device: torch.device) -> Tensor:
    """Return a unit vector for each class; which one does not matter here."""
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(len(NAMES), 300)))
    return nn.functional.normalize(drawn.float(), dim=1).to(device)


def epoch(source: Any, plan: EpochPlan, layer: nn.Module, device: torch.device) -> None:  # noqa: ANN401
    """Train a layer for one epoch on what a source hands out."""
    optimiser = torch.optim.Adam([p for p in layer.parameters() if p.requires_grad], lr=1e-3)
    wanted = targets(device)
    for batch in source.batches(plan, replica=0, first_step=0):
        optimiser.zero_grad(set_to_none=True)
        outputs = layer(batch.inputs.to(device))
        word_vector_loss("unit-l2", outputs, wanted[batch.labels.to(device)]).backward()
        optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def frozen_network(device: torch.device) -> ZeroShotNetwork:
    """Return the network with only its linear layer to be trained."""
    network = create_network("r2plus1d_18", seed=0).to(device).eval()
    network.backbone.requires_grad_(requires_grad=False)
    network.dropout = nn.Dropout(0.0)
    return network


class SameViews:
    """A source that decodes the very views that a feature source draws."""

    def __init__(self, training_set: TrainingSet, config: TrainConfig) -> None:
        self.training_set = training_set
        self.config = config

    def batches(self, plan: EpochPlan, *, replica: int, first_step: int) -> Any:  # noqa: ANN401
        """Yield the clips behind each feature, with their labels."""
        seed, views = self.config.run.seed, self.config.frozen.views
        for step in range(first_step, plan.steps):
            positions = plan.positions(step, replica=replica)
            clips = []
            for position in positions.tolist():
                view = int(sample_generator(seed, plan.epoch, position).integers(views))
                clips.append(
                    load_clip(self.training_set, self.config, epoch=view, position=position)
                )
            labels = torch.from_numpy(self.training_set.labels[positions])
            yield argparse.Namespace(inputs=torch.from_numpy(np.stack(clips)), labels=labels)


def largest_difference(
    training_set: TrainingSet,
    config: TrainConfig,
    bank: FeatureBank,
    plan: EpochPlan,
    device: torch.device,
) -> float:
    """Train one layer from the bank and one through the network on the same views; compare."""
    fast, slow = frozen_network(device), frozen_network(device)
    epoch(FeatureSource(bank, training_set.labels, config), plan, fast.head, device)
    epoch(SameViews(training_set, config), plan, slow, device)
    pairs = zip(fast.head.parameters(), slow.head.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def seconds(run: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def benchmark(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Compare both ways, then time them in turn."""
    device = choose_device(arguments.device)
    samples = 4 if arguments.quick else arguments.samples
    batch_size = min(samples, 2 if arguments.quick else 22)
    views = 2 if arguments.quick else arguments.views
    config = configuration(quick=arguments.quick, views=views, batch_size=batch_size)
    training_set = generate(folder, samples)
    plan = EpochPlan(samples=samples, seed=0, epoch=0, batch_size=batch_size)
    network = frozen_network(device)
    started = time.perf_counter()
    bank = feature_bank(
        network,
        training_set,
        config,
        weights_digest="benchmark",
        folder=folder / "features",
        device=device,
        workers=arguments.workers,
        progress=Quiet(),
    )
    spent = time.perf_counter() - started
    difference = largest_difference(training_set, config, bank, plan, device)
    feature_source = FeatureSource(bank, training_set.labels, config)
    clip_source = ClipSource(training_set, config, workers=arguments.workers)
    cached, through = [], []
    for _ in range(1 if arguments.quick else arguments.runs):
        cached.append(seconds(lambda: epoch(feature_source, plan, network.head, device)))
        through.append(seconds(lambda: epoch(clip_source, plan, network, device)))
    return {
        "device": str(device),
        "samples": samples,
        "views": config.frozen.views,
        "difference": difference,
        "agree": difference <= TOLERANCE,
        "bank_s": round(spent, 3),
        "cached_epoch_s": round(statistics.median(cached), 5),
        "cached_range_s": [round(min(cached), 5), round(max(cached), 5)],
        "backbone_epoch_s": round(statistics.median(through), 3),
        "backbone_range_s": [round(min(through), 3), round(max(through), 3)],
        "ratio": round(statistics.median(through) / statistics.median(cached)),
        "break_even_epochs": round(spent / statistics.median(through), 1),
    }


def show(report: dict[str, Any]) -> None:
    """Print the comparison."""
    print(f"{report['samples']} samples, {report['views']} views, {report['device']}")
    print(f"largest difference of the two layers: {report['difference']:.1e}")
    for way, name in (("cached", "from the bank"), ("backbone", "through the backbone")):
        low, high = report[f"{way}_range_s"]
        print(f"epoch {name:21}{report[f'{way}_epoch_s']:10.4f} s  ({low:.4f} to {high:.4f})")
    print(f"ratio {report['ratio']}x; the bank took {report['bank_s']:.1f} s, as long as")
    print(f"{report['break_even_epochs']} epochs through the backbone")


def main() -> int:
    """Parse the arguments and run."""
    parser = script_parser(__doc__)
    add_run_options(parser, runs=3)
    parser.add_argument("--samples", type=int, default=44)
    parser.add_argument("--views", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = benchmark(arguments, Path(folder))
    tell(report, show, as_json=arguments.json)
    return 0 if report["agree"] else 1


if __name__ == "__main__":
    sys.exit(main())
