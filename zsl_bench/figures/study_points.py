"""What a study measured, run by run, and the means and differences that its charts show."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class MeasuredRow(Protocol):
    """What a finished run measured on one data set under one protocol, as a study collects it."""

    @property
    def run(self) -> str:
        """Id of the run."""
        ...

    @property
    def labels(self) -> Mapping[str, str | int | float | None]:
        """What tells the run from others; ``repeat`` or ``seed`` numbers its repeats."""
        ...

    @property
    def evaluation(self) -> str:
        """Name of the evaluation."""
        ...

    @property
    def dataset(self) -> str:
        """The test set."""
        ...

    @property
    def protocol(self) -> str:
        """Id of the protocol with its version."""
        ...

    @property
    def top1(self) -> float:
        """Mean top-1 over the trials, from 0 to 1."""
        ...

    @property
    def chance(self) -> float:
        """Top-1 of guessing."""
        ...

    @property
    def complete(self) -> bool:
        """Whether every video of the data set was scored."""
        ...

    @property
    def verdict(self) -> str:
        """The zero-shot verdict in words."""
        ...

    @property
    def classes_trained(self) -> int | None:
        """Number of classes that were really trained on."""
        ...

    @property
    def samples_trained(self) -> int | None:
        """Number of samples that were really trained on."""
        ...


@dataclass(frozen=True, kw_only=True)
class StudyPoint:
    """One trained model under one protocol of one data set.

    Attributes:
        test: Data set and protocol, which share a panel and a scale: ``ucf101, brattoli-full``.
        series: What is drawn as one line, such as ``e2e``.
        at: The number that the study varies: of classes, of videos, or of clusters.
        accuracy: Top-1 accuracy, a fraction from 0 to 1.
        repeat: Number of the repeat, from 0; with another seed or another choice of classes.
        diversity: Mean cosine distance between the training classes, or None.
        chance: One over the number of candidate classes, or None.
        note: A few letters beside the point, such as the number of classes behind it.
        verdict: Whether the test classes had been seen, in words.
        complete: Whether every video of the data set was scored.
        run: Id of the run.
    """

    test: str
    series: str
    at: float
    accuracy: float
    repeat: int = 0
    diversity: float | None = None
    chance: float | None = None
    note: str = ""
    verdict: str = ""
    complete: bool = True
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyMean:
    """The repeats of one place of one line.

    Attributes:
        test: As in the points.
        series: As in the points.
        at: As in the points.
        accuracies: Those of the repeats, in their order.
        mean: Their mean.
        deviation: Their standard deviation with n - 1 below the line, or None for one repeat.
        diversity: Mean of the repeats' diversities, or None where one has none.
        note: That of the first repeat.
    """

    test: str
    series: str
    at: float
    accuracies: tuple[float, ...]
    mean: float
    deviation: float | None
    diversity: float | None
    note: str


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What one training gained over its counterpart with the same classes and repeat.

    Attributes:
        test: As in the points.
        at: As in the points.
        repeat: As in the points.
        without: Accuracy of the counterpart.
        accuracy: Accuracy of the training.
    """

    test: str
    at: float
    repeat: int
    without: float
    accuracy: float

    @property
    def gain(self) -> float:
        """The difference of the two accuracies."""
        return self.accuracy - self.without


def study_points(
    rows: Sequence[MeasuredRow],
    *,
    at: Callable[[MeasuredRow], float | None],
    series: Callable[[MeasuredRow], str],
    note: Callable[[MeasuredRow], str] | None = None,
) -> tuple[StudyPoint, ...]:
    """Turn rows into points, in the order of their places; a row without a place is left out.

    Data set and protocol, and the evaluation where there are several, name the panel, so that
    nothing stands in one panel that was measured in two ways. The label ``diversity`` is taken
    over where a run has it.

    Args:
        rows: Those of finished runs.
        at: The number that the study varies.
        series: What is drawn as one line.
        note: A few letters beside the point.
    """
    several = len({row.evaluation for row in rows}) > 1
    points = []
    for row in rows:
        place, diversity = at(row), row.labels.get("diversity")
        if place is None:
            continue
        points.append(
            StudyPoint(
                test=panel_of(row, several=several),
                series=series(row),
                at=place,
                accuracy=row.top1,
                repeat=int(row.labels.get("repeat") or row.labels.get("seed") or 0),
                diversity=None if diversity is None else float(diversity),
                chance=row.chance,
                note=note(row) if note else "",
                verdict=row.verdict,
                complete=row.complete,
                run=row.run,
            )
        )
    return tuple(sorted(points, key=lambda point: (point.at, point.repeat)))


def panel_of(row: MeasuredRow, *, several: bool) -> str:
    """Name the panel that a row belongs to, with its evaluation where there are several."""
    parts = (row.dataset, row.protocol, row.evaluation if several else "")
    return ", ".join(filter(None, parts))


def summarise(points: Iterable[StudyPoint]) -> tuple[StudyMean, ...]:
    """Average the repeats of every test, series and place, in that order.

    The paper does not say what its standard deviations divide by; these estimate the spread of
    trainings from a sample of them, so that they divide by n - 1.
    """
    groups: dict[tuple[str, str, float], list[StudyPoint]] = {}
    for point in points:
        groups.setdefault((point.test, point.series, point.at), []).append(point)
    order = {name: i for i, name in enumerate(dict.fromkeys(key[1] for key in groups))}
    tests = {name: i for i, name in enumerate(dict.fromkeys(key[0] for key in groups))}
    keys = sorted(groups, key=lambda key: (tests[key[0]], order[key[1]], key[2]))
    return tuple(_mean(key, groups[key]) for key in keys)


def _mean(key: tuple[str, str, float], group: list[StudyPoint]) -> StudyMean:
    group = sorted(group, key=lambda point: point.repeat)
    values = [point.accuracy for point in group]
    known = [point.diversity for point in group if point.diversity is not None]
    return StudyMean(
        test=key[0],
        series=key[1],
        at=key[2],
        accuracies=tuple(values),
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        diversity=statistics.fmean(known) if len(known) == len(group) else None,
        note=group[0].note,
    )


def paired_gains(points: Sequence[StudyPoint], *, without: str, gained: str) -> tuple[Gain, ...]:
    """Subtract, place by place and repeat by repeat, one series from another.

    Only what both series have is compared.

    Args:
        points: Those of both series.
        without: Name of the series that is subtracted.
        gained: Name of the series that it is subtracted from.

    Raises:
        ResultError: A series has two points for one test, place and repeat.
    """
    left, right = (_by_place(points, name) for name in (without, gained))
    return tuple(
        Gain(test=key[0], at=key[1], repeat=key[2], without=value, accuracy=right[key])
        for key, value in left.items()
        if key in right
    )


def _by_place(points: Sequence[StudyPoint], series: str) -> dict[tuple[str, float, int], float]:
    found: dict[tuple[str, float, int], float] = {}
    for point in points:
        if point.series != series:
            continue
        key = (point.test, point.at, point.repeat)
        if key in found:
            raise ResultError(
                f"gains of {series}",
                found=f"two accuracies on {point.test} at {point.at:g}, repeat {point.repeat}",
                fix="give each run once",
            )
        found[key] = point.accuracy
    return found


def check_points(points: Sequence[StudyPoint], chart: str) -> None:
    """Refuse to draw nothing.

    Raises:
        ResultError: There is no point.
    """
    if not points:
        raise ResultError(
            f"chart {chart}", found="no finished run", fix="run some of the study first"
        )
