"""Telling what data set a folder looks like, for the message when it is not the one asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.datasets.expected import official_list

if TYPE_CHECKING:
    from zsl_bench.datasets.scan import Scan

_LISTED = ("ucf101", "hmdb51")


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What a folder looks like.

    Attributes:
        dataset: Name of the data set.
        evidence: Why, such as ``12 of 14 files are its videos``.
    """

    dataset: str
    evidence: str

    def __str__(self) -> str:
        """Return the likeness as the beginning of a sentence."""
        return f"this looks like {self.dataset}: {self.evidence}"


def looks_like(scan: Scan) -> Likeness | None:
    """Return the data set that most names of a folder fit, or None."""
    return _by_file_names(scan) or _by_folder_names(scan)


def _by_file_names(scan: Scan) -> Likeness | None:
    total = len(scan.files)
    for dataset in _LISTED:
        known = official_list(dataset).videos
        hits = sum(file.stem in known for file in scan.files)
        if 2 * hits > total:
            return Likeness(dataset=dataset, evidence=f"{hits:,} of {total:,} files are its videos")
    return None


def _by_folder_names(scan: Scan) -> Likeness | None:
    folders = {file.folders[-1] for file in scan.files if file.folders}
    best, best_hits = "", 0
    for dataset in bundled_class_sets():
        classes = load_class_set(dataset)
        hits = len({classes.find(folder) for folder in folders} - {None})
        if hits > best_hits:
            best, best_hits = dataset, hits
    if best_hits < 2 or 2 * best_hits <= len(folders):
        return None
    return Likeness(
        dataset=best,
        evidence=f"{best_hits} of {len(folders)} class folders are among its "
        f"{len(load_class_set(best))} classes",
    )
