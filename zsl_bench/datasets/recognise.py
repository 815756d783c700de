"""Telling what data set a folder looks like, for the message when it is not the one asked for."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.datasets.expected import LISTED, official_list
from zsl_bench.datasets.scan import IMAGES, VIDEOS, scan_folder
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from zsl_bench.datasets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What a folder looks like.

    Attributes:
        dataset: Name of the data set, or of those it may be, joined by ``or``.
        evidence: Why, such as ``12 of 14 files are its videos``.
    """

    dataset: str
    evidence: str

    def __str__(self) -> str:
        """Return the likeness as the beginning of a sentence."""
        return f"this looks like {self.dataset}: {self.evidence}"


class _Naming(NamedTuple):
    """How the files of a data set are called, without their extension."""

    dataset: str
    example: str
    stem: re.Pattern[str]


_OF_IMAGES = "sun397"
_NAMINGS = (
    _Naming("ucf101", "v_CLASS_g01_c01", re.compile(r"v_\w+_g\d\d_c\d\d", re.IGNORECASE)),
    _Naming(
        "hmdb51",
        "SOURCE_CLASS_u_nm_np1_ba_goo_0",
        re.compile(r".+_[fhlu]_[cn]m_np\d_(ba|fr|le|ri)_(bad|goo|med)_\d+", re.IGNORECASE),
    ),
    _Naming(
        "activitynet200 or activitynet100",
        "v_ and an id of 11 characters",
        re.compile(r"v_[\w-]{11}", re.ASCII),
    ),
    _Naming(
        "kinetics400, kinetics600 or kinetics700",
        "ID_000010_000020",
        re.compile(r"[\w-]{11}_\d{6}_\d{6}", re.ASCII),
    ),
    _Naming(_OF_IMAGES, "sun_abcdefghijklmnop", re.compile(r"sun_[a-z]{16}")),
)


def looks_like(scan: Scan, *, by_naming: bool = True) -> Likeness | None:
    """Return the data set that most names of a folder fit, or None.

    Official file names count most, then names of class folders, then the way in which files are
    called. Where a folder has no videos, it may look like a data set of images, and the other way
    round.

    Args:
        scan: What the folder holds.
        by_naming: Whether the way in which files are called is evidence enough.
    """
    if not scan.files:
        return _other_kind(scan)
    likeness = looks_like_listed(scan) or _by_folder_names(scan)
    return likeness or (_by_naming(scan) if by_naming else None)


def _other_kind(scan: Scan) -> Likeness | None:
    kind = IMAGES if scan.kind is VIDEOS else VIDEOS
    with suppress(DatasetError):
        other = scan_folder(scan.root, kind=kind)
        likeness = looks_like(other) if other.files else None
        if likeness is not None and (likeness.dataset == _OF_IMAGES) == (kind is IMAGES):
            return likeness
    return None


def looks_like_listed(scan: Scan) -> Likeness | None:
    """Return UCF101 or HMDB51 where most files of a folder are official videos of it, or None."""
    total = len(scan.files)
    stems = [file.stem.casefold() for file in scan.files]
    for dataset in LISTED:
        known = {video.casefold() for video in official_list(dataset).videos}
        hits = sum(stem in known for stem in stems)
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


def _by_naming(scan: Scan) -> Likeness | None:
    total = len(scan.files)
    for naming in _NAMINGS:
        hits = sum(naming.stem.fullmatch(file.stem) is not None for file in scan.files)
        if 2 * hits > total:
            return Likeness(
                dataset=naming.dataset,
                evidence=f"{hits:,} of {total:,} files are named {naming.example}",
            )
    return None
