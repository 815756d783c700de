"""Start-up of the light verbs against a bare interpreter and against importing torch.

Runs are interleaved and the medians compared, so that only the ratios matter. The light verbs must
import none of the heavy modules: the exit code is 1 where one does. ``score`` scores a features
file of all of UCF101 that the script writes.

    python benchmarks/startup.py [--runs 9] [--quick] [--json]

``--quick`` looks at what is imported, and runs each command once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from zsl_bench.datasets import official_list

BARE, TORCH = "bare interpreter", "import torch"
HEAVY = (
    "av",
    "cv2",
    "gensim",
    "matplotlib",
    "pandas",
    "sklearn",
    "torch",
    "torchvision",
    "transformers",
)
LIGHT = {
    "zsl-bench --help": ["--help"],
    "zsl-bench list models": ["list", "models"],
    "zsl-bench list classes ucf101": ["list", "classes", "ucf101"],
    "zsl-bench check-overlap kinetics700": [
        "check-overlap", "kinetics700", "--against", "ucf101", "--against", "hmdb51",
    ],
    "zsl-bench score features.npz --dataset ucf101": [
        "score", "features.npz", "--dataset", "ucf101",
    ],
}  # fmt: skip
LOOK = """
import sys
from zsl_bench.cli import main
try:
    main(sys.argv[2:])
except SystemExit as stop:
    if stop.code:
        raise
print(sorted(set(sys.argv[1].split(",")) & set(sys.modules)), file=sys.stderr)
"""


def write_features(folder: Path) -> None:
    """Write random vectors of 512 numbers for every video and class of UCF101."""
    videos = official_list("ucf101").videos
    names = sorted({video.label for video in videos.values()})
    rng = np.random.default_rng(0)
    np.savez(
        folder / "features.npz",
        video_ids=np.array(list(videos)),
        video_vectors=rng.standard_normal((len(videos), 512)).astype(np.float32),
        class_names=np.array(names),
        class_vectors=rng.standard_normal((len(names), 512)).astype(np.float32),
    )


def imported(arguments: list[str], folder: Path) -> list[str]:
    """Run a verb in a fresh interpreter: which heavy modules it has imported by its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, ",".join(HEAVY), *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    found: list[str] = json.loads(done.stderr.splitlines()[-1].replace("'", '"'))
    return found


def measure(runs: int, folder: Path) -> dict[str, list[float]]:
    """Time every command ``runs`` times, in turn, after one run to warm the disk cache."""
    commands = {BARE: ["-c", "pass"], TORCH: ["-c", "import torch"]}
    commands |= {name: ["-m", "zsl_bench", *arguments] for name, arguments in LIGHT.items()}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, arguments in commands.items():
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print what is imported, medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="one run; a check, not a figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_features(Path(name))
        heavy = {verb: imported(words, Path(name)) for verb, words in LIGHT.items()}
        seconds = measure(1 if arguments.quick else arguments.runs, Path(name))
    bare, torch = statistics.median(seconds[BARE]), statistics.median(seconds[TORCH])
    rows = [
        {
            "command": name,
            "median_s": round(statistics.median(times), 4),
            "min_s": round(min(times), 4),
            "max_s": round(max(times), 4),
            "times_bare": round(statistics.median(times) / bare, 2),
            "share_of_torch": round(statistics.median(times) / torch, 3),
            **({"imports_agree": not heavy[name], "imports": heavy[name]} if name in heavy else {}),
        }
        for name, times in seconds.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        print(f"{'command':46} {'median s':>9} {'min':>7} {'max':>7} {'x bare':>7} {'/ torch':>8}")
        for row in rows:
            print(
                f"{row['command']:46} {row['median_s']:9.3f} {row['min_s']:7.3f}"
                f" {row['max_s']:7.3f} {row['times_bare']:7.1f} {row['share_of_torch']:8.2f}"
            )
    for verb, modules in heavy.items():
        if modules:
            print(f"{verb} imports {', '.join(modules)}", file=sys.stderr)
    sys.exit(any(heavy.values()))


if __name__ == "__main__":
    main()
