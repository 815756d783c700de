from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
ROWS = 700


@pytest.fixture
def script(monkeypatch):
    """The benchmark as ``python benchmarks/scoring.py`` loads it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("scoring_benchmark", FOLDER / "scoring.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("scoring_references", None)


@pytest.fixture
def protocols(script):
    return script.protocols_of(script.load_class_set("activitynet200"), script.PAPER)


def test_the_released_loop_gives_our_accuracies(script, protocols):
    embedded = script.make_embedded(ROWS, ties=False)
    accuracies = script.ours(embedded, protocols)
    assert len(accuracies) == 11
    assert script.released(embedded, protocols) == accuracies
    assert script.released(embedded, protocols, derive=False) == accuracies
    assert script.by_rule(embedded, protocols) == accuracies


def test_equal_class_vectors_are_counted_by_the_rule(script, protocols):
    import scoring_references

    embedded = script.make_embedded(ROWS, ties=True)
    mine, theirs = script.ours(embedded, protocols), script.released(embedded, protocols)
    assert mine == script.by_rule(embedded, protocols)
    trials = [trial for protocol in protocols for trial in protocol.trials]
    tied = [{embedded.names[place] for place in group} for group in scoring_references.EQUAL]
    for trial, (top1, _), (released, _) in zip(trials, mine, theirs, strict=True):
        if any(len(group & set(trial.classes)) > 1 for group in tied):
            assert top1 < released, "the released loop counts some tied videos as right"
        else:
            assert top1 == released


def test_the_bootstrap_is_that_of_the_loop(script):
    part = script.compare_bootstrap(ROWS, runs=1)
    assert part["agree"]
    assert part["replicates"] == len(script.resample(outcomes_of(script)))


def outcomes_of(script):
    evidence = script.make_evidence(ROWS)
    (protocol,) = script.protocols_of(evidence.classes, ["1"])
    return script.trial_outcomes(evidence, script.rank_trials(evidence.matrix, protocol), 1)


def test_a_loop_with_other_numbers_does_not_agree(script):
    outcomes = outcomes_of(script)
    other = script.bootstrap_by_loop(outcomes, replicates=5, seed=1)
    assert not np.allclose(other, script.resample(outcomes)[:5], rtol=0.0, atol=1e-6)


def test_ratios_are_of_the_same_turn(script):
    seconds = {
        "slow": {"wall": [4.0, 9.0, 8.0], "cpu": [1.0, 1.0, 1.0]},
        "ours": {"wall": [2.0, 3.0, 2.0], "cpu": [1.0, 2.0, 4.0]},
    }
    slow, ours = script.table(seconds, "ours")
    assert slow["wall_ratio"] == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert slow["cpu_ratio"] == {"median": 0.5, "low": 0.25, "high": 1.0}
    assert ours["wall_s"] == 2.0
    assert set(ours["wall_ratio"].values()) == {1.0}
