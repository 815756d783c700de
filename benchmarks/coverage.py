"""Coverage of the confidence intervals, by simulation with correlated groups.

Videos are drawn from a known truth: an accuracy for each class, around it one for each group, right
and wrong answers of a group's videos from that. Groups and classes differ in size. With "halves"
ten fixed draws of half of the classes are scored together: a wrong video has rivals, which the
videos of a group share, and turns right in a draw that holds none of them. "groups" asks for the
accuracy of these classes on new groups, "classes" for the accuracy of all classes there could be.
Every simulation draws classes, groups and videos anew. Beside each interval stand Student's t on
the same scale and the plain percentile bootstrap of the same design. "difference" is of two models
on the same videos that share half of the class accuracies, and half of the group accuracies in
these.

    python benchmarks/coverage.py [--simulations 250] [--classes 25 50 100] [--scenario NAME]
        [--resamples 399] [--quick] [--json]

A coverage c over n simulations has the Monte Carlo standard error sqrt(c (1 - c) / n); here one
simulation covered and one missed are added, so that it is never 0. The exit code is 1 where, at 50
classes or more, the coverage of nominal 95% intervals lies outside 93 to 97% by more than three of
these, in one scenario or in the mean over them. "one to five groups" alone may cover more often: a
class with one group shows no spread, and what stands in for it is on the safe side.

``--quick`` does two scenarios at 50 classes, 40 times.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from coverage_worlds import (
    SCENARIOS,
    Scenario,
    draw_outcomes,
    draw_world,
    population_target,
    second_world,
)

from zsl_bench.uncertainty import Settings, average_outcomes, compare_outcomes, interval
from zsl_bench.uncertainty.outcomes import group_units
from zsl_bench.uncertainty.resampling import build_design, replicate

if TYPE_CHECKING:
    from zsl_bench.uncertainty import Interval, Outcomes
    from zsl_bench.uncertainty.outcomes import Average, Resample

FIGURES: tuple[tuple[Resample, Average, str], ...] = (
    ("groups", "videos", "groups, micro"),
    ("groups", "classes", "groups, macro"),
    ("classes", "videos", "classes, micro"),
    ("classes", "classes", "classes, macro"),
)
LEVEL, PERCENTILE_RESAMPLES = 0.95, 199
LOWEST, HIGHEST, FEWEST = 0.93, 0.97, 50
ON_THE_SAFE_SIDE = frozenset({"one to five groups"})


@dataclass(kw_only=True)
class Count:
    """How often intervals covered.

    Attributes:
        covered: Simulations whose interval held the truth.
        total: Simulations.
        exact: Simulations in which the exact fall-back was taken.
        student: Simulations whose interval without resamples (Student's t) held the truth.
        percentile: Simulations whose percentile interval held the truth.
        references: Simulations in which these two were made.
    """

    covered: int = 0
    total: int = 0
    exact: int = 0
    student: int = 0
    percentile: int = 0
    references: int = 0

    def add(self, found: Interval, target: float) -> None:
        """Count one simulation."""
        self.total += 1
        self.covered += found.low <= target <= found.high
        self.exact += found.method.startswith("Clopper")

    def add_references(self, student: Interval, plain: tuple[float, float], target: float) -> None:
        """Count the intervals that the first stands beside."""
        self.references += 1
        self.student += student.low <= target <= student.high
        self.percentile += plain[0] <= target <= plain[1]

    @property
    def coverage(self) -> float:
        """Share of simulations covered."""
        return self.covered / self.total

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the coverage."""
        share = (self.covered + 1.0) / (self.total + 2.0)
        return math.sqrt(share * (1.0 - share) / self.total)


def measure(
    scenario: Scenario, num_classes: int, *, halves: bool, simulations: int, resamples: int
) -> dict[str, Count]:
    """Simulate, and count for each figure how often its interval covers the truth."""
    seed = [num_classes, halves, *scenario.name.encode()]
    rng = np.random.default_rng(seed)
    counts: dict[str, Count] = {}
    for number in range(simulations):
        settings = Settings(replicates=resamples, seed=number)
        world = draw_world(scenario, num_classes, rng, halves=halves)
        outcomes = draw_outcomes(world, rng)
        for resample, average, figure in FIGURES:
            found, student = (
                interval(outcomes, average=average, resample=resample, replicates=n, seed=number)
                for n in (resamples, 0)
            )
            if resample == "groups":
                target = world.target(average)
            else:
                target = population_target(scenario, world.kept_wrong, average)
            plain = percentile_interval(outcomes, average, resample, seed=number)
            count = counts.setdefault(figure, Count())
            count.add(found, target)
            count.add_references(student, plain, target)
        if scenario.linked:
            continue
        other = second_world(world, scenario, rng)
        pair = compare_outcomes(
            outcomes,
            draw_outcomes(other, rng),
            average="videos",
            names=[str(code) for code in range(num_classes)],
            settings=settings,
        )
        if pair.identical:
            continue
        moved = world.target("videos") - other.target("videos")
        counts.setdefault("groups, difference", Count()).add(pair.groups.interval, moved)
        counts.setdefault("classes, difference", Count()).add(pair.classes.interval, 0.0)
    return counts


def percentile_interval(
    outcomes: Outcomes, average: Average, resample: Resample, *, seed: int
) -> tuple[float, float]:
    """Return the plain percentile bootstrap interval."""
    units = group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    design = build_design(units, average=average, resample=resample)
    if design is None:
        only = average_outcomes(outcomes, average=average)
        return only, only
    ordered = np.sort(replicate(design, replicates=PERCENTILE_RESAMPLES, seed=seed)[0])
    place = round((PERCENTILE_RESAMPLES + 1) * (1.0 - LEVEL) / 2.0)
    return float(ordered[place - 1]), float(ordered[-place])


def failures(table: dict[tuple[int, str, str, str], Count]) -> list[str]:
    """Return what leaves the band by more than three Monte Carlo errors, at 50 classes or more."""
    found, cells = [], {key: count for key, count in table.items() if key[0] >= FEWEST}
    for key, count in cells.items():
        highest = 1.0 if key[2] in ON_THE_SAFE_SIDE else HIGHEST
        found += _outside(", ".join(map(str, key)), count.coverage, count.error, highest)
    for number, trials, figure in sorted({(key[0], key[1], key[3]) for key in cells}):
        group = {s: c for (n, t, s, f), c in cells.items() if (n, t, f) == (number, trials, figure)}
        share, error = pool(list(group.values()))
        highest = 1.0 if group.keys() <= ON_THE_SAFE_SIDE else HIGHEST
        found += _outside(f"{number}, {trials}, mean, {figure}", share, error, highest)
    return found


def pool(counts: list[Count]) -> tuple[float, float]:
    """Return the mean coverage over scenarios and its Monte Carlo standard error."""
    share = sum(count.coverage for count in counts) / len(counts)
    return share, math.sqrt(sum(count.error**2 for count in counts)) / len(counts)


def _outside(name: str, share: float, error: float, highest: float) -> list[str]:
    if LOWEST - 3.0 * error <= share <= highest + 3.0 * error:
        return []
    return [f"{name}: covers {100 * share:.1f} ± {100 * error:.1f}%"]


def show(table: dict[tuple[int, str, str, str], Count]) -> None:
    """Print mean, lowest and highest coverage over the scenarios, and the lowest one's name."""
    print(
        "| classes | trials | interval | covers % | lowest % | highest % | exact % "
        "| Student % | percentile % |"
    )
    print("|--:|---|---|--:|---|--:|--:|--:|--:|")
    rows = dict.fromkeys((number, trials, figure) for number, trials, _, figure in table)
    for number, trials, figure in rows:
        cells = {
            name: count
            for (n, t, name, f), count in table.items()
            if (n, t, f) == (number, trials, figure)
        }
        share, error = pool(list(cells.values()))
        worst = min(cells, key=lambda name: cells[name].coverage)
        best = max(count.coverage for count in cells.values())
        exact = sum(count.exact for count in cells.values())
        total = sum(count.total for count in cells.values())
        print(
            f"| {number} | {trials} | {figure} | {100 * share:.1f} ± {100 * error:.1f} "
            f"| {100 * cells[worst].coverage:.1f} ± {100 * cells[worst].error:.1f} ({worst}) "
            f"| {100 * best:.1f} | {100 * exact / total:.1f} "
            f"| {_reference(cells, 'student')} | {_reference(cells, 'percentile')} |",
            flush=True,
        )


def _reference(cells: dict[str, Count], name: str) -> str:
    made = sum(count.references for count in cells.values())
    held = sum(getattr(count, name) for count in cells.values())
    return f"{100 * held / made:.1f}" if made else "-"


def as_json(table: dict[tuple[int, str, str, str], Count]) -> list[dict[str, Any]]:
    """Return one object a cell."""
    return [
        {
            "classes": number,
            "trials": trials,
            "scenario": scenario,
            "interval": figure,
            "coverage": count.coverage,
            "monte_carlo_error": count.error,
            "simulations": count.total,
            "exact": count.exact,
            "student": count.student / count.references if count.references else None,
            "percentile": count.percentile / count.references if count.references else None,
        }
        for (number, trials, scenario, figure), count in table.items()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--simulations", type=int, default=250)
    parser.add_argument("--resamples", type=int, default=399)
    parser.add_argument("--classes", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--scenario", action="append", choices=[s.name for s in SCENARIOS])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    numbers, simulations = arguments.classes, arguments.simulations
    names = arguments.scenario or [scenario.name for scenario in SCENARIOS]
    if arguments.quick:
        numbers, simulations, names = [50], 40, names[:2]
    table: dict[tuple[int, str, str, str], Count] = {}
    for number in numbers:
        for trials in ("one", "halves"):
            for scenario in (s for s in SCENARIOS if s.name in names):
                counts = measure(
                    scenario,
                    number,
                    halves=trials == "halves",
                    simulations=simulations,
                    resamples=arguments.resamples,
                )
                cells = {(number, trials, scenario.name, key): c for key, c in counts.items()}
                table.update(cells)
                print(number, trials, scenario.name, file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(as_json(table), indent=1))
    else:
        show(table)
    wrong = failures(table)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
