"""The benchmark of the compared methods: its loops are what the closed forms give."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zsl_bench.baselines.methods.catalogue import load_method

PLACE = Path(__file__).parents[2] / "benchmarks" / "methods.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("methods_benchmark", PLACE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rr", "eszsl"])
def test_a_loop_chooses_and_scores_as_the_closed_form(script, name):
    made, others = (script.Made.of(script.QUICK, seen=seen) for seen in (True, False))
    chosen, scores = script.loop_scores(name, made, others)
    fitted = load_method(name).fit(made.features, made.lengths, made.labels, made.vectors)
    assert set(chosen) <= set(fitted.settings().values())
    expected = fitted.score(others.features, others.lengths, others.vectors)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_side_that_differs_is_told(script, monkeypatch, capsys):
    monkeypatch.setattr(script, "plain_rr", lambda rows, *_: np.ones((rows.shape[1], script.WORDS)))
    monkeypatch.setattr(sys, "argv", ["methods.py", "--quick", "--json", "--methods", "rr"])
    with pytest.raises(SystemExit) as stop:
        script.main()
    assert stop.value.code == 1
    assert json.loads(capsys.readouterr().out)["methods"][0]["agree"] is False


def test_the_script_reports_what_the_suite_reads(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["methods.py", "--quick", "--json"])
    with pytest.raises(SystemExit) as stop:
        script.main()
    assert stop.value.code == 0
    rows = {row["method"]: row for row in json.loads(capsys.readouterr().out)["methods"]}
    for name in ("rr", "eszsl"):
        assert rows[name]["agree"]
        assert rows[name]["within_limit"]
        assert rows[name]["loop_ratio"] > 0


def test_settings_of_ones_own_leave_the_loop_out(script, monkeypatch, capsys):
    given = ["--quick", "--json", "--methods", "rr", "--set", "regulariser=10"]
    monkeypatch.setattr(sys, "argv", ["methods.py", *given])
    with pytest.raises(SystemExit):
        script.main()
    (row,) = json.loads(capsys.readouterr().out)["methods"]
    assert row["settings"]["regulariser"] == 10
    assert "loop_ratio" not in row
