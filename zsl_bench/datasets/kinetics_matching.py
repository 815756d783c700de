"""Matching the clips that annotations list with the files that are there."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.kinetics_names import clip_key, clip_of, is_replacement
from zsl_bench.datasets.scan import is_utf8, printable
from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.kinetics_annotations import Clip
    from zsl_bench.datasets.scan import FoundFile, Scan

_SHOWN = 3
_NEAR = re.compile(r"(?P<source>[A-Za-z0-9_-]{8,11})(?:_\d+_\d+)?")


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Clips and their files.

    Attributes:
        found: For each row's id its file; clips without one are absent.
        extra: Files that are no clip's, replacements of other clips not among them.
        notes: How files were chosen, one sentence a rule that was used.
    """

    found: Mapping[str, FoundFile]
    extra: tuple[FoundFile, ...]
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _Choices:
    """What was decided on the way, for the notes."""

    root: Path
    used: set[str] = field(default_factory=set)
    beaten: set[str] = field(default_factory=set)
    replaced: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    by_id_alone: list[str] = field(default_factory=list)
    elsewhere: list[tuple[str, str]] = field(default_factory=list)
    twice: list[tuple[str, list[FoundFile]]] = field(default_factory=list)


def row_ids(clips: Iterable[Clip]) -> dict[str, Clip]:
    """Return clips by the ids that their rows get: the clip's name.

    A clip that comes with several labels is a row for each: ``ID_000010_000020@label``.
    """
    by_name: dict[str, Clip | dict[str, Clip]] = {}
    for clip in clips:
        other = by_name.setdefault(clip.name, clip)
        if other is clip:
            continue
        if isinstance(other, dict):
            other.setdefault(clip.label, clip)
        elif other.label != clip.label:
            by_name[clip.name] = {other.label: other, clip.label: clip}
    rows: dict[str, Clip] = {}
    for name, entry in by_name.items():
        if isinstance(entry, dict):
            rows |= {f"{name}@{label}": clip for label, clip in entry.items()}
        else:
            rows[name] = entry
    return rows


def overlapping_rows(rows: Mapping[str, Clip]) -> tuple[str, ...]:
    """Return the ids of rows that share time with a row of another label in their video."""
    counts = Counter(clip.source for clip in rows.values())
    by_source: dict[str, list[str]] = defaultdict(list)
    for row_id, clip in rows.items():
        if counts[clip.source] > 1:
            by_source[clip.source].append(row_id)
    found = []
    for ids in by_source.values():
        listed = [rows[row_id] for row_id in ids]
        found += [i for i in ids if any(_share_time(rows[i], other) for other in listed)]
    return tuple(found)


def _share_time(one: Clip, other: Clip) -> bool:
    if one.label == other.label:
        return False
    if one.times is None or other.times is None:
        return one.name == other.name
    return max(one.times[0], other.times[0]) < min(one.times[1], other.times[1])


def match_files(rows: Mapping[str, Clip], scan: Scan, classes: ClassSet) -> Matching:
    """Find the file of each row.

    A file is a clip's by its name: ``ID_000010_000020`` in any padding or, where the id is listed
    once, ``ID``. A file in the folder of another class is not the clip's. Several names of one
    file are one. Among several files one in a folder of replacements wins, then one that a list
    names by its path, one that can be read, and one in the folder of its class.

    Args:
        rows: Clips by id, from :func:`row_ids`.
        scan: The files.
        classes: The classes, to know their folders.

    Raises:
        DatasetError: A clip still has several files.
    """
    index = _index(scan.files)
    owners = _owners(scan, classes)
    alone = _listed_once(rows.values())
    choices = _Choices(root=scan.root)
    found: dict[str, FoundFile] = {}
    for row_id, clip in rows.items():
        candidates = index.get(clip.key, ())
        fits = _fitting(clip, candidates, owners)
        if not fits and clip.times is not None and clip.source in alone:
            by_id = index.get(clip.source, ())
            fits = _fitting(clip, by_id, owners)
            candidates = (*candidates, *by_id)
            choices.by_id_alone += [row_id] if fits else []
        if not fits:
            choices.elsewhere += [(file.path, clip.label) for file in candidates]
            continue
        found[row_id] = fits[0] if len(fits) == 1 else _choose(row_id, clip, fits, owners, choices)
        choices.used.add(found[row_id].path)
    _check_single(scan, choices)
    extra = [file for file in scan.files if _is_extra(file, choices)]
    return Matching(
        found=found, extra=tuple(extra), notes=(*_notes(choices), *_near(rows, found, extra))
    )


def _index(files: Iterable[FoundFile]) -> dict[str, tuple[FoundFile, ...]]:
    index: dict[str, tuple[FoundFile, ...]] = {}
    for file in files:
        key = clip_key(file.name)
        index[key] = (*index.get(key, ()), file)
    return index


def _owners(scan: Scan, classes: ClassSet) -> dict[tuple[str, ...], frozenset[str]]:
    """Return for the folders of every file the classes that they are of, usually one or none."""
    labels: dict[str, str | None] = {}
    owners = {}
    for folders in {file.folders for file in scan.files}:
        for name in folders:
            if name not in labels:
                labels[name] = classes.find(composed(name))
        owners[folders] = frozenset(label for n in folders if (label := labels[n]) is not None)
    return owners


def _listed_once(clips: Iterable[Clip]) -> set[str]:
    counts = Counter(source for source, _ in {(clip.source, clip.name) for clip in clips})
    return {source for source, count in counts.items() if count == 1}


def _fitting(
    clip: Clip,
    files: Sequence[FoundFile],
    owners: Mapping[tuple[str, ...], frozenset[str]],
) -> list[FoundFile]:
    """Return the files in folders of a clip's class, then those in folders of no class."""
    if not files:
        return []
    own: list[FoundFile] = []
    free: list[FoundFile] = []
    for file in files:
        owned = owners[file.folders]
        if not is_utf8(file.path) or (owned and clip.label not in owned):
            continue
        (own if owned else free).append(file)
    return own + free


def _is_replacing(file: FoundFile) -> bool:
    return "eplace" in file.path and any(is_replacement(folder) for folder in file.folders)


def _choose(
    row_id: str,
    clip: Clip,
    files: list[FoundFile],
    owners: Mapping[tuple[str, ...], frozenset[str]],
    choices: _Choices,
) -> FoundFile:
    left = _replacements(row_id, files, choices)
    if len(left) > 1:
        left = _distinct(row_id, left, choices)
    if len(left) > 1 and clip.path is not None:
        left = [file for file in left if _same_end(file.path, clip.path)] or left
    whole = [file for file in left if file.problem is None]
    if whole and len(whole) < len(left):
        choices.broken += [file.path for file in left if file.problem is not None]
        left = whole
    own = [file for file in left if owners[file.folders]]
    if own and len(own) < len(left):
        choices.loose += [file.path for file in left if not owners[file.folders]]
        left = own
    if len(left) > 1:
        choices.twice.append((row_id, left))
    return _beat(left[0], files, choices)


def _same_end(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return f"/{long}".endswith(f"/{short}")


def _beat(chosen: FoundFile, files: list[FoundFile], choices: _Choices) -> FoundFile:
    choices.beaten.update(file.path for file in files if file is not chosen)
    return chosen


def _replacements(row_id: str, files: list[FoundFile], choices: _Choices) -> list[FoundFile]:
    replacing = [file for file in files if _is_replacing(file)]
    if not any(file.problem is None for file in replacing):
        return files
    if len(replacing) < len(files):
        choices.replaced.append(row_id)
    return replacing


def _distinct(row_id: str, files: list[FoundFile], choices: _Choices) -> list[FoundFile]:
    """Return one of each file on the disk, which may have several names."""
    by_identity: dict[object, FoundFile] = {}
    for file in files:
        try:
            status = os.stat(choices.root / file.path)  # noqa: PTH116 - os.stat_result is enough
            by_identity.setdefault((status.st_dev, status.st_ino), file)
        except OSError:
            by_identity[file.path] = file
    if len(by_identity) < len(files):
        choices.same.append(row_id)
    return list(by_identity.values())


def _check_single(scan: Scan, choices: _Choices) -> None:
    if not choices.twice:
        return
    row_id, files = choices.twice[0]
    raise DatasetError(
        f"clips in {printable(str(scan.root))}",
        found=f"more than one file for {len(choices.twice):,} of them, such as {row_id}: "
        f"{listing(file.path for file in files)}",
        fix="keep one file of each, or give the folder of one copy",
    )


def _is_extra(file: FoundFile, choices: _Choices) -> bool:
    taken = file.path in choices.used or file.path in choices.beaten
    return not taken and not _is_replacing(file)


def _notes(choices: _Choices) -> list[str]:
    elsewhere = [f"{p} ({label})" for p, label in choices.elsewhere if p not in choices.used]
    told = (
        ("clips taken from the folder of replacements instead of their own", choices.replaced),
        ("clips with one file under several names", choices.same),
        ("second files of a clip that cannot be read, left out", choices.broken),
        ("second files of a clip outside the folders of classes, left out", choices.loose),
        ("files named by the YouTube id alone, taken to be the clips", choices.by_id_alone),
        ("files in the folder of another class than the annotations say", elsewhere),
    )
    return [
        f"{what}: {len(which):,} ({listing(map(printable, which), limit=_SHOWN)})"
        for what, which in told
        if which
    ]


def _near(
    rows: Mapping[str, Clip], found: Mapping[str, FoundFile], extra: Sequence[FoundFile]
) -> list[str]:
    """Return notes about extra files that carry the id of a missing clip, or nearly so."""
    missing = {_folded(clip.source): i for i, clip in rows.items() if i not in found}
    if not missing or not extra:
        return []
    counts = Counter(_folded(source) for source in {clip.source for clip in rows.values()})
    other_times: list[str] = []
    misspelt: list[str] = []
    for file in extra:
        key = clip_key(file.name)
        clip, near = clip_of(key), _NEAR.fullmatch(key)
        source = clip[0] if clip else near["source"] if near else key
        row_id = missing.get(_folded(source))
        if row_id is None or counts[_folded(source)] > 1:
            continue
        exact = rows[row_id].source == source
        (other_times if exact else misspelt).append(f"{printable(file.path)} ({row_id})")
    told = (
        ("extra files of a missing clip's YouTube video with other times, or none", other_times),
        ("extra files named nearly as a missing clip; rename them to count them", misspelt),
    )
    return [
        f"{what}: {len(which):,} ({listing(which, limit=_SHOWN)})" for what, which in told if which
    ]


def _folded(source: str) -> str:
    return source.lstrip("-_").casefold()


def replace_files(
    names: Mapping[str, str], replacements: Iterable[FoundFile]
) -> dict[str, FoundFile]:
    """Return for rows whose file has a replacement that can be read the replacement.

    Args:
        names: Names of the rows' files, by the rows' ids.
        replacements: The files in folders of replacements.
    """
    by_key = {clip_key(file.name): file for file in replacements if file.problem is None}
    if not by_key:
        return {}
    keys = {row_id: clip_key(name) for row_id, name in names.items()}
    return {row_id: by_key[key] for row_id, key in keys.items() if key in by_key}
