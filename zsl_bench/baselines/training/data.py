"""What is trained on: the samples and classes that a configuration picks out of a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zsl_bench.datasets import open_dataset, open_images, read_csv_list
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.files import sha256_json
from zsl_bench.splits import class_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zsl_bench.baselines.training.config import DataSettings, TrainConfig
    from zsl_bench.classes import ClassSet
    from zsl_bench.videos import Manifest, Video

_CLASSES, _HELD_OUT, _SAMPLES = range(3)
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    """Samples with their labels.

    Attributes:
        kind: ``videos``, or ``images`` that become clips by the Ken Burns effect.
        manifest: What was found on the disk.
        rows: The samples N, sorted by id.
        classes: The classes C; every one has a sample.
        labels: ``(N,)`` int64, positions in ``classes``.
        held_out: Samples of classes that are not trained on, for validation; or None.
        notes: What a person should know, one sentence each.
    """

    kind: str
    manifest: Manifest
    rows: tuple[Video, ...]
    classes: ClassSet
    labels: np.ndarray
    held_out: TrainingSet | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def path(self, position: int) -> Path:
        """Return the file of a sample."""
        return self.manifest.resolve(self.rows[position])

    def used_manifest(self) -> Manifest:
        """Return the manifest of the samples trained on and held out, and of no others."""
        rows = self.rows if self.held_out is None else (*self.rows, *self.held_out.rows)
        return replace(self.manifest.only({video.id for video in rows}), extra=())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over data set, kind, classes and samples, held-out ones included, in hex.

        How files were prepared is part of it.
        """
        held_out, preparation = self.held_out, self.manifest.preparation
        body: dict[str, object] = {
            "dataset": self.manifest.dataset,
            "kind": self.kind,
            "classes": self.classes.fingerprint,
            "rows": [[row.id, row.label, row.start, row.end] for row in self.rows],
            "held_out": None if held_out is None else held_out.digest,
        }
        if preparation is not None:
            body["preparation"] = dict(preparation)
        return sha256_json(body)


def open_training_data(settings: DataSettings) -> Manifest:
    """Find the samples on the disk, or take them from a manifest; nothing is decoded.

    Raises:
        DatasetError: The folder or the list is not what it should be.
    """
    folder = Path(settings.path).expanduser()
    if folder.suffix.casefold() == ".json" and folder.is_file() and settings.list is None:
        return open_dataset(settings.dataset, folder)
    if not folder.is_dir():
        raise DatasetError(
            f"training data {settings.dataset}",
            found=f"no folder and no manifest {settings.path}",
            fix="set data.path to where it is",
        )
    if settings.list is not None:
        return read_csv_list(settings.dataset, Path(settings.list).expanduser(), folder)
    if settings.kind == "images":
        return open_images(settings.dataset, folder)
    return open_dataset(settings.dataset, folder)


def candidate_classes(manifest: Manifest, settings: DataSettings) -> tuple[ClassSet, list[str]]:
    """Return the classes that may be trained on, before any audit, and notes on the others.

    Those are the classes with a sample that ``data.classes`` names and ``data.exclude`` does not.

    Raises:
        DatasetError: A class is named that the data set does not have, or none is left.
    """
    known = manifest.classes
    wanted = known.names
    if settings.classes is not None:
        listed = class_list(settings.classes).names
        wanted = tuple(
            _find(known, name, f"data.classes = {settings.classes!r}") for name in listed
        )
    excluded = {_find(known, name, "data.exclude") for name in settings.exclude}
    counts = manifest.counts()
    named = set(wanted) - excluded
    names = [name for name in known.names if name in named and counts[name]]
    empty = [name for name in known.names if name in named and not counts[name]]
    notes = list(manifest.notes)
    if manifest.missing:
        notes.append(
            f"{len(manifest.missing)} listed samples are missing and not trained on: "
            f"{listing(manifest.missing, limit=3)}"
        )
    if excluded:
        notes.append(f"left out by data.exclude: {listing(sorted(excluded), limit=4)}")
    if empty:
        notes.append(
            f"{len(empty)} of {len(named)} classes have no sample and are not trained on: "
            f"{listing(empty, limit=4)}"
        )
    if len(names) < 2:
        raise DatasetError(
            f"train on {manifest.dataset} in {manifest.root}",
            found=f"{'one class' if names else 'no class'} with a sample is left",
            fix="check data.path, data.classes and data.exclude",
        )
    notes += _deeper(manifest, settings)
    return known.select(names), notes


def _deeper(manifest: Manifest, settings: DataSettings) -> list[str]:
    """Warn of folders inside class folders, a sign of a path that is one level too high."""
    if settings.list is not None or settings.kind == "images":
        return []
    places = [(row, Path(row.path).parent.name) for row in manifest.videos]
    nested = [row for row, folder in places if manifest.classes.find(folder) != row.label]
    if not nested:
        return []
    first = nested[0]
    said = (
        f"{len(nested)} of {len(places)} videos lie deeper than class/video, such as {first.path} "
        f"of class {first.label!r}: is data.path one level too high?"
    )
    return [said]


def select_samples(
    manifest: Manifest, classes: ClassSet, config: TrainConfig, *, notes: Sequence[str] = ()
) -> TrainingSet:
    """Pick the samples to train on: a subset of the classes, held-out classes, a subset of samples.

    Args:
        manifest: What was found on the disk.
        classes: The classes that the audit leaves.
        config: How many of what to keep, and how to pick them.
        notes: What is known already.

    Raises:
        DatasetError: More is asked for than there is, or too little is left.
    """
    data = config.data
    names = _pick(classes.names, data.num_classes, data, _CLASSES, "data.num_classes")
    if len(names) < 2:
        raise DatasetError(
            "data.num_classes = 1",
            found="one class, which is nothing to tell apart",
            fix="ask for two or more",
        )
    held = _held_out(names, config)
    rows = [row for row in manifest.videos if row.label in set(names) - held]
    rows = _pick(rows, data.num_samples, data, _SAMPLES, "data.num_samples")
    remaining = {row.label for row in rows}
    lost = [name for name in names if name not in remaining | held]
    said = list(notes)
    if lost:
        said.append(f"{len(lost)} classes lost every sample to data.num_samples: {listing(lost)}")
    held_out = None
    if held:
        kept = [row for row in manifest.videos if row.label in held]
        held_out = _training_set(manifest, classes, held, kept, data.kind)
    made = _training_set(manifest, classes, remaining, rows, data.kind)
    return TrainingSet(
        kind=made.kind,
        manifest=manifest,
        rows=made.rows,
        classes=made.classes,
        labels=made.labels,
        held_out=held_out,
        notes=tuple(said),
    )


def _training_set(
    manifest: Manifest, classes: ClassSet, names: Collection[str], rows: Sequence[Video], kind: str
) -> TrainingSet:
    chosen = classes.select([name for name in classes.names if name in names])
    index = {name: i for i, name in enumerate(chosen.names)}
    return TrainingSet(
        kind=kind,
        manifest=manifest,
        rows=tuple(rows),
        classes=chosen,
        labels=np.array([index[row.label] for row in rows], dtype=np.int64),
    )


def _held_out(names: Sequence[str], config: TrainConfig) -> set[str]:
    share = config.validation.held_out
    if not share:
        return set()
    count = round(share * len(names))
    if count < 2 or len(names) - count < 2:
        raise DatasetError(
            f"hold out {share:g} of {len(names)} training classes",
            found=f"{count} held out and {len(names) - count} to train on; both want two or more",
            fix="change validation.held_out or train on more classes",
        )
    picked = _generator(config.data.subset_seed, _HELD_OUT).permutation(len(names))[:count]
    return {names[i] for i in picked}


def _pick(
    items: Sequence[_Item], count: int | None, data: DataSettings, purpose: int, asked: str
) -> list[_Item]:
    if count is None:
        return list(items)
    if count > len(items):
        raise DatasetError(
            f"{asked} = {count}", found=f"only {len(items)}", fix="ask for at most that many"
        )
    if data.subset == "even":
        chosen = np.linspace(0, len(items) - 1, count).astype(np.int64)
    else:
        chosen = np.sort(_generator(data.subset_seed, purpose).permutation(len(items))[:count])
    return [items[i] for i in chosen]


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _find(classes: ClassSet, name: str, asked: str) -> str:
    found = classes.find(name)
    if found is None:
        raise DatasetError(
            asked,
            found=f"{name!r}, which is no class of {classes.dataset}",
            fix=near_matches(name, classes.names),
        )
    return found
