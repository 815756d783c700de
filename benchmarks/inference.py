"""What each technique of inference gives over a plain loop of the network, and what it changes.

One line a technique: clips a second over those of the plain fp32 loop, how far the vectors move
(relative to their length, the worst clip), and how many of the clips change their nearest of 101
random class vectors. The ways take turns; the figures are medians. On a CPU the ratio of processor
time stands beside that of wall time: on a shared machine it is the steadier one.

    python benchmarks/inference.py [--network r2plus1d_18] [--clips 4] [--runs 5] [--compile]
                                   [--device cuda] [--threads N] [--quick] [--json]

With ``--device cuda`` it also prints the share of the peak that a large matrix product measures on
the card, and with ``--videos`` how many videos a second a whole evaluation of generated videos
takes beside the rate of the network alone. ``--quick`` only checks the vectors, on a small network.
The exit code is 1 where vectors differ by more than 1e-5 (fp32) or 1e-2 (bf16), or, in a full run
of R(2+1)D-18 on a CPU, where fp32 is under three quarters of its goal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from torch import nn

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.inference import flatten_convolutions, fold_batch_norms
from zsl_bench.baselines.models import PAPER_CLIP
from zsl_bench.baselines.networks import ARCHITECTURES, create_network
from zsl_bench.classes import class_set_from_names
from zsl_bench.device import Acceleration, exact_fp32
from zsl_bench.evaluation import evaluate
from zsl_bench.evaluation.accelerate import forward_of
from zsl_bench.model import ModelCard

if TYPE_CHECKING:
    from collections.abc import Callable

GOAL, FLOOR = 1.9, 0.75
MOST = {"fp32": 1e-5, "bf16": 1e-2}
CLASSES = 101
GFLOP = {"r2plus1d_18": 81.0, "r3d_18": 81.4, "c3d": 77.1}
"""Operations of one clip of 16 x 112 x 112, in thousands of millions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """One technique.

    Attributes:
        name: What it is called in the table.
        run: Clips on the device to vectors.
        precision: ``fp32`` or ``bf16``.
        batch: Clips handed over at once.
    """

    name: str
    run: Callable[[torch.Tensor], torch.Tensor]
    precision: str
    batch: int


def lived_in(name: str) -> nn.Module:
    """Return a network whose batch norms have statistics as after training."""
    network = create_network(name, seed=0).eval()
    random = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm3d):
            shape = norm.weight.shape
            with torch.no_grad():
                norm.running_mean.copy_(torch.randn(shape, generator=random) * 0.1)
                norm.running_var.copy_(torch.rand(shape, generator=random) + 0.5)
                norm.weight.copy_(torch.rand(shape, generator=random) + 0.5)
                norm.bias.copy_(torch.randn(shape, generator=random) * 0.1)
    return network


def coloured(count: int) -> torch.Tensor:
    """Return clips that differ: fields of colour that drift, each with a contrast of its own."""
    random = torch.Generator().manual_seed(3)
    coarse = torch.rand((count, 3, 4, 6, 6), generator=random) * 255
    contrast = torch.rand((count, 3, 1, 1, 1), generator=random)
    smooth = nn.functional.interpolate(coarse * contrast, size=(16, 112, 112), mode="trilinear")
    return smooth.transpose(1, 2).contiguous()


def copied(
    network: nn.Module, name: str, *, last: bool, folded: bool, flat: bool = False
) -> nn.Module:
    """Return a copy of a network with some of the techniques."""
    made = create_network(name, seed=0).eval()
    made.load_state_dict(network.state_dict())
    made = made.to(next(network.parameters()).device)
    if folded:
        fold_batch_norms(made)
    if flat:
        flatten_convolutions(made)
    if last:
        for module in made.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
    return made


def model_of(network: nn.Module, name: str) -> BaselineModel:
    """Return the network as the package evaluates it."""
    card = ModelCard(name="mine", clip=PAPER_CLIP, trained_on=(), pretrained_on=())
    config = NetworkConfig(family="e2e", network=name, dim=300)
    return BaselineModel(network, config=config, card=card, allow_approximate=True)


def shipped(
    network: nn.Module, name: str, device: torch.device, precision: str, *, compiled: bool = False
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what ``evaluate`` calls for every batch."""
    model = model_of(network, name)
    model.accelerate(Acceleration(precision=precision, device=device.type, compiled=compiled))
    classes = class_set_from_names(("a", "b"), dataset="two", source="here")
    return forward_of(model, classes, precision=precision, device=device, compiled=compiled)


def ways(
    network: nn.Module, name: str, device: torch.device, args: argparse.Namespace
) -> list[Way]:
    """Return the techniques in the order of the table, the plain loop first."""
    batch = args.clips
    steps = {
        "channels last": copied(network, name, last=True, folded=False),
        "channels last, batch norm folded": copied(network, name, last=True, folded=True),
        "the same, convolutions in two dimensions": copied(
            network, name, last=True, folded=True, flat=True
        ),
    }
    found = [Way(name="plain loop", run=network, precision="fp32", batch=batch)]
    found += [Way(name=n, run=run, precision="fp32", batch=batch) for n, run in steps.items()]
    fast = shipped(network, name, device, "fp32")
    brief = shipped(network, name, device, "bf16")
    for size in sorted({1, batch}):
        found.append(
            Way(name=f"--inference fast, batch {size}", run=fast, precision="fp32", batch=size)
        )
        found.append(
            Way(name=f"--precision bf16, batch {size}", run=brief, precision="bf16", batch=size)
        )
    if args.compile:
        for precision in ("fp32", "bf16"):
            run = shipped(network, name, device, precision, compiled=True)
            found.append(
                Way(name=f"--compile {precision}", run=run, precision=precision, batch=batch)
            )
    return found


def vectors_of(way: Way, clips: torch.Tensor) -> torch.Tensor:
    """Return the vectors of all clips, float32 on the CPU."""
    with torch.no_grad(), exact_fp32(way.precision):
        rows = [way.run(part).float() for part in clips.split(way.batch)]
        return torch.cat(rows).cpu()


def seconds(way: Way, clips: torch.Tensor) -> tuple[float, float]:
    """Return wall and processor time of one pass over the clips."""
    wall, processor = time.perf_counter(), time.process_time()
    vectors_of(way, clips)
    return time.perf_counter() - wall, time.process_time() - processor


def measure(found: list[Way], clips: torch.Tensor, runs: int) -> list[dict[str, Any]]:
    """Compare every way with the first one."""
    random = np.random.default_rng(1)
    classes = torch.from_numpy(random.standard_normal((CLASSES, 300))).float()
    classes = nn.functional.normalize(classes, dim=1)
    expected = vectors_of(found[0], clips)
    nearest = (nn.functional.normalize(expected, dim=1) @ classes.T).argmax(1)
    rows: list[dict[str, Any]] = []
    for way in found:
        vectors = vectors_of(way, clips)
        error = float(((vectors - expected).norm(dim=1) / expected.norm(dim=1)).max())
        changed = (nn.functional.normalize(vectors, dim=1) @ classes.T).argmax(1) != nearest
        rows.append(
            {
                "way": way.name,
                "precision": way.precision,
                "relative_error": error,
                "top1_changed": float(changed.float().mean()),
                "agrees": error <= MOST[way.precision],
            }
        )
    times = [[seconds(way, clips) for way in found] for _ in range(runs)]
    for place, row in enumerate(rows if runs else ()):
        ratios = [one[0][0] / one[place][0] for one in times]
        row["clips_per_second"] = len(clips) / statistics.median(one[place][0] for one in times)
        row["ratio"] = statistics.median(ratios)
        row["spread"] = [min(ratios), max(ratios)]
        row["processor_ratio"] = statistics.median(one[0][1] / one[place][1] for one in times)
    return rows


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the operations a second of a large matrix product on a card."""
    side, repeats = 8192, 20
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    with exact_fp32("fp32"):
        best = float("inf")
        for _ in range(4):
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            for _ in range(repeats):
                torch.mm(a, b)
            torch.cuda.synchronize(device)
            best = min(best, (time.perf_counter() - start) / repeats)
    return 2 * side**3 / best


def add_peak(rows: list[dict[str, Any]], name: str, device: torch.device) -> None:
    """Add to every row the share of the card's measured matrix peak."""
    peaks = {
        "fp32": matrix_peak(device, torch.float32),
        "bf16": matrix_peak(device, torch.bfloat16),
    }
    for row in rows:
        if "clips_per_second" in row and name in GFLOP:
            used = row["clips_per_second"] * GFLOP[name] * 1e9
            row["share_of_peak"] = used / peaks[row["precision"]]


def end_to_end(
    network: nn.Module, name: str, device: torch.device, args: argparse.Namespace
) -> dict[str, Any]:
    """Evaluate generated videos, decoding included, and say how many there were a second."""
    random = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(args.videos):
            path = Path(scratch, ("one", "two")[number % 2], f"{number}.avi")
            path.parent.mkdir(exist_ok=True)
            _write(path, random)
        (result,) = evaluate(
            model_of(network, name), data={"mine": scratch}, protocols="full",
            device=str(device), precision=args.precision, allow_approximate=True,
            compile=args.compile,
        )  # fmt: skip
    environment = result.environment
    return {
        "videos": args.videos,
        "videos_per_second": args.videos / environment["seconds"],
        "batch_size": environment["batch_size"],
        "workers": environment["workers"],
    }


def _write(path: Path, random: np.random.Generator) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        base = random.integers(0, 256, (30, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        for number in range(180):
            frame = av.VideoFrame.from_ndarray(np.roll(base, number, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print one line a technique."""
    for row in rows:
        line = f"{row['way']:44s} error {row['relative_error']:.1e}"
        line += f"  top-1 changed {row['top1_changed']:.1%}"
        if "ratio" in row:
            low, high = row["spread"]
            line += (
                f"  {row['ratio']:.2f}x ({low:.2f} to {high:.2f}), {row['clips_per_second']:.2f}"
            )
            line += f" clips/s, processor time {row['processor_ratio']:.2f}x"
        if "share_of_peak" in row:
            line += f", {row['share_of_peak']:.0%} of the matrix peak"
        print(line if row["agrees"] else f"{line}  DIFFERS")


def passes(rows: list[dict[str, Any]], args: argparse.Namespace) -> bool:
    """Say whether all vectors agree and, where there is one, the goal is near."""
    if not all(row["agrees"] for row in rows):
        return False
    if not args.runs or args.device != "cpu" or args.network != "r2plus1d_18":
        return True
    best = max(row["ratio"] for row in rows if row["precision"] == "fp32")
    return best >= FLOOR * GOAL


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=sorted(ARCHITECTURES), default="r2plus1d_18")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--clips", type=int, default=4, help="clips in a batch")
    parser.add_argument("--batches", type=int, default=1, help="batches in a pass")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, help="threads of the network on a CPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well")
    parser.add_argument("--videos", type=int, default=0, help="videos for the end-to-end rate")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--quick", action="store_true", help="only whether the vectors agree")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and return the exit code."""
    args = arguments()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("inference.py: there is no CUDA device; leave --device out", file=sys.stderr)
        return 2
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.quick:
        args.network, args.runs, args.videos = "r2plus1d_tiny", 0, 0
    device = torch.device(args.device)
    network = lived_in(args.network).to(device)
    clips = coloured(args.clips * args.batches).to(device)
    rows = measure(ways(network, args.network, device, args), clips, args.runs)
    if device.type == "cuda" and args.runs:
        add_peak(rows, args.network, device)
    report: dict[str, Any] = {
        "network": args.network,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "ways": rows,
        "agrees": all(row["agrees"] for row in rows),
    }
    if args.videos:
        report["end_to_end"] = end_to_end(network, args.network, device, args)
    if args.json:
        print(json.dumps(report))
    else:
        print_table(rows)
        if args.videos:
            print("end to end:", ", ".join(f"{k} {v:.4g}" for k, v in report["end_to_end"].items()))
    return 0 if passes(rows, args) else 1


if __name__ == "__main__":
    sys.exit(main())
