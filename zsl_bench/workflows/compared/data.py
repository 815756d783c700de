"""Feature files of a comparison, opened once, and the videos of a split in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.extracted import leakage, read_clip_file
from zsl_bench.errors import DatasetError, listing
from zsl_bench.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zsl_bench.baselines.extracted import ClipFile
    from zsl_bench.workflows.compared.config import ComparedConfig, FeatureSet
    from zsl_bench.workflows.compared.splits import ClassSplit, SplitMaker

HELD_OUT = 0.2
"""Share of the sources of seen videos that generalised protocols test on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Videos:
    """Videos of a split.

    Attributes:
        features: ``(N, T, D)``, what lies behind a length has no meaning.
        lengths: ``(N,)`` clips of each video.
        labels: ``(N,)`` positions among the classes they belong to.
        ids: Their ids.
    """

    features: NDArray[np.floating]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.lengths)


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitVideos:
    """What one cell is made of.

    Attributes:
        training: Videos to learn from; labels are positions among ``seen``.
        unseen: Videos of test classes; labels are positions among the split's unseen classes.
        held_out: Videos of the test set's seen classes that are not learned from; labels are
            positions among ``seen``. None where the protocol is not generalised.
        seen: The seen classes, ``(data set, class)``.
        seen_vectors: ``(C, E)`` their word vectors.
        unseen_vectors: ``(U, E)`` those of the unseen classes.
    """

    training: Videos
    unseen: Videos
    held_out: Videos | None
    seen: tuple[tuple[str, str], ...]
    seen_vectors: NDArray[np.float32]
    unseen_vectors: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedFeatures:
    """The files of a feature set.

    Attributes:
        name: What the set is called.
        files: The files that could be read, by data set.
        problems: Why another could not.
        digests: SHA-256 of each file.
    """

    name: str
    files: Mapping[str, ClipFile]
    problems: Mapping[str, str]
    digests: Mapping[str, str]

    @classmethod
    def of(cls, features: FeatureSet) -> LoadedFeatures:
        """Open the files; one that cannot be read is a problem of its data set only."""
        files, problems, digests = {}, {}, {}
        for dataset, path in features.files.items():
            if not path.is_file():
                problems[dataset] = f"no feature file {path} (make it with zsl-bench extract)"
                continue
            try:
                files[dataset] = read_clip_file(path)
            except DatasetError as error:
                problems[dataset] = str(error)
                continue
            digests[dataset] = sha256_file(path)
        return cls(name=features.name, files=files, problems=problems, digests=digests)

    def problem(self, datasets: Sequence[str]) -> str:
        """Return why data sets cannot be used together, or an empty text."""
        for dataset in datasets:
            if dataset in self.problems:
                return self.problems[dataset]
            if dataset not in self.files:
                return f"{self.name} has no features of {dataset}"
        files = {name: self.files[name] for name in datasets}
        sizes = {file.features.shape[2] for file in files.values()}
        if len(sizes) > 1:
            return f"features of {listing(sorted(map(str, sizes)))} numbers in {self.name}"
        origins = {_origin(file) for file in files.values()}
        if len(origins - {None}) > 1:
            return f"features of {self.name} come from different networks or clips"
        return ""

    @cached_property
    def present(self) -> dict[str, tuple[str, ...]]:
        """The classes of each data set that have a video, in the set's order."""
        return {
            name: tuple(file.classes.names[i] for i in np.unique(file.labels))
            for name, file in self.files.items()
        }

    def leakage(
        self, datasets: Sequence[str], test: str, config: ComparedConfig
    ) -> list[dict[str, Any]]:
        """Return what the backbone behind each file has seen of a test set, each finding once."""
        found: dict[str, dict[str, Any]] = {}
        for dataset in dict.fromkeys((*datasets, test)):
            file = self.files[dataset]
            leak = leakage(
                file, self.files[test].classes, vectors=config.vectors, threshold=config.threshold
            )
            found.setdefault(
                str(leak),
                {
                    "line": str(leak),
                    "leak_free": leak.leak_free,
                    "declared": file.backbone is not None,
                    "seen": [one.name for one in leak.verdict.seen],
                },
            )
        return list(found.values())


def _origin(file: ClipFile) -> tuple[object, ...] | None:
    record = file.backbone
    if record is None:
        return None
    weights = tuple(sorted(record.weights.items()))
    return weights, record.output, str(record.card.clip), str(record.card.policy)


def split_videos(
    loaded: LoadedFeatures, split: ClassSplit, maker: SplitMaker, *, test: str, generalised: bool
) -> SplitVideos:
    """Take the videos of a split out of the files.

    In a generalised protocol a fifth of the sources of the test set's seen videos is held out, so
    that no source is on both sides and every class keeps one to learn from; the draw depends on the
    split's number only.

    Raises:
        DatasetError: No video of an unseen class is there, or none is left on one side.
    """
    seen = tuple((name, one) for name, names in split.seen.items() for one in names)
    parts: list[tuple[ClipFile, NDArray[np.intp], dict[int, int]]] = []
    held: Videos | None = None
    for name, names in split.seen.items():
        if not names:
            continue
        file = loaded.files[name]
        place = {file.classes.index(one): seen.index((name, one)) for one in names}
        rows = file.rows_of(names)
        if generalised and name == test:
            out = _held_out(file, rows, split.number)
            held = _videos([(file, rows[out], place)])
            rows = rows[~out]
        parts.append((file, rows, place))
    file = loaded.files[test]
    place = {file.classes.index(one): number for number, one in enumerate(split.unseen)}
    unseen, training = _videos([(file, file.rows_of(split.unseen), place)]), _videos(parts)
    for what, videos in (("an unseen class", unseen), ("a class to learn from", training)):
        if not len(videos):
            raise DatasetError(
                f"split {split.number} of {test}",
                found=f"no video of {what}",
                fix="extract features of more videos",
            )
    return SplitVideos(
        training=training,
        unseen=unseen,
        held_out=held,
        seen=seen,
        seen_vectors=np.concatenate(
            [maker.rows_of(name, names) for name, names in split.seen.items() if names]
        ),
        unseen_vectors=maker.rows_of(test, split.unseen),
    )


def _held_out(file: ClipFile, rows: NDArray[np.intp], number: int) -> NDArray[np.bool_]:
    groups = np.array([file.groups[row] for row in rows])
    labels = file.labels[rows]
    names = np.unique(groups)
    count = max(round(HELD_OUT * len(names)), 1)
    out = np.zeros(len(rows), dtype=np.bool_)
    for name in names[np.random.default_rng([number, len(names)]).permutation(len(names))]:
        more = out | (groups == name)
        if set(labels[~more].tolist()) == set(labels.tolist()):
            out = more
            count -= 1
        if not count:
            break
    if not out.any():
        raise DatasetError(
            f"held-out seen videos of {file.source}",
            found="every class has videos of one source only, which cannot be on both sides",
            fix="extract features of more videos",
        )
    return out


def _videos(parts: Sequence[tuple[ClipFile, NDArray[np.intp], dict[int, int]]]) -> Videos:
    most = max((int(file.lengths[rows].max(initial=1)) for file, rows, _ in parts), default=1)
    return Videos(
        features=np.concatenate([_clips(file, rows, most) for file, rows, _ in parts]),
        lengths=np.concatenate([file.lengths[rows] for file, rows, _ in parts]),
        labels=np.array(
            [place[label] for file, rows, place in parts for label in file.labels[rows].tolist()],
            dtype=np.int64,
        ),
        ids=tuple(file.ids[row] for file, rows, _ in parts for row in rows),
    )


def _clips(file: ClipFile, rows: NDArray[np.intp], most: int) -> NDArray[np.floating]:
    clips = file.features[rows, :most]
    wide: NDArray[np.floating] = np.pad(clips, ((0, 0), (0, most - clips.shape[1]), (0, 0)))
    return wide
