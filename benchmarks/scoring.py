"""Scoring ActivityNet's size: the released loop, a plain count, and a plain bootstrap beside ours.

    python benchmarks/scoring.py [--rows 27801] [--runs 3] [--quick] [--json]

Three comparisons, each in one process, both sides in turn:

released    vectors to top-1 and top-5 of the paper's two protocols (eleven trials): the released
            loop (scipy's cosine distances, all rows sorted, Python's membership, labels derived
            again from the class vectors) with cosine_scores and score_protocol in float64. The
            accuracies must be equal to the last digit. Once more with classes whose vectors are
            equal: ours must be what the rule "a tie never helps" gives on scipy's distances.
everything  accuracy, intervals, expectation over all draws and contamination by four rules under
            four protocols, with a loop over trials and videos that counts top-1 alone.
bootstrap   399 resamples of sources within classes, with a loop that gathers the rows of the
            sources that were drawn and averages them; the same estimates from the same numbers.

For one core set OMP_NUM_THREADS=1 before. The exit code is 1 where two sides disagree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scoring_references import (
    ROWS,
    SPLIT,
    Embedded,
    bootstrap_by_loop,
    by_rule,
    count_by_loop,
    make_embedded,
    make_evidence,
    released,
)

from zsl_bench.assessment.assess import REPLICATES, SEED, assess, trial_outcomes
from zsl_bench.classes import load_class_set
from zsl_bench.protocols import Protocol, rank_trials, resolve_protocol, score_protocol
from zsl_bench.uncertainty.outcomes import group_units
from zsl_bench.uncertainty.resampling import build_design, replicate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zsl_bench.classes import ClassSet
    from zsl_bench.uncertainty import Outcomes

QUICK_ROWS = 2000
PAPER = ("1", "2")
CLOSE = 1e-12
FLOOR = 13.5
_Timed = dict[str, dict[str, list[float]]]


def protocols_of(classes: ClassSet, references: Sequence[str]) -> list[Protocol]:
    """Return protocols by their references."""
    return [resolve_protocol(name, classes, videos=SPLIT) for name in references]


def ours(embedded: Embedded, protocols: Sequence[Protocol]) -> list[list[float | None]]:
    """Return top-1 and top-5 of every trial by the package."""
    matrix = embedded.matrix()
    return [
        [trial.top1, trial.top5]
        for protocol in protocols
        for trial in score_protocol(matrix, protocol).trials
    ]


def take_turns(sides: Mapping[str, Callable[[], Any]], runs: int) -> tuple[_Timed, dict[str, Any]]:
    """Run every side in turn: seconds of the clock and of the processor, and what each returned."""
    seconds: _Timed = {name: {"wall": [], "cpu": []} for name in sides}
    returned = {}
    for _ in range(runs):
        for name, run in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            returned[name] = run()
            seconds[name]["wall"].append(time.perf_counter() - wall)
            seconds[name]["cpu"].append(time.process_time() - cpu)
    return seconds, returned


def compare_released(rows: int, runs: int) -> dict[str, Any]:
    """Compare with the released loop, and under ties with the rule."""
    plain, tied = make_embedded(rows, ties=False), make_embedded(rows, ties=True)
    protocols = protocols_of(load_class_set("activitynet200"), PAPER)
    seconds, found = take_turns(
        {
            "released loop": lambda: released(plain, protocols),
            "released loop, labels known": lambda: released(plain, protocols, derive=False),
            "zsl-bench": lambda: ours(plain, protocols),
        },
        runs,
    )
    mine, rule, theirs = (way(tied, protocols) for way in (ours, by_rule, released))
    return {
        "rows": table(seconds, "zsl-bench"),
        "trials": sum(len(protocol.trials) for protocol in protocols),
        "agree": all(accuracies == found["zsl-bench"] for accuracies in found.values()),
        "ties_agree": mine == rule,
        "ties": {
            "top1": [float(np.mean([trial[0] for trial in way])) for way in (mine, theirs)],
            "top5": [float(np.mean([trial[1] for trial in way])) for way in (mine, theirs)],
        },
    }


def compare_everything(rows: int, runs: int) -> dict[str, Any]:
    """Compare all that is scored with a loop that counts top-1 alone."""
    evidence = make_evidence(rows)
    protocols = protocols_of(evidence.classes, (*PAPER, "half", "full"))
    seconds, found = take_turns(
        {
            "loop that counts top-1 alone": lambda: count_by_loop(evidence, protocols),
            "zsl-bench, everything": lambda: assess(evidence, protocols),
        },
        runs,
    )
    counted, scores = found.values()
    return {
        "rows": table(seconds, "zsl-bench, everything"),
        "trials": sum(len(protocol.trials) for protocol in protocols),
        "rules": len(evidence.verdicts),
        "sources": len(set(evidence.groups)),
        "agree": all(
            abs(scores[name]["mean"]["top1"] - value) <= CLOSE for name, value in counted.items()
        ),
    }


def compare_bootstrap(rows: int, runs: int) -> dict[str, Any]:
    """Compare resamples of sources under the protocol of ten draws with a plain loop."""
    evidence = make_evidence(rows)
    (protocol,) = protocols_of(evidence.classes, PAPER[:1])
    outcomes = trial_outcomes(evidence, rank_trials(evidence.matrix, protocol), 1)
    seconds, found = take_turns(
        {
            "loop": lambda: bootstrap_by_loop(outcomes, replicates=REPLICATES, seed=SEED),
            "zsl-bench, with standard errors": lambda: resample(outcomes),
        },
        runs,
    )
    looped, vectorised = found.values()
    return {
        "rows": table(seconds, "zsl-bench, with standard errors"),
        "replicates": REPLICATES,
        "agree": bool(np.allclose(looped, vectorised, rtol=0.0, atol=CLOSE)),
    }


def resample(outcomes: Outcomes) -> list[float]:
    """Return the resampled means by the package."""
    units = group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    design = build_design(units, average="videos", resample="groups")
    if design is None:
        sys.exit("nothing to resample: give more rows")
    means: list[float] = replicate(design, replicates=REPLICATES, seed=SEED)[0].tolist()
    return means


def table(seconds: _Timed, ours: str) -> list[dict[str, Any]]:
    """Return for each side its median seconds, and how many times longer than ours it took."""
    return [
        {
            "way": name,
            **{f"{clock}_s": statistics.median(times) for clock, times in clocks.items()},
            **{
                f"{clock}_ratio": spread(
                    [a / b for a, b in zip(times, seconds[ours][clock], strict=True)]
                )
                for clock, times in clocks.items()
            },
        }
        for name, clocks in seconds.items()
    ]


def spread(ratios: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest."""
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def show(parts: Mapping[str, dict[str, Any]]) -> None:
    """Print all tables."""
    for name, part in parts.items():
        print(f"| {name} | s | CPU s | times ours | of CPU time |\n|---|--:|--:|--:|--:|")
        for row in part["rows"]:
            wall, cpu = row["wall_ratio"], row["cpu_ratio"]
            print(
                f"| {row['way']} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} "
                f"| {wall['median']:.1f} ({wall['low']:.1f} to {wall['high']:.1f}) "
                f"| {cpu['median']:.1f} ({cpu['low']:.1f} to {cpu['high']:.1f}) |"
            )
        print(f"the same figures: {'yes' if part['agree'] else 'NO'}\n")
    ties = parts["released"]["ties"]
    print(f"with equal class vectors, ours as the rule: {parts['released']['ties_agree']}")
    for name, (mine, theirs) in ties.items():
        print(f"  {name}: {100 * mine:.3f}% by the rule, {100 * theirs:.3f}% by the released loop")


def main() -> None:
    """Time all and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few rows; a check, not a figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows, runs = (QUICK_ROWS, 1) if arguments.quick else (arguments.rows, arguments.runs)
    parts = {
        "released": compare_released(rows, runs),
        "everything": compare_everything(rows, runs),
        "bootstrap": compare_bootstrap(rows, runs),
    }
    if not arguments.quick:
        ratio = parts["released"]["rows"][0]["cpu_ratio"]["median"]
        parts["released"]["above_floor"] = ratio >= FLOOR
    if arguments.json:
        print(json.dumps({"num_rows": rows, "runs": runs, **parts}, indent=1))
    else:
        print(f"{rows:,} rows x 200 classes\n")
        show(parts)
    agree = all(part["agree"] for part in parts.values()) and parts["released"]["ties_agree"]
    sys.exit(not agree)


if __name__ == "__main__":
    main()
