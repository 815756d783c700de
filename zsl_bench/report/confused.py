"""What a model takes each class for, video by video."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.figures.runs import Run


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A video that a model calls by another name.

    Attributes:
        video: Its id.
        truth: Its class.
        named: The candidate with the highest score, the truth left out.
        margin: How far that score is above the truth's, in the model's own scale.
    """

    video: str
    truth: str
    named: str
    margin: float


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The class that a class is most often taken for.

    Attributes:
        named: That class.
        times: How many videos of the class it was given to, counted in every trial.
        mistakes: Those videos, each once, the widest margin first.
    """

    named: str
    times: int
    mistakes: tuple[Mistake, ...]


def most_confused(run: Run) -> Mapping[str, Confusion]:
    """Return for each class with a mistake the class that it is most often taken for.

    A tie with the truth is a mistake, as in every score. Of two classes named equally often the one
    that comes first in the alphabet is taken.

    Args:
        run: A result under a protocol.
    """
    found: dict[str, list[Mistake]] = {}
    for mistake in _mistakes(run):
        found.setdefault(mistake.truth, []).append(mistake)
    confusions = {}
    for truth, mistakes in found.items():
        times = Counter(mistake.named for mistake in mistakes)
        named = min(times, key=lambda name: (-times[name], name))
        widest: dict[str, Mistake] = {}
        for mistake in sorted(mistakes, key=lambda one: (-one.margin, one.video)):
            if mistake.named == named:
                widest.setdefault(mistake.video, mistake)
        confusions[truth] = Confusion(
            named=named, times=times[named], mistakes=tuple(widest.values())
        )
    return confusions


def _mistakes(run: Run) -> list[Mistake]:
    matrix = run.evidence.matrix
    column = {name: number for number, name in enumerate(matrix.classes)}
    found = []
    for ranked in run.ranked:
        names = ranked.trial.candidates
        wrong = np.flatnonzero(ranked.ranks > 0)
        rows = ranked.rows[wrong]
        columns = np.array([column[name] for name in names], dtype=np.int64)
        scores = matrix.scores[np.ix_(rows, columns)]
        truths = ranked.labels[wrong]
        places = np.arange(len(rows))
        own = scores[places, truths]
        scores[places, truths] = -np.inf
        best = scores.argmax(axis=1)
        margins = scores[places, best] - own
        found += [
            Mistake(
                video=matrix.video_ids[row], truth=names[truth], named=names[named], margin=margin
            )
            for row, truth, named, margin in zip(
                rows.tolist(), truths.tolist(), best.tolist(), margins.tolist(), strict=True
            )
        ]
    return found
