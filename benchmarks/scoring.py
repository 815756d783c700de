"""Scoring everything: accuracy, intervals, expectation and contamination of ActivityNet's size.

    python benchmarks/scoring.py [--quick] [--rows 27801]

The reference is a plain loop over trials and videos that counts top-1 alone, in the same process;
its figures must equal those of the package. For one core set OMP_NUM_THREADS=1 before.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from zsl_bench.assessment.assess import assess
from zsl_bench.assessment.evidence import Evidence
from zsl_bench.classes import load_class_set
from zsl_bench.protocols import Protocol, resolve_protocol
from zsl_bench.scoring import ScoreMatrix, cosine_scores
from zsl_bench.verdict import Declared, class_distances, zero_shot_verdicts

SPLIT = "anet13-segments-v1"
ROWS, SOURCES = 27_801, 14_950


def make_evidence(rows: int) -> Evidence:
    """Make random vectors of ActivityNet's size, in sources of about two rows each."""
    rng = np.random.default_rng(0)
    classes = load_class_set("activitynet200")
    declared = Declared(trained_on=(load_class_set("kinetics400"),), pretrained_on=())
    sources = max(rows * SOURCES // ROWS, 2 * len(classes))
    source_labels = np.arange(sources) % len(classes)
    source = np.sort(np.concatenate([np.arange(sources), rng.integers(sources, size=rows)])[:rows])
    labels = source_labels[source]
    points = rng.normal(size=(len(classes), 64))
    shared = rng.normal(size=(sources, 64))
    videos = points[labels] + shared[source] + 1.2 * rng.normal(size=(rows, 64))
    return Evidence(
        matrix=ScoreMatrix(
            classes=classes.names,
            video_ids=tuple(f"v_{i:06d}" for i in range(rows)),
            labels=labels.astype(np.int64),
            scores=cosine_scores(videos, points),
        ),
        groups=tuple(f"v_{i}" for i in source),
        classes=classes,
        split=SPLIT,
        expected=dict(zip(classes.names, np.bincount(labels, minlength=200).tolist(), strict=True)),
        verdicts=zero_shot_verdicts(declared, classes),
        distances=class_distances(declared, classes),
    )


def count_by_loop(evidence: Evidence, protocols: list[Protocol]) -> dict[str, float]:
    """Count top-1 as one writes it first: for every trial and video, sort the candidates."""
    place = {name: i for i, name in enumerate(evidence.matrix.classes)}
    found = {}
    for protocol in protocols:
        accuracies = []
        for trial in protocol.trials:
            columns = [place[name] for name in trial.classes]
            right = []
            for label, row in zip(evidence.matrix.labels, evidence.matrix.scores, strict=True):
                if int(label) in columns:
                    best = max(columns, key=lambda column: row[column])
                    right.append(best == label)
            accuracies.append(sum(right) / len(right))
        found[protocol.id] = sum(accuracies) / len(accuracies)
    return found


def main() -> None:
    """Time both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="few rows; a check, not a figure")
    parser.add_argument("--rows", type=int, default=ROWS)
    arguments = parser.parse_args()
    evidence = make_evidence(2000 if arguments.quick else arguments.rows)
    references = ("1", "2", "half", "full")
    protocols = [resolve_protocol(name, evidence.classes, videos=SPLIT) for name in references]
    started = time.perf_counter()
    scores = assess(evidence, protocols)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    counted = count_by_loop(evidence, protocols)
    reference = time.perf_counter() - started
    for name, accuracy in counted.items():
        if abs(scores[name]["mean"]["top1"] - accuracy) > 1e-9:
            sys.exit(f"{name}: {scores[name]['mean']['top1']} by the package, {accuracy} by a loop")
    rules = len(evidence.verdicts)
    print(
        f"{len(evidence.groups):,} rows x {len(evidence.classes)} classes, "
        f"{len(set(evidence.groups)):,} sources, {len(protocols)} protocols "
        f"({sum(len(p.trials) for p in protocols)} trials), {rules} rules"
    )
    print(f"accuracy, intervals, expectation, contamination: {ours:.2f} s")
    print(f"a loop that counts top-1 alone: {reference:.2f} s")
    print(f"ratio {reference / ours:.2f}; the same accuracies")


if __name__ == "__main__":
    main()
