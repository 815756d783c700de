"""The record of what a features file holds, checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REPEATED_IDS = (
    "keep one row a video; where the rows are clips, average them, or give --pooling mean"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What a features file says about N videos and, where it does, about C classes.

    Either ``scores`` or ``video_vectors`` is there, and ``ids`` or ``labels`` or both.

    Attributes:
        ids: For each video its name as the file spells it, unique.
        labels: For each video its class by name; by number where the file has numbers and no class
            names.
        groups: For each video the source that it was cut from.
        video_vectors: ``(N, D)`` float32 or float64.
        class_vectors: ``(C, D)`` float32 or float64.
        scores: ``(N, C)`` float32 or float64; higher means a better match.
        classes: Names of the C classes, unique.
        distractors: Those of them that the file says are nobody's truth.
        source: Names of the files.
        digest: SHA-256 of the file, or of the files' SHA-256, in hex.
        unused: Arrays or columns of the file that were not read.
        notes: What else a person should know, one sentence each.
    """

    ids: tuple[str, ...] | None
    labels: tuple[str, ...] | tuple[int, ...] | None
    source: str
    digest: str
    groups: tuple[str, ...] | None = None
    video_vectors: NDArray[np.floating] | None = None
    class_vectors: NDArray[np.floating] | None = None
    scores: NDArray[np.floating] | None = None
    classes: tuple[str, ...] | None = None
    distractors: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything is there, fits, and is a finite number."""
        self._check_presence()
        self._check_names()
        self._check_videos()
        self._check_classes()
        for what, matrix, names in (
            ("video", self.rows, self.ids),
            ("class", self.class_vectors, self.classes),
        ):
            if matrix is not None:
                self._check_finite(what, matrix, names)

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.rows)

    @property
    def asked(self) -> str:
        """The beginning of a message about the file."""
        return f"features {self.source}"

    @property
    def rows(self) -> NDArray[np.floating]:
        """The matrix with one row a video: the scores, or else the video vectors."""
        rows = self.video_vectors if self.scores is None else self.scores
        if rows is None:
            raise self._error(
                "neither video vectors nor scores",
                "add video_vectors (videos x numbers) or scores (videos x classes)",
            )
        return rows

    @property
    def num_classes(self) -> int | None:
        """The number of classes that have a column or a vector, or None where none has."""
        if self.scores is not None:
            return int(self.scores.shape[1])
        return None if self.class_vectors is None else len(self.class_vectors)

    def _error(self, found: str, fix: str) -> DatasetError:
        return DatasetError(self.asked, found=found, fix=fix)

    def _check_presence(self) -> None:
        if self.scores is not None and self.video_vectors is not None:
            raise self._error(
                "both video vectors and scores", "keep the vectors or the scores, not both"
            )
        if self.ids is None and self.labels is None:
            raise self._error(
                "no ids and no labels of the videos",
                "add video_ids (the videos' file names), or labels",
            )
        if self.rows.ndim != 2:
            raise self._error(
                f"an array of shape {self.rows.shape} for the videos",
                "give two dimensions, one row a video",
            )
        if 0 in self.rows.shape:
            raise self._error(f"an empty array, {self.rows.shape}", "give at least one video")

    def _check_names(self) -> None:
        texts = (("id", self.ids), ("class name", self.classes), ("label", self.labels))
        for what, names in texts:
            for position, name in enumerate(names or ()):
                if isinstance(name, str) and not name.strip():
                    raise self._error(
                        f"an empty {what} at position {position} (from 0)", f"fill in the {what}"
                    )
        self._check_unique("ids", self.ids, _REPEATED_IDS)
        self._check_unique("class names", self.classes, "keep one of each")

    def _check_unique(self, what: str, names: tuple[str, ...] | None, fix: str) -> None:
        counts = Counter(names)
        twice = [f"{name!r} ({count} times)" for name, count in counts.items() if count > 1]
        if twice:
            raise self._error(
                f"{what} that repeat, {len(twice):,} of {len(counts):,}: {listing(twice, limit=3)}",
                fix,
            )

    def _check_videos(self) -> None:
        for what, values in (("ids", self.ids), ("labels", self.labels), ("groups", self.groups)):
            if values is not None and len(values) != len(self.rows):
                raise self._error(
                    f"{len(values):,} {what} for an array of shape {self.rows.shape}",
                    "turn the array: it has one column a video"
                    if self.rows.shape[1] == len(values)
                    else "give one row a video, in the same order",
                )

    def _check_classes(self) -> None:
        vectors = self.class_vectors
        if vectors is not None:
            self._check_class_vectors(vectors)
        width = self.num_classes
        if self.classes is not None and width is not None and len(self.classes) != width:
            what = "vectors of" if self.scores is None else "columns of scores for"
            raise self._error(
                f"{len(self.classes):,} class names and {what} {width:,} classes",
                "give one name for each, in the same order",
            )

    def _check_class_vectors(self, vectors: NDArray[np.floating]) -> None:
        if self.scores is not None:
            raise self._error(
                "class vectors beside scores", "keep the scores, or both kinds of vectors"
            )
        size = self.rows.shape[1]
        if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != size:
            raise self._error(
                f"class vectors of shape {vectors.shape}, and video vectors of {size:,} numbers",
                "give one row a class, of the same length as the videos' vectors",
            )

    def _check_finite(
        self, what: str, matrix: NDArray[np.floating], names: tuple[str, ...] | None
    ) -> None:
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if not len(bad):
            return
        first = f"number {bad[0]} (from 0)" if names is None else repr(names[bad[0]])
        raise self._error(
            f"NaN or infinite numbers for {len(bad):,} of {len(matrix):,} "
            f"{'videos' if what == 'video' else 'classes'}, the first is {first}",
            f"mend or leave out each such {what}; a NaN cannot be ranked",
        )
