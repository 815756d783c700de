"""Start-up of the light verbs against a bare interpreter and against importing torch.

Runs are interleaved and the medians compared, so that only the ratios matter.

    python benchmarks/startup.py [--runs 9] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "zsl-bench --help": ["-m", "zsl_bench", "--help"],
    "zsl-bench list classes ucf101": ["-m", "zsl_bench", "list", "classes", "ucf101"],
    "zsl-bench check-overlap kinetics700": [
        "-m", "zsl_bench", "check-overlap", "kinetics700", "--against", "ucf101",
        "--against", "hmdb51",
    ],
}  # fmt: skip


def measure(runs: int) -> dict[str, list[float]]:
    """Time every command ``runs`` times, in turn, after one run to warm the disk cache."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds = measure(arguments.runs)
    bare = statistics.median(seconds["bare interpreter"])
    torch = statistics.median(seconds["import torch"])
    rows = [
        {
            "command": name,
            "median_s": round(statistics.median(times), 4),
            "min_s": round(min(times), 4),
            "max_s": round(max(times), 4),
            "times_bare": round(statistics.median(times) / bare, 2),
            "share_of_torch": round(statistics.median(times) / torch, 3),
        }
        for name, times in seconds.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'command':38} {'median s':>9} {'min':>7} {'max':>7} {'x bare':>7} {'/ torch':>8}")
    for row in rows:
        print(
            f"{row['command']:38} {row['median_s']:9.3f} {row['min_s']:7.3f} {row['max_s']:7.3f}"
            f" {row['times_bare']:7.1f} {row['share_of_torch']:8.2f}"
        )


if __name__ == "__main__":
    main()
