"""Fit and score time of the compared methods, and the closed forms beside plain loops.

    python benchmarks/methods.py [--size ucf-half] [--methods rr eszsl ...] [--runs 3] [--json]
    python benchmarks/methods.py --methods tarn --set episodes=100
    python benchmarks/methods.py --quick

The features are made up: a centre for each class and noise for each video. Sizes:

ucf-half    6,700 seen videos of 50 classes, 6,700 others of 51 to score, 512 numbers a clip.
c3d         the same with 4,096 numbers.
large       100,000 videos of 664 classes, 6,700 others of 51 to score, 512 numbers.

A fit includes the choice of the method's settings on held-out seen classes, by its defaults. The
loops are what one writes first: every regulariser anew, from the videos, by np.linalg.solve. They
hold out the same classes, and must choose the same settings and give the same scores. Sides take
turns. For one core set OMP_NUM_THREADS=1 before. The exit code is 1 where two sides disagree, and
``within_limit`` says whether a closed form with its grid took at most two minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.catalogue import known_methods, load_method
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.ridge import GRID
from zsl_bench.baselines.methods.settings import typed_settings
from zsl_bench.baselines.methods.validation import class_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods import FittedMethod

    Matrix = NDArray[np.float64]

WORDS = 300
CLOSED_FORMS = ("rr", "eszsl", "bidilel", "mte")
LIMIT_SECONDS = 120.0
CLOSE = 1e-6
_CHOSEN = {"rr": ("regulariser",), "eszsl": ("visual", "semantic")}


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is to fit and to score.

    Attributes:
        videos: Seen videos.
        classes: Seen classes.
        others: Videos to score.
        candidates: Classes to score them against.
        dim: Numbers in a clip's feature.
        clips: Clips of a video.
    """

    videos: int = 6700
    classes: int = 50
    others: int = 6700
    candidates: int = 51
    dim: int = 512
    clips: int = 1


SIZES = {
    "ucf-half": Size(),
    "c3d": Size(dim=4096),
    "large": Size(videos=100_000, classes=664),
}
QUICK = Size(videos=120, classes=12, others=40, candidates=5, dim=16, clips=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """Made-up videos.

    Attributes:
        features: ``(N, T, D)``.
        lengths: ``(N,)``.
        labels: ``(N,)``.
        vectors: ``(C, E)``.
    """

    features: NDArray[np.float32]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    vectors: Matrix

    @classmethod
    def of(cls, size: Size, *, seen: bool) -> Made:
        """Make the seen videos of a size, or the others; one map leads from words to centres."""
        videos, classes = (size.videos, size.classes) if seen else (size.others, size.candidates)
        shared = np.random.default_rng(0).standard_normal((WORDS, size.dim)) / np.sqrt(WORDS)
        generator = np.random.default_rng(1 if seen else 2)
        vectors = generator.standard_normal((classes, WORDS))
        labels = np.arange(videos) % classes
        noise = generator.standard_normal((videos, size.clips, size.dim), dtype=np.float32)
        centres = (vectors @ shared).astype(np.float32)
        return cls(
            features=centres[labels][:, None] + noise,
            lengths=np.full(videos, size.clips),
            labels=labels,
            vectors=vectors,
        )


def plain_rr(rows: Matrix, labels: NDArray[np.int64], vectors: Matrix, value: float) -> Matrix:
    """Return ridge regression's weights, solved anew."""
    square = rows.T @ rows + value * np.eye(rows.shape[1])
    weights: Matrix = np.asarray(np.linalg.solve(square, rows.T @ vectors[labels]), np.float64)
    return weights


def plain_eszsl(
    rows: Matrix, labels: NDArray[np.int64], vectors: Matrix, pair: tuple[float, float]
) -> Matrix:
    """Return ESZSL's weights, solved anew, with the matrix of targets."""
    targets = np.eye(len(vectors))[labels]
    left = rows.T @ rows + pair[0] * np.eye(rows.shape[1])
    right = vectors.T @ vectors + pair[1] * np.eye(vectors.shape[1])
    half = np.linalg.solve(left, rows.T @ targets @ vectors)
    weights: Matrix = np.linalg.solve(right, half.T).T
    return weights


def centred(videos: ClipFeatures, mean: Matrix) -> Matrix:
    """Return centred video vectors of unit length."""
    rows = videos.means() - mean
    unit: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def by_loop(
    made: Made,
    choices: Sequence[Any],
    solve: Callable[[Matrix, NDArray[np.int64], Matrix, Any], Matrix],
    *,
    cosine: bool,
) -> tuple[Any, Matrix, Matrix]:
    """Choose on held-out classes, each choice solved anew, and solve for all.

    Returns:
        The choice, the weights, and the mean that features are centred by.
    """
    videos = ClipFeatures.of(made.features, made.lengths)
    vectors = unit_class_vectors(made.vectors)
    seen = SeenVideos(videos=videos, labels=made.labels, class_vectors=vectors, seed=0)
    totals = dict.fromkeys(choices, 0.0)
    for fold in class_folds(seen):
        mean = fold.learned.videos.means().mean(axis=0)
        rows, others = (centred(s.videos, mean) for s in (fold.learned, fold.held_out))
        for choice in choices:
            weights = solve(rows, fold.learned.labels, fold.learned.class_vectors, choice)
            points = others @ weights
            if cosine:
                points /= np.linalg.norm(points, axis=1, keepdims=True)
            right = (points @ fold.held_out.class_vectors.T).argmax(axis=1) == fold.held_out.labels
            totals[choice] += np.mean(
                [right[fold.held_out.labels == c].mean() for c in np.unique(fold.held_out.labels)]
            )
    best = max(choices, key=lambda choice: round(totals[choice], 9))
    mean = videos.means().mean(axis=0)
    return best, solve(centred(videos, mean), made.labels, vectors, best), mean


def loop_scores(name: str, made: Made, others: Made) -> tuple[tuple[float, ...], Matrix]:
    """Return what a loop chose, and its scores of other videos."""
    if name == "rr":
        value, weights, mean = by_loop(made, GRID, plain_rr, cosine=True)
        chosen: tuple[float, ...] = (value,)
    else:
        pairs = tuple(product(GRID, GRID))
        chosen, weights, mean = by_loop(made, pairs, plain_eszsl, cosine=False)
    points = centred(ClipFeatures.of(others.features, others.lengths), mean) @ weights
    if name == "rr":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return chosen, points @ unit_class_vectors(others.vectors).T


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call took, and what it returned."""
    start = time.perf_counter()
    returned = call()
    return time.perf_counter() - start, returned


def measure(
    name: str, made: Made, others: Made, settings: Mapping[str, Any], runs: int
) -> dict[str, Any]:
    """Time one method, in turns with its loop where there is one."""
    method, fits, scorings, ratios = load_method(name), [], [], []
    report: dict[str, Any] = {"method": name}
    chose: Mapping[str, Any] = {}

    def fit() -> FittedMethod:
        return method.fit(
            made.features, made.lengths, made.labels, made.vectors, config=dict(settings)
        )

    def score(fitted: FittedMethod) -> Matrix:
        return fitted.score(others.features, others.lengths, others.vectors)

    for _ in range(runs):
        seconds, fitted = timed(fit)
        scoring, scores = timed(partial(score, fitted))
        fits.append(seconds)
        scorings.append(scoring)
        chose = fitted.settings()
        if name in _CHOSEN and not settings:
            plain, (chosen, expected) = timed(lambda: loop_scores(name, made, others))
            ratios.append(plain / (seconds + scoring))
            mine = tuple(chose[key] for key in _CHOSEN[name])
            same = mine == chosen and np.abs(scores - expected).max() <= CLOSE
            report["agree"] = report.get("agree", True) and bool(same)
    report |= {
        "settings": chose,
        "fit_s": statistics.median(fits),
        "score_s": statistics.median(scorings),
    }
    if ratios:
        report |= {
            "loop_ratio": statistics.median(ratios),
            "loop_ratio_range": [min(ratios), max(ratios)],
        }
    if name in CLOSED_FORMS:
        report["within_limit"] = report["fit_s"] <= LIMIT_SECONDS
    return report


def measured(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the report of each method."""
    size = QUICK if arguments.quick else SIZES[arguments.size]
    made, others = Made.of(size, seen=True), Made.of(size, seen=False)
    for name in arguments.methods or [n for n in CLOSED_FORMS if n in known_methods()]:
        settings = typed_settings(arguments.settings)
        if arguments.quick:
            settings = {**load_method(name).quick, **settings}
        yield measure(name, made, others, settings, 1 if arguments.quick else arguments.runs)


def show(report: Mapping[str, Any]) -> None:
    """Print one method's line."""
    ratio = ""
    if "loop_ratio" in report:
        low, high = report["loop_ratio_range"]
        ratio = f"{report['loop_ratio']:.1f} ({low:.1f} to {high:.1f})"
    print(
        f"| {report['method']} | {report['fit_s']:.2f} | {report['score_s']:.3f} | {ratio} | "
        f"{ {True: 'yes', False: 'NO', None: ''}[report.get('agree')] } |",
        flush=True,
    )


def main() -> None:
    """Time all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", choices=SIZES, default="ucf-half")
    parser.add_argument("--methods", nargs="+", metavar="NAME")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few videos; a check, not a figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    reports = []
    if not arguments.json:
        print("| method | fit s | score s | loop / ours | same |\n|---|--:|--:|--:|---|")
    for report in measured(arguments):
        reports.append(report)
        if not arguments.json:
            show(report)
    if arguments.json:
        size = "quick" if arguments.quick else arguments.size
        print(json.dumps({"size": size, "methods": reports}, indent=1))
    sys.exit(not all(report.get("agree", True) for report in reports))


if __name__ == "__main__":
    main()
