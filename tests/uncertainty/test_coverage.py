from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """The benchmark as ``python benchmarks/coverage.py`` loads it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("coverage_benchmark", FOLDER / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("coverage_worlds", None)


def test_simulated_answers_meet_their_truth(script):
    import coverage_worlds

    rng = np.random.default_rng(0)
    scenario = next(s for s in script.SCENARIOS if s.name == "as UCF101")
    for halves in (False, True):
        world = coverage_worlds.draw_world(scenario, 60, rng, halves=halves)
        found = [
            script.average_outcomes(coverage_worlds.draw_outcomes(world, rng), average="videos")
            for _ in range(30)
        ]
        world_target = np.average(
            1 - world.kept_wrong * (1 - world.group_accuracies[world.groups]),
            weights=world.draws.mean(axis=1)[world.group_classes[world.groups]],
        )
        assert np.mean(found) == pytest.approx(world_target, abs=0.006)


def test_chance_of_a_rival_is_that_of_every_draw(script):
    import coverage_worlds

    total = 0.0
    for rivals in range(1, 6):
        chance = 0.5**rivals if rivals < 5 else 0.5**4
        draws = list(itertools.combinations(range(5), 2))
        met = sum(any(other < rivals for other in draw) for draw in draws)
        total += chance * met / len(draws)
    assert coverage_worlds._chance_of_rival(6) == pytest.approx(total)


def test_a_count_knows_its_monte_carlo_error(script):
    count = script.Count(covered=94, total=98)
    assert count.coverage == 94 / 98
    assert count.error == pytest.approx((0.95 * 0.05 / 98) ** 0.5)


def test_coverage_outside_the_band_fails(script):
    def table(covered, number, scenario="as UCF101"):
        count = script.Count(covered=covered, total=1000)
        return {(number, "one", scenario, "groups, micro"): count}

    assert script.failures(table(950, 50)) == []
    assert len(script.failures(table(900, 50))) == 2
    assert len(script.failures(table(999, 100))) == 2
    assert script.failures(table(900, 25)) == []
    assert script.failures(table(999, 50, "one to five groups")) == []
    assert len(script.failures(table(900, 50, "one to five groups"))) == 2


def test_quick_run_prints_json(script, monkeypatch, capsys):
    options = "--classes 6 --simulations 3 --json --scenario"
    monkeypatch.setattr(sys, "argv", ["coverage.py", *options.split(), "low accuracy"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["interval"] for row in rows} == {
        f"{unit}, {figure}"
        for unit in ("groups", "classes")
        for figure in ("micro", "macro", "difference")
    }
    assert all(0.0 <= row["coverage"] <= 1.0 and row["simulations"] == 3 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["low accuracy", "three uneven groups"])
def test_intervals_cover_as_often_as_they_say(script, name):
    scenario = next(s for s in script.SCENARIOS if s.name == name)
    counts = script.measure(scenario, 50, halves=True, simulations=80, resamples=199)
    table = {(50, "halves", name, figure): count for figure, count in counts.items()}
    assert script.failures(table) == []
