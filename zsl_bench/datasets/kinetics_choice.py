"""Which part of Kinetics is meant, and which annotations tell its clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.kinetics_layout import annotation_files
from zsl_bench.datasets.kinetics_lists import CSV, JSON, LIST, UNLABELLED, kind_of, read_annotations
from zsl_bench.datasets.kinetics_names import (
    PARTS,
    WHOLE,
    clip_key,
    part_of_annotations,
    part_of_word,
)
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, near_matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.kinetics_annotations import Annotations, Clip
    from zsl_bench.datasets.kinetics_layout import Layout
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.datasets.scan import Scan

_2020 = "2020-"
_KINDS = (CSV, JSON, LIST)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        dataset: ``kinetics400``, ``kinetics600`` or ``kinetics700``.
        classes: Its classes.
        root: The folder.
        parts: The parts by name, in the order train, val, test; None where none is named.
        file: The annotations that are given, None where they are to be found.
        is_2020: Whether Kinetics-700-2020 is meant.
    """

    dataset: str
    classes: ClassSet
    root: Path
    parts: tuple[str, ...] | None
    file: Path | None
    is_2020: bool

    @property
    def release(self) -> str:
        """The release's name, such as ``kinetics700-2020``."""
        return f"{self.dataset}-2020" if self.is_2020 else self.dataset

    @property
    def asked(self) -> str:
        """What is asked for, as a message begins."""
        return f"{self.release} in {printable(str(self.root))}"

    def split(self, parts: Iterable[str] | None) -> str:
        """Return the name of the split of some parts, or of a folder without any."""
        named = tuple(parts or ())
        whole = not named or named == PARTS
        return (_2020 if self.is_2020 else "") + (ALL if whole else "+".join(named))


def understand(request: DatasetRequest) -> Wanted:
    """Return what a request asks for.

    Raises:
        DatasetError: There is no such part, or two files are given.
    """
    listed = None if request.test_list is None else str(request.test_list)
    given: Path | None
    parts = None if listed is None else _parts_of(listed.casefold().removeprefix(_2020))
    if listed is not None and parts is None:
        given = _listed_file(request, listed)
    else:
        given = request.annotations
    is_2020 = "2020" in request.asked or bool(listed and listed.startswith(_2020))
    if is_2020 and request.dataset != "kinetics700":
        raise DatasetError(
            f"split {printable(str(listed))!r} of {request.dataset}",
            found="a list of Kinetics-700-2020",
            fix="ask for kinetics700-2020, or leave 2020 out",
        )
    return Wanted(
        dataset=request.dataset,
        classes=load_class_set(request.dataset),
        root=request.root,
        parts=parts,
        file=given,
        is_2020=is_2020,
    )


def _listed_file(request: DatasetRequest, listed: str) -> Path:
    asked = f"split {printable(listed)!r} of {request.dataset}"
    path = Path(listed).expanduser()
    if not path.is_file():
        raise DatasetError(
            asked,
            found="neither a part nor a file of annotations",
            fix=near_matches(listed, [*PARTS, ALL]),
        )
    if request.annotations is not None:
        raise DatasetError(
            asked,
            found="a file, beside other annotations",
            fix="give one of the two, or the name of a part as split",
        )
    return path


def _parts_of(name: str) -> tuple[str, ...] | None:
    """Return the parts of ``val``, ``train+val`` or ``all``, or None for anything else."""
    if name == ALL:
        return PARTS
    parts = [part_of_word(word) for word in name.split("+")]
    return None if None in parts else tuple(part for part in PARTS if part in parts)


@dataclass(kw_only=True)
class Found:
    """The annotations that lie beside the videos, read when they are needed."""

    wanted: Wanted
    files: dict[str, Path]
    unlabelled: dict[str, Path]
    _read: dict[Path, Annotations] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that have annotations."""
        return tuple(part for part in PARTS if part in self.files or part in self._whole_parts)

    @property
    def _whole_parts(self) -> tuple[str, ...]:
        whole = self.files.get(WHOLE)
        return () if whole is None else self.read(whole).parts

    def path(self, part: str) -> Path | None:
        """Return the file that has a part's clips, or None."""
        if part in self.files:
            return self.files[part]
        return self.files[WHOLE] if part in self._whole_parts else None

    def clips(self, part: str) -> tuple[Clip, ...]:
        """Return the clips of a part that has annotations."""
        if part in self.files:
            return self.read(self.files[part]).clips
        return tuple(clip for clip in self.read(self.files[WHOLE]).clips if clip.part == part)

    def read(self, path: Path) -> Annotations:
        """Read a file, once."""
        if path not in self._read:
            self._read[path] = read_annotations(path, self.wanted.classes)
        return self._read[path]


def find_annotations(wanted: Wanted, layout: Layout) -> Found:
    """Find for each part the annotations by their usual names and their first lines.

    The authors' CSV is taken before their JSON and that before a list of paths; then the nearest.
    """
    best: dict[str, tuple[int, int, int, Path]] = {}
    unlabelled: dict[str, Path] = {}
    for position, path in enumerate(annotation_files(layout)):
        use = part_of_annotations(path.stem, wanted.dataset, is_2020=wanted.is_2020)
        kind = None if use is None else kind_of(path)
        if use is None or kind is None:
            continue
        if kind in _KINDS:
            is_other = int(wanted.is_2020 and "2020" not in path.stem)
            rank = (_KINDS.index(kind), is_other, position, path)
            best[use] = min(best.get(use, rank), rank)
        elif kind == UNLABELLED:
            unlabelled.setdefault(use, path)
    files = {use: rank[-1] for use, rank in best.items()}
    return Found(wanted=wanted, files=files, unlabelled=unlabelled)


def choose_parts(wanted: Wanted, layout: Layout, found: Found) -> tuple[str, ...] | None:
    """Return the parts that are meant, None where neither folders nor the request tell them.

    Raises:
        DatasetError: The folder has several parts and none is asked for, or not what is asked for.
    """
    there = tuple(part for part in PARTS if part in layout.parts)
    if wanted.parts is not None:
        return _check_there(wanted, layout, found)
    if layout.own:
        return (layout.own,)
    if len(there) == 1 and not layout.homes:
        return there
    if there:
        folders = [layout.parts[part][0].rstrip("/") for part in there]
        more = " beside class folders" if layout.homes else ""
        raise _several(wanted, f"the parts {', '.join(folders)}{more}", there)
    return None


def _several(wanted: Wanted, what: str, parts: tuple[str, ...]) -> DatasetError:
    return DatasetError(
        wanted.asked,
        found=what,
        fix=f"say which is meant with --split (test_list in Python), such as --split {parts[-1]}",
    )


def _check_there(wanted: Wanted, layout: Layout, found: Found) -> tuple[str, ...]:
    asked = wanted.parts or ()
    if asked == PARTS:
        known = {*layout.parts, *(() if layout.parts else found.parts), layout.own}
        asked = tuple(part for part in PARTS if part in known)
    if layout.own and asked != (layout.own,):
        raise _no_part(wanted, f"a folder of {layout.own}", "give the folder that holds the parts")
    loose = bool(layout.homes) or not layout.parts
    for part in asked:
        if part in layout.parts or part == layout.own or (loose and part in found.parts):
            continue
        there = [*layout.parts, *(("class folders of no part",) if layout.homes else ())]
        raise _no_part(
            wanted,
            f"only {', '.join(there)}" if there else "no folder and no annotations of that part",
            "choose another part, or give the annotations of it with --annotations FILE",
        )
    return asked


def _no_part(wanted: Wanted, found: str, fix: str) -> DatasetError:
    return DatasetError(
        f"split {wanted.split(wanted.parts)!r} of {wanted.asked}", found=found, fix=fix
    )


def part_that_fits(wanted: Wanted, found: Found, scan: Scan) -> tuple[str, ...] | None:
    """Return the only part whose annotations name files that are there, None where none does.

    Raises:
        DatasetError: Those of several parts do; how many of each.
    """
    names = {clip_key(file.name) for file in scan.files}
    hits = {
        part: sum(clip.key in names or clip.source in names for clip in found.clips(part))
        for part in found.parts
    }
    fitting = tuple(part for part, count in hits.items() if count)
    if len(fitting) > 1:
        counts = ", ".join(f"{hits[part]:,} of {part}" for part in fitting)
        raise _several(wanted, f"clips of several parts ({counts})", fitting)
    return fitting or None
