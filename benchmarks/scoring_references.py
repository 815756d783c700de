"""What ``benchmarks/scoring.py`` compares with: plain ways to the same figures, and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from zsl_bench.assessment.evidence import Evidence
from zsl_bench.classes import load_class_set
from zsl_bench.scoring import ScoreMatrix, cosine_scores
from zsl_bench.verdict import Declared, class_distances, zero_shot_verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.protocols import Protocol
    from zsl_bench.uncertainty import Outcomes

SPLIT = "anet13-segments-v1"
ROWS, SOURCES, DIM = 27_801, 14_950, 300
TOP_KS = (1, 5)
EQUAL = ((3, 150), (40, 41, 199))


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """What a network leaves behind, before anything is scored.

    Attributes:
        names: Class names.
        videos: ``(V, 300)`` float32, one row a video.
        classes: ``(C, 300)`` float32, one row a class.
        labels: ``(V,)`` int64, each video's row of ``classes``.
    """

    names: tuple[str, ...]
    videos: NDArray[np.float32]
    classes: NDArray[np.float32]
    labels: NDArray[np.int64]

    def matrix(self) -> ScoreMatrix:
        """Score the videos as the package does."""
        return ScoreMatrix(
            classes=self.names,
            video_ids=tuple(f"v_{i:06d}" for i in range(len(self.videos))),
            labels=self.labels,
            scores=cosine_scores(self.videos, self.classes),
        )


def make_embedded(rows: int, *, ties: bool) -> Embedded:
    """Make random vectors around ActivityNet's classes; with ties, two and three of them equal."""
    rng = np.random.default_rng(1)
    names = load_class_set("activitynet200").names
    classes = rng.normal(size=(len(names), DIM)).astype(np.float32)
    for first, *others in EQUAL if ties else ():
        classes[others] = classes[first]
    labels = rng.integers(len(names), size=rows)
    videos = classes[labels] + 6.0 * rng.normal(size=(rows, DIM))
    return Embedded(names=names, videos=videos.astype(np.float32), classes=classes, labels=labels)


def released(
    embedded: Embedded, protocols: Sequence[Protocol], *, derive: bool = True
) -> list[list[float]]:
    """Evaluate as the released loop does: distances, a full sort and membership, trial by trial.

    Args:
        embedded: The vectors.
        protocols: Whose trials to score.
        derive: Whether a video's label is found again as the class nearest to its class vector,
            which the released loop does; without it the label that is known is taken.

    Returns:
        Top-1 and top-5 of every trial.
    """
    column = {name: place for place, name in enumerate(embedded.names)}
    accuracies = []
    for trial in (trial for protocol in protocols for trial in protocol.trials):
        chosen = [column[name] for name in trial.classes]
        rows = [i for i, label in enumerate(embedded.labels.tolist()) if label in chosen]
        vectors, labels = embedded.classes[chosen], embedded.labels[rows]
        if derive:
            truth = cdist(embedded.classes[labels], vectors, "cosine").argmin(1)
        else:
            truth = np.array([chosen.index(label) for label in labels.tolist()])
        order = cdist(embedded.videos[rows], vectors, "cosine").argsort(1)
        accuracies.append(
            [float(np.mean([y in best for y, best in zip(truth, order[:, :k], strict=True)]))
             for k in TOP_KS]
        )  # fmt: skip
    return accuracies


def by_rule(embedded: Embedded, protocols: Sequence[Protocol]) -> list[list[float]]:
    """Count on scipy's distances by the rule that a tie never helps; top-1 and top-5 of trials."""
    column = {name: place for place, name in enumerate(embedded.names)}
    distances = cdist(embedded.videos, embedded.classes, "cosine")
    accuracies = []
    for trial in (trial for protocol in protocols for trial in protocol.trials):
        chosen = [column[name] for name in trial.classes]
        right: dict[int, list[bool]] = {k: [] for k in TOP_KS}
        for label, row in zip(embedded.labels.tolist(), distances[:, chosen], strict=True):
            if label in chosen:
                rivals = int((row <= row[chosen.index(label)]).sum()) - 1
                for k in TOP_KS:
                    right[k].append(rivals < k)
        accuracies.append([sum(right[k]) / len(right[k]) for k in TOP_KS])
    return accuracies


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


def count_by_loop(evidence: Evidence, protocols: Sequence[Protocol]) -> dict[str, float]:
    """Count top-1 as one writes it first: for every trial and video, the best candidate."""
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


def bootstrap_by_loop(outcomes: Outcomes, *, replicates: int, seed: int) -> list[float]:
    """Resample sources within their class as one writes it first: gather the rows and average.

    The random numbers are those of the package, one a source and resample, sources in the order of
    their class and number.
    """
    rng = np.random.default_rng(seed)
    pairs = sorted(set(zip(outcomes.classes.tolist(), outcomes.groups.tolist(), strict=True)))
    rows_of: dict[tuple[int, int], list[int]] = {pair: [] for pair in pairs}
    for row in np.flatnonzero(outcomes.present.any(axis=1)).tolist():
        rows_of[int(outcomes.classes[row]), int(outcomes.groups[row])].append(row)
    sources = [np.array(rows) for rows in rows_of.values() if rows]
    codes = [pair[0] for pair, rows in rows_of.items() if rows]
    first = {code: codes.index(code) for code in set(codes)}
    size = {code: codes.count(code) for code in set(codes)}
    means = []
    for _ in range(replicates):
        drawn = zip(codes, rng.random(len(codes)).tolist(), strict=True)
        picked = [sources[first[code] + int(number * size[code])] for code, number in drawn]
        rows = np.concatenate(picked)
        present = outcomes.present[rows]
        right = (outcomes.values[rows] * present).sum(axis=0)
        means.append(float((right / present.sum(axis=0)).mean()))
    return means
