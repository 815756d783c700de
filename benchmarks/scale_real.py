"""A real evaluation in one process and in two, beside what the simulation says."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from loader import GENERATED, generate
from scale_model import Cluster, Workload, simulate

from zsl_bench.evaluation.store import block_size
from zsl_bench.video import ClipSpec, clip_policy, load_clips

RECIPE: dict[str, Any] = GENERATED["ucf"]
POLICY, BATCH = "official-25", 16
CASES = {"the device binds": 0.006, "decoding binds": 0.0005}
CLASSES = ("red", "green", "blue", "grey")
MODEL = """
import os
import time

import torch

import zsl_bench


class Waiting:
    card = zsl_bench.ModelCard(
        name="waiting", revision="1", policy="official-25", trained_on=(), pretrained_on=(),
        clip=zsl_bench.ClipSpec(frames=16, size=112, short_side=128),
    )

    def embed_classes(self, classes):
        return torch.tensor([[len(name), name.count("e"), 1.0] for name in classes.names])

    def embed_clips(self, clips):
        time.sleep(float(os.environ["SECONDS_PER_CLIP"]) * len(clips))
        return clips[:, 0, :, ::28, ::28].float().mean(dim=(2, 3)) / 255


def load(options):
    return Waiting()
"""


def compare_with_torchrun(videos: int, *, quick: bool) -> dict[str, Any]:
    """Evaluate some videos with one process and with two, for a slow device and a fast one.

    Returns:
        ``agree``, whether the vectors and the kept blocks are the same, and for each case the
        seconds that were measured and simulated. To the simulated ones the start of the decoding
        processes is added, from a run over one block.
    """
    videos = min(videos, 12) if quick else videos
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = _prepare(folder, videos, frames=30 if quick else RECIPE["frames"])
        decode, clips = _decode_seconds(video, runs=1 if quick else 7)
        start = 0.0 if quick else _start_seconds(folder, decode, clips)
        cases = {"the device binds": CASES["the device binds"]} if quick else CASES
        rows = []
        for case, clip_seconds in cases.items():
            work = _workload(videos, decode, clips * clip_seconds)
            rows.extend(_case(folder, (case, clip_seconds), work, start))
    return {
        "agree": all(row["same_vectors"] for row in rows),
        "decode_seconds": decode,
        "clips": clips,
        "start_seconds": start,
        "rows": rows,
    }


def _workload(videos: int, decode: float, model: float) -> Workload:
    return Workload(
        videos=videos,
        block=block_size(BATCH, clip_policy(POLICY).clips),
        size_bytes=0,
        decode_seconds=decode,
        model_seconds=model,
    )


def _cluster(processes: int) -> Cluster:
    return Cluster(processes=processes, workers=1, bandwidth=1.0, latency=0.0)


def _start_seconds(folder: Path, decode: float, clips: int) -> float:
    """Return what a run over one block takes beyond what the simulation says."""
    clip_seconds = CASES["decoding binds"]
    few = _workload(block_size(BATCH, clip_policy(POLICY).clips), decode, clips * clip_seconds)
    for number in range(few.videos):
        place = folder / "few" / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.avi").write_bytes((folder / RECIPE["name"]).read_bytes())
    result = _evaluate(folder, "few", 1, clip_seconds)
    real: float = result["environment"]["seconds"]
    return max(real - simulate(few, _cluster(1)).seconds, 0.0)


def _prepare(folder: Path, videos: int, *, frames: int) -> Path:
    (folder / "waiting.py").write_text(MODEL)
    made = generate(folder, {**RECIPE, "frames": frames})
    for number in range(videos):
        place = folder / "videos" / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:04d}.avi").write_bytes(made.read_bytes())
    return made


def _decode_seconds(video: Path, *, runs: int) -> tuple[float, int]:
    torch.set_num_threads(1)
    policy, spec = clip_policy(POLICY), ClipSpec()
    clips, seconds = len(load_clips(video, policy, spec).slots), []
    for _ in range(runs):
        started = time.perf_counter()
        load_clips(video, policy, spec)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), clips


def _case(
    folder: Path, case: tuple[str, float], work: Workload, start: float
) -> list[dict[str, Any]]:
    name, clip_seconds = case
    rows: list[dict[str, Any]] = []
    for processes in (1, 2):
        result = _evaluate(folder, "videos", processes, clip_seconds)
        simulated = start + simulate(work, _cluster(processes)).seconds
        real = result["environment"]["seconds"]
        rows.append(
            {
                "case": f"{name}, {processes} process{'es' * (processes > 1)}",
                "blocks": result["blocks"],
                "arrays": result["arrays"],
                "real_s": real,
                "simulated_s": round(simulated, 3),
                "ratio": round(real / simulated, 3),
            }
        )
    first = rows[0]["arrays"]
    for row in rows:
        row["same_vectors"] = row.pop("arrays") == first and row["blocks"] == work.blocks
    return rows


def _evaluate(folder: Path, data: str, processes: int, clip_seconds: float) -> dict[str, Any]:
    out = Path(tempfile.mkdtemp(dir=folder))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        *(sys.executable, *(launcher if processes > 1 else ())),
        *("-m", "zsl_bench", "evaluate", "--model", "path:waiting.py"),
        *("--data", f"colours={data}", "--workers", "1", "--batch-size", str(BATCH)),
        *("--device", "cpu", "--json", "--out", str(out)),
    ]
    environment = {"OMP_NUM_THREADS": "1", "SECONDS_PER_CLIP": str(clip_seconds)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"evaluate failed: {done.stderr.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(done.stdout)[0]
    return {**result, "blocks": len(list(out.glob("vectors/*/*.npz")))}


def show_real(found: dict[str, Any]) -> None:
    """Print the comparison."""
    print(f"decoding {1000 * found['decode_seconds']:.1f} ms, {found['clips']} clips a video")
    for row in found["rows"]:
        same = "same vectors" if row["same_vectors"] else "OTHER VECTORS"
        print(
            f"{row['case']:32}{row['blocks']} blocks: "
            f"{row['real_s']:6.2f} s, simulated {row['simulated_s']:6.2f} s, "
            f"ratio {row['ratio']:.2f}, {same}"
        )
