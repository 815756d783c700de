"""What each class is taken for, against a count by hand and by loops."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from zsl_bench.figures.runs import Run
from zsl_bench.protocols import Protocol, Trial, rank_trials
from zsl_bench.report.confused import most_confused
from zsl_bench.scoring import ScoreMatrix


def run_of(matrix, *trials):
    protocol = Protocol(
        id="toy", version=1, dataset="toy", metric="top1", averaging="mean", source="here",
        title="toy",
        trials=tuple(Trial(classes=classes, videos=None) for classes in trials),
    )  # fmt: skip
    evidence = SimpleNamespace(matrix=matrix)
    ranked = rank_trials(matrix, protocol)
    return Run(name="m", result=None, evidence=evidence, protocol=protocol, ranked=ranked)


def test_a_toy_case():
    matrix = ScoreMatrix(
        classes=("x", "y", "z"),
        video_ids=("1", "2", "3", "4", "5"),
        labels=np.array([0, 0, 0, 0, 1]),
        scores=np.array(
            [[0.1, 0.9, 0.0], [0.1, 0.2, 0.0], [0.1, 0.0, 0.8], [0.9, 0, 0], [0, 0.7, 0.7]]
        ),
    )
    found = most_confused(run_of(matrix, ("x", "y", "z")))
    assert set(found) == {"x", "y"}
    assert (found["x"].named, found["x"].times) == ("y", 2)
    assert [one.video for one in found["x"].mistakes] == ["1", "2"]
    assert found["x"].mistakes[0].margin == pytest.approx(0.8)
    assert (found["y"].named, found["y"].mistakes[0].margin) == ("z", 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_loops_find_the_same(seed):
    rng = np.random.default_rng(seed)
    names = tuple("abcde")
    matrix = ScoreMatrix(
        classes=names,
        video_ids=tuple(f"v{i}" for i in range(40)),
        labels=rng.integers(0, 5, 40),
        scores=rng.integers(0, 4, (40, 5)).astype(float),
    )
    trials = [tuple(rng.permutation(names).tolist()[:4]) for _ in range(3)]
    times = {name: Counter() for name in names}
    for trial in trials:
        for row, label in zip(matrix.scores, matrix.labels, strict=True):
            truth = names[label]
            if truth not in trial:
                continue
            own = row[label]
            others = {name: row[names.index(name)] for name in trial if name != truth}
            if max(others.values()) >= own:
                best = max(others.values())
                times[truth][next(name for name in trial if others.get(name) == best)] += 1
    found = most_confused(run_of(matrix, *trials))
    assert set(found) == {name for name in names if times[name]}
    for name, confusion in found.items():
        most = max(times[name].values())
        assert confusion.times == most
        assert confusion.named == min(o for o, number in times[name].items() if number == most)
        margins = [one.margin for one in confusion.mistakes]
        assert margins == sorted(margins, reverse=True)
        assert len({one.video for one in confusion.mistakes}) == len(confusion.mistakes)
