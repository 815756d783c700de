"""From a features file to a true manifest: the videos of a data set, and where their rows are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.classes import ClassSet, bundled_class_sets, class_set_from_names
from zsl_bench.datasets import LISTED
from zsl_bench.datasets.activitynet import DATASET as ACTIVITYNET
from zsl_bench.datasets.names import dataset_name
from zsl_bench.errors import ClassSetError, DatasetError
from zsl_bench.features.build import named_labels
from zsl_bench.features.columns import match_columns
from zsl_bench.features.given import given_rows
from zsl_bench.features.listed import activitynet_rows, official_rows, unnamed_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.features.record import Features
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True, eq=False)
class MatchedFeatures:
    """Features of a data set's videos.

    Attributes:
        features: The file.
        manifest: Its N videos under their official names, with what is missing and extra; its
            ``root`` is the file and its paths are ids, as there are no videos.
        rows: ``(N,)`` int64, for each video of the manifest its row in the features.
        columns: ``(C,)`` int64, for each class of the manifest's class set its column of the scores
            or its class vector; None where the file has neither.
        distractors: Names of the file's other classes, which are nobody's truth.
        distractor_columns: ``(E,)`` int64, their columns or class vectors.
    """

    features: Features
    manifest: Manifest
    rows: NDArray[np.int64]
    columns: NDArray[np.int64] | None
    distractors: tuple[str, ...] = ()
    distractor_columns: NDArray[np.int64]

    @property
    def has_ids(self) -> bool:
        """Whether videos are known by name, and not by their labels alone."""
        return self.features.ids is not None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The data set's classes, then the distractors."""
        return (*self.manifest.classes.names, *self.distractors)

    @property
    def video_vectors(self) -> NDArray[np.floating] | None:
        """``(N, D)``, a vector for each video of the manifest, or None for scores."""
        vectors = self.features.video_vectors
        return None if vectors is None else vectors[self.rows]

    @property
    def candidate_vectors(self) -> NDArray[np.floating] | None:
        """``(C + E, D)``, a vector for each of the candidates, or None where there are none."""
        vectors = self.features.class_vectors
        return None if vectors is None else vectors[self._candidate_columns]

    @property
    def candidate_scores(self) -> NDArray[np.float64] | None:
        """``(N, C + E)``, the videos' scores for the candidates, or None for vectors."""
        scores = self.features.scores
        if scores is None:
            return None
        return scores[np.ix_(self.rows, self._candidate_columns)].astype(np.float64)

    @property
    def _candidate_columns(self) -> NDArray[np.int64]:
        columns = self.distractor_columns[:0] if self.columns is None else self.columns
        return np.concatenate([columns, self.distractor_columns])


def match_features(
    features: Features,
    dataset: str,
    *,
    test_list: str | Path | None = None,
    annotations: Path | str | None = None,
    class_list: ClassSet | Sequence[str] | None = None,
) -> MatchedFeatures:
    """Match a features file to a data set's videos and classes.

    The manifest is the one that the same videos give when they are read from a folder: official
    ids, labels and groups, what is missing, and the same digest. Ids that are no video of the data
    set become ``extra``. Labels of the file are checked against the official ones.

    Args:
        features: From ``read_features``.
        dataset: Name of the data set. ``ucf101`` and ``hmdb51`` have official lists;
            ``activitynet200`` needs the annotations; for any other, ids and labels are taken as
            they are.
        test_list: Which videos: None for all, or for the official list that the ids are exactly; a
            name such as ``testlist01`` or ``split1``, or a list file; for ActivityNet the video
            rule, None to tell it by the ids.
        annotations: The official JSON of ActivityNet 1.3.
        class_list: Names of the file's columns, class vectors or label numbers in their order,
            where the file does not say; for a data set of one's own, its classes.

    Raises:
        DatasetError: The ids or labels are not the data set's.
        ClassSetError: A class has no column or vector, or two.

    Example:
        >>> match_features(read_features("features.npz"), "ucf101")  # doctest: +SKIP
    """
    dataset = dataset_name(dataset)
    own_classes = _own_classes(class_list, dataset)
    features = _with_class_list(features, own_classes, dataset)
    _check_options(dataset, test_list, annotations)
    if dataset == ACTIVITYNET:
        manifest, rows = activitynet_rows(features, test_list, annotations)
    elif dataset in LISTED:
        by_list = unnamed_rows if features.ids is None else official_rows
        manifest, rows = by_list(features, dataset, test_list)
    else:
        manifest, rows = given_rows(features, dataset, own_classes)
    return _with_columns(features, manifest, rows)


def _check_options(dataset: str, test_list: object, annotations: object) -> None:
    if annotations is not None and dataset != ACTIVITYNET:
        raise DatasetError(
            f"annotations for {dataset}", found="a data set that needs none", fix="leave them out"
        )
    if test_list is not None and dataset not in (ACTIVITYNET, *LISTED):
        raise DatasetError(
            f"test list {str(test_list)!r} of {dataset}",
            found="no official lists are known for this data set",
            fix="leave the list out, and give features of only the videos that are meant",
        )


def _own_classes(class_list: ClassSet | Sequence[str] | None, dataset: str) -> ClassSet | None:
    if class_list is None or isinstance(class_list, ClassSet):
        return class_list
    return class_set_from_names(class_list, dataset=dataset, source="a list of classes")


def _with_class_list(features: Features, own_classes: ClassSet | None, dataset: str) -> Features:
    """Give a file's columns and label numbers the names that a person gave."""
    if own_classes is None:
        if features.classes is None and features.num_classes is not None:
            raise ClassSetError(
                features.asked,
                found=f"scores or vectors of {features.num_classes:,} classes without their names",
                fix="add classes (their names) to the file, or give --classes with a list in "
                f"their order, such as --classes {dataset} for the official one",
            )
        return features
    if features.classes is None:
        labels = features.labels
        if labels is not None:
            labels = named_labels(labels, own_classes.names, asked=features.asked)
        return replace(features, classes=own_classes.names, labels=labels)
    if dataset in bundled_class_sets():
        raise ClassSetError(
            features.asked,
            found="class names in the file, and a class list beside it",
            fix="leave the list out: the file's names are used",
        )
    return features


def _with_columns(features: Features, manifest: Manifest, rows: Sequence[int]) -> MatchedFeatures:
    columns = None
    distractors: tuple[str, ...] = ()
    distractor_columns = np.zeros(0, dtype=np.int64)
    if features.num_classes is not None:
        found = match_columns(
            features.classes or (),
            manifest.classes,
            distractors=features.distractors,
            asked=features.asked,
        )
        columns, distractors = found.columns, found.distractors
        distractor_columns = found.distractor_columns
    return MatchedFeatures(
        features=features,
        manifest=manifest,
        rows=np.array(rows, dtype=np.int64),
        columns=columns,
        distractors=distractors,
        distractor_columns=distractor_columns,
    )
