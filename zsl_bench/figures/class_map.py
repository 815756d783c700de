"""A map of class vectors: training classes, those removed, and test classes (paper Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.figures.chart import BLACK, GREY, INSTALL_PLOTS, Chart, look
from zsl_bench.figures.runs import shortened, shown
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from zsl_bench.overlap import OverlapAudit

PERPLEXITY = 30.0
LABELS = 5
_SEED = 0
_FEWEST = 4
_LONGEST = 24
_LETTER, _LINE = 0.0095, 0.03
_CROSSES = ("x", "+", "1", "2", "3", "4")
_TRAIN, _REMOVED, _TEST = "training", "removed", "test"


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMap:
    """Where every class lies on the map.

    Attributes:
        names: The classes, training classes first.
        sets: The data set of each.
        kinds: ``training``, ``removed`` (a training class that the audit removes) or ``test``.
        points: ``(N, 2)`` float64 coordinates, without a unit.
        approximate: For each class whether a word of it has no vector.
    """

    names: tuple[str, ...]
    sets: tuple[str, ...]
    kinds: tuple[str, ...]
    points: NDArray[np.float64]
    approximate: tuple[bool, ...]


def map_classes(audit: OverlapAudit, *, vectors: str | Path | None = None) -> ClassMap:
    """Lay the class vectors of an audit out in a plane by t-SNE on cosine distances.

    scikit-learn's t-SNE from a PCA start with a perplexity of 30, or a third of the classes where
    they are few. The same classes give the same map under one version of scikit-learn on one
    machine; distances on it, unlike those of the audit, mean nothing beyond who is near whom.

    Args:
        audit: Its training classes, test classes and threshold.
        vectors: Word-vector file; None for the bundled vectors. It must be that of the audit.

    Raises:
        ZslBenchError: scikit-learn is missing, or the vectors are not those of the audit.
        ClassSetError: There are fewer than four classes.
    """
    sets = (audit.train, *audit.tests)
    loaded = load_word_vectors(vectors, words={w for s in sets for ws in s.words for w in ws})
    if loaded.digest != audit.vectors_digest:
        raise ZslBenchError(
            f"map of {audit.train.dataset}",
            found=f"vectors from {loaded.source}, and an audit by those from {audit.vectors}",
            fix="give the same to both",
        )
    made = [class_vectors(one, loaded, allow_approximate=True) for one in sets]
    removed = {one.name for one in audit.removed}
    kinds = [_REMOVED if name in removed else _TRAIN for name in audit.train.names]
    return ClassMap(
        names=tuple(name for one in sets for name in one.names),
        sets=tuple(one.dataset for one in sets for _ in one.names),
        kinds=(*kinds, *(_TEST for one in audit.tests for _ in one.names)),
        points=_layout(np.concatenate([one.matrix for one in made])),
        approximate=tuple(bool(words) for one in made for words in one.approximate),
    )


def class_map_chart(audit: OverlapAudit, *, vectors: str | Path | None = None) -> Chart:
    """Chart training classes, removed ones and test classes on one map (paper Fig. 2).

    Args:
        audit: Its training classes, test classes and threshold.
        vectors: As in :func:`map_classes`.

    Raises:
        ZslBenchError: As in :func:`map_classes`.
        ClassSetError: As in :func:`map_classes`.
    """
    laid = map_classes(audit, vectors=vectors)
    tests = ", ".join(test.dataset for test in audit.tests)
    resting = sum(laid.approximate)
    return Chart(
        name=f"class-map-{audit.train.dataset}",
        title=f"Classes of {audit.train.dataset} and {tests}",
        caption=f"t-SNE of the class vectors on cosine distances from a PCA start. Dots: training "
        f"classes; grey: the {len(audit.removed)} of {len(audit.train)} that are closer than "
        f"{audit.threshold:g} to a test class; crosses: test classes. Who lies beside whom has a "
        f"meaning, how far apart has none. Words by the rules {audit.train.rules}, vectors from "
        f"{audit.vectors}"
        + (f"; {resting} classes rest on a stand-in for a word without a vector." if resting
           else "."),
        header=("class", "data set", "kind", "x", "y", "stand-in"),
        rows=tuple(
            (name, of, kind, float(x), float(y), rests)
            for name, of, kind, (x, y), rests in zip(
                laid.names, laid.sets, laid.kinds, laid.points, laid.approximate, strict=True
            )
        ),
        draw=partial(_draw, audit, laid),
        size=(7.2, 6.4),
    )  # fmt: skip


def spread_out(points: NDArray[np.floating], cells: int = LABELS) -> list[int]:
    """Choose points that lie far from one another: one in each cell of a grid over them all.

    Args:
        points: ``(N, 2)``.
        cells: Cells along each axis.

    Returns:
        For each cell that holds a point, by rows, the one nearest to the cell's middle.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    places = (points - low) / np.where(high > low, high - low, 1.0) * cells
    cell = np.minimum(places.astype(np.int64), cells - 1)
    off = np.square(places - cell - 0.5).sum(axis=1)
    best: dict[tuple[int, int], int] = {}
    for number, (column, row) in enumerate(cell.tolist()):
        known = best.setdefault((row, column), number)
        if off[number] < off[known]:
            best[row, column] = number
    return [best[key] for key in sorted(best)]


def _layout(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    if len(matrix) < _FEWEST:
        raise ClassSetError(
            f"a map of {len(matrix)} classes",
            found="too few to lay out",
            fix=f"give {_FEWEST} or more",
        )
    if find_spec("sklearn") is None:
        raise ZslBenchError("a map of classes", found="scikit-learn is missing", fix=INSTALL_PLOTS)
    from sklearn.manifold import TSNE

    layout = TSNE(
        metric="cosine",
        init="pca",
        random_state=_SEED,
        perplexity=min(PERPLEXITY, (len(matrix) - 1) / 3),
    )
    points: NDArray[np.float64] = layout.fit_transform(matrix).astype(np.float64)
    return points


def _draw(audit: OverlapAudit, laid: ClassMap, figure: Figure) -> None:
    axes = figure.subplots()
    for label, rows, style in _series(audit, laid):
        x, y = laid.points[rows].T
        axes.plot(x, y, linestyle="", label=label, **style)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, markerscale=1.3)
    _draw_names(axes, laid)


def _series(audit: OverlapAudit, laid: ClassMap) -> Iterator[tuple[str, list[int], dict[str, Any]]]:
    train = audit.train.dataset
    dots: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (f"{train}, kept", _TRAIN, {"marker": ".", "color": look(5).colour, "markersize": 5}),
        (f"{train}, removed", _REMOVED, {"marker": "o", "color": "#B5B9C0", "markersize": 7,
                                         "markeredgecolor": GREY}),
    )  # fmt: skip
    for label, kind, style in dots:
        rows = [number for number, one in enumerate(laid.kinds) if one == kind]
        if rows:
            yield f"{shown(label)} ({len(rows)})", rows, style
    start = len(audit.train)
    for number, test in enumerate(audit.tests):
        rows = list(range(start, start + len(test)))
        start += len(test)
        colour = (BLACK, look(0).colour, look(2).colour)[number % 3]
        style = {"marker": _CROSSES[number % len(_CROSSES)], "color": colour, "markersize": 5.5}
        yield f"{shown(test.dataset)} ({len(test)})", rows, {**style, "markeredgewidth": 1.1}


def _draw_names(axes: Axes, laid: ClassMap) -> None:
    from matplotlib.patheffects import withStroke

    boxes: list[NDArray[np.float64]] = []
    for number in spread_out(laid.points):
        text = shortened(laid.names[number], _LONGEST)
        is_right, box = _box(laid.points, number, len(text))
        if any(_meet(box, other) for other in boxes):
            continue
        boxes.append(box)
        axes.annotate(
            shown(text),
            tuple(laid.points[number]),
            xytext=(-4 if is_right else 4, 4),
            textcoords="offset points",
            ha="right" if is_right else "left",
            fontsize=7.5,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )


def _box(
    points: NDArray[np.float64], number: int, letters: int
) -> tuple[bool, NDArray[np.float64]]:
    """Return whether a name stands left of its point, and its ``(2, 2)`` corners on the map."""
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (points[number] - low) / np.where(high > low, high - low, 1.0)
    width, height = letters * _LETTER, _LINE
    is_right = bool(x > 0.5)
    left = x - width if is_right else x
    return is_right, np.array([[left, y], [left + width, y + height]])


def _meet(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((a[0] < b[1]).all() and (b[0] < a[1]).all())
