"""The class filter of FairZSL (Roitberg et al., 2018), beside the paper's threshold rule (Eq. 3).

It is no method: it says which classes of an external data set may be learned from, and a standard
method learns from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from zsl_bench.baselines.methods.base import FittedMethod, SeenVideos
from zsl_bench.baselines.methods.catalogue import installed_method
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.errors import ClassSetError
from zsl_bench.overlap import DEFAULT_THRESHOLD, check_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from zsl_bench.baselines.methods.base import FeatureMethod
    from zsl_bench.baselines.methods.spec import MethodSpec

    Matrix = NDArray[np.float64]

FAIR_FILTER = "fair-filter"
FAIR_BASES = ("rr", "conse", "devise")
"""Methods that the filter is put before for its rows."""
Source = Literal["inner", "external", "both"]
Rule = Literal["theta", "threshold"]
_ASKED = "fair filter"
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class FairFilter:
    """Which external classes may be learned from, by two rules.

    Attributes:
        keep: ``(X,)``, the external classes at most as similar to every unseen class as theta.
        theta: Highest cosine of two different classes of the target data set.
        theta_pair: Positions of those two.
        similarity: ``(X,)`` cosine of each external class to the unseen class nearest to it.
        nearest: ``(X,)`` position of that class in the target data set.
        threshold: Cosine distance of the paper's rule.
        keep_by_threshold: ``(X,)``, the external classes that it keeps.
    """

    keep: NDArray[np.bool_]
    theta: float
    theta_pair: tuple[int, int]
    similarity: Matrix
    nearest: NDArray[np.intp]
    threshold: float
    keep_by_threshold: NDArray[np.bool_]

    @property
    def num_kept(self) -> int:
        """Classes that the filter keeps."""
        return int(self.keep.sum())

    @property
    def num_kept_by_threshold(self) -> int:
        """Classes that the paper's rule keeps."""
        return int(self.keep_by_threshold.sum())

    @property
    def distance(self) -> float:
        """Theta as a cosine distance, to hold against the threshold."""
        return 1.0 - self.theta

    def kept(self, rule: Rule) -> NDArray[np.intp]:
        """Return the positions of the external classes that a rule keeps."""
        return np.flatnonzero(self.keep if rule == "theta" else self.keep_by_threshold)

    def to_json(self, external: Sequence[str], target: Sequence[str]) -> dict[str, object]:
        """Return both rules with their counts and the classes that each drops.

        Args:
            external: Names of the external classes.
            target: Names of the target data set's classes.
        """
        nearest = [target[int(place)] for place in self.nearest]
        return {
            "theta": self.theta,
            "theta_distance": self.distance,
            "theta_pair": [target[place] for place in self.theta_pair],
            "threshold": self.threshold,
            "num_external": len(self.keep),
            "num_kept": self.num_kept,
            "num_kept_by_threshold": self.num_kept_by_threshold,
            "dropped": [
                {
                    "name": external[int(row)],
                    "nearest_class": nearest[int(row)],
                    "similarity": float(self.similarity[row]),
                    "by_theta": not self.keep[row],
                    "by_threshold": not self.keep_by_threshold[row],
                }
                for row in np.flatnonzero(~(self.keep & self.keep_by_threshold))
            ],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class FairFitted(FittedMethod):
    """A standard method that learned from filtered classes, under the name of both.

    Attributes:
        base: The method.
    """

    base: FittedMethod

    @property
    def spec(self) -> MethodSpec:  # type: ignore[override]
        """What it is, with the filter before it."""
        return fair_spec(self.base.spec)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return those of the method."""
        return self.base.arrays()

    def settings(self) -> dict[str, Any]:
        """Return those of the method, and its name."""
        return {"base": self.base.spec.name, "base_settings": self.base.settings()}

    def embedded(self, videos: ClipFeatures) -> Matrix | None:
        """Return the points of the method."""
        return self.base.embedded(videos)

    def points(self, class_vectors: Matrix) -> Matrix | None:
        """Return the points of the method."""
        return self.base.points(class_vectors)

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Score by the method."""
        return self.base.scored(videos, class_vectors)

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        """Make it of what was saved.

        Raises:
            ModelError: No installed package brings the method.
        """
        method = installed_method(str(settings["base"]))
        return cls(base=method.restored(arrays, settings["base_settings"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class FairRow:
    """A standard method that learned from filtered classes.

    Attributes:
        spec: What to print beside its numbers.
        fitted: The method; saved, it says that a filter stood before it, and restored it does so.
    """

    spec: MethodSpec
    fitted: FittedMethod


def fair_filter(
    external_vectors: ArrayLike,
    target_vectors: ArrayLike,
    unseen: ArrayLike,
    *,
    threshold: float = DEFAULT_THRESHOLD,
) -> FairFilter:
    """Decide which external classes may be learned from.

    Theta is the highest cosine of two different classes of the target data set; classes with equal
    vectors count as one. An external class whose cosine to any unseen class exceeds theta is
    dropped. The paper's rule drops one whose cosine distance is below the threshold.

    Args:
        external_vectors: ``(X, E)`` class vectors; their lengths do not matter.
        target_vectors: ``(C, E)``, of all classes of the target data set.
        unseen: Which of them are unseen: ``(C,)`` truth values, or positions.
        threshold: Cosine distance of the paper's rule.

    Raises:
        ClassSetError: Fewer than two target classes differ, none is unseen, or the vectors differ
            in length.
        DatasetError: A matrix is malformed.
        ZslBenchError: The threshold is no cosine distance.
    """
    check_threshold(threshold)
    external, target = unit_class_vectors(external_vectors), unit_class_vectors(target_vectors)
    if external.shape[1] != target.shape[1]:
        raise ClassSetError(
            _ASKED,
            found=f"external vectors of {external.shape[1]} numbers, target vectors of "
            f"{target.shape[1]}",
            fix="take both from the same word vectors",
        )
    chosen = _positions(unseen, len(target))
    theta, pair = _theta(target)
    cosines = external @ target[chosen].T
    similarity = cosines.max(axis=1)
    return FairFilter(
        keep=similarity <= theta + _SLACK,
        theta=theta,
        theta_pair=pair,
        similarity=similarity,
        nearest=chosen[cosines.argmax(axis=1)],
        threshold=threshold,
        keep_by_threshold=1.0 - similarity >= threshold,
    )


def fair_training(
    inner: SeenVideos,
    external: SeenVideos,
    decided: FairFilter,
    *,
    source: Source = "both",
    rule: Rule = "theta",
) -> SeenVideos:
    """Return what a method learns from in one of the three comparisons of the original.

    Args:
        inner: Videos of the target data set's seen classes.
        external: Videos of the external data set, before the filter.
        decided: The filter, of the external classes in their order.
        source: ``inner``, ``external`` or ``both``; inner classes come first.
        rule: ``theta``, or the paper's ``threshold``.

    Raises:
        ClassSetError: The filter is of other classes, nothing is left, or the two feature sets do
            not fit together.
    """
    if len(decided.keep) != len(external.class_vectors):
        raise ClassSetError(
            _ASKED,
            found=f"a filter of {len(decided.keep)} classes for {len(external.class_vectors)}",
            fix="filter the external data set's own classes",
        )
    if source == "inner":
        return inner
    filtered = external.of_classes(decided.kept(rule))
    if not len(filtered.videos):
        raise ClassSetError(
            _ASKED, found="no external video left", fix="give more external classes"
        )
    return filtered if source == "external" else joined(inner, filtered)


def fit_fair(method: FeatureMethod, training: SeenVideos, config: object = None) -> FairRow:
    """Fit a standard method to filtered classes.

    Args:
        method: One of :data:`FAIR_BASES`, or any other.
        training: What :func:`fair_training` returns.
        config: Settings of the method.

    Raises:
        ModelError: There is no such setting.
    """
    fitted = method.fitted(training, method.configured(config))
    behind = FairFitted(base=fitted)
    return FairRow(spec=behind.spec, fitted=behind)


def fair_spec(base: MethodSpec) -> MethodSpec:
    """Return what is printed beside a row of the filter with a method."""
    return replace(
        base,
        name=f"{FAIR_FILTER}+{base.name}",
        title=f"class filter of FairZSL (Roitberg et al., 2018) with {base.title}",
        fidelity="close" if base.fidelity == "faithful" else base.fidelity,
        side_data=(*base.side_data, "an external action data set, filtered by its own rule"),
        sources=("Springer LNCS 11132, introduction", *base.sources),
        assumed=(
            "theta is the highest word-vector similarity inside the target data set, from memory",
            f"the method behind the filter is {base.name}",
            *base.assumed,
        ),
    )


def joined(first: SeenVideos, second: SeenVideos) -> SeenVideos:
    """Return the videos of both, the second's classes numbered behind the first's.

    Raises:
        ClassSetError: Clip features or class vectors differ in length.
    """
    sizes = [(one.videos.dim, one.class_vectors.shape[1]) for one in (first, second)]
    if sizes[0] != sizes[1]:
        raise ClassSetError(
            "videos of two data sets",
            found=f"features and class vectors of {sizes[0]} and of {sizes[1]} numbers",
            fix="extract both with one model, and use one file of word vectors",
        )
    clips = max(first.videos.num_clips, second.videos.num_clips)
    return SeenVideos(
        videos=ClipFeatures.of(
            np.concatenate([_padded(one.videos.clips, clips) for one in (first, second)]),
            np.concatenate([first.videos.lengths, second.videos.lengths]),
        ),
        labels=np.concatenate([first.labels, second.labels + len(first.class_vectors)]),
        class_vectors=np.concatenate([first.class_vectors, second.class_vectors]),
        seed=first.seed,
    )


def _padded(clips: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.pad(clips, ((0, 0), (0, count - clips.shape[1]), (0, 0)))


def _positions(unseen: ArrayLike, classes: int) -> NDArray[np.intp]:
    given = np.asarray(unseen)
    if given.dtype == np.bool_ and given.shape == (classes,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size:
        raise ClassSetError(
            _ASKED,
            found=f"unseen classes of shape {given.shape} and type {given.dtype}",
            fix="give positions of one class at least, or one truth value a target class",
        )
    if given.min() < 0 or given.max() >= classes:
        raise ClassSetError(
            _ASKED,
            found=f"unseen classes from {given.min()} to {given.max()} of {classes}",
            fix=f"give from 0 to {classes - 1}",
        )
    return given.astype(np.intp)


def _theta(target: Matrix) -> tuple[float, tuple[int, int]]:
    cosines = target @ target.T
    different = np.triu(cosines < 1 - _SLACK, 1)
    if not different.any():
        raise ClassSetError(
            _ASKED,
            found="no two target classes that differ",
            fix="give all classes of the target data set",
        )
    inside = np.where(different, cosines, -np.inf)
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return float(inside[row, column]), (int(row), int(column))
