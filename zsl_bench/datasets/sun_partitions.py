"""The ten training and ten test lists of SUN397, as its authors publish them."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.lists import read_lines
from zsl_bench.datasets.scan import IMAGE_SUFFIXES, printable
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SUN397 = "sun397"
_FOLDERS = frozenset(("partition", "partitions", "splits"))
_NAME = re.compile(r"(?P<use>train|test)(?:ing)?[ _-]?(?P<number>0?[1-9]|10)", re.IGNORECASE)
_PER_CLASS = 50
_NAMES = tuple(f"{use}_{n:02d}" for use in ("Training", "Testing") for n in range(1, 11))


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A list of images of SUN397.

    Attributes:
        name: ``Training_01`` and so on for a list that is called so and has 50 images of every
            class, as all of the authors' have; else ``custom-`` and the file's name.
        labels: The class of every image by its id, such as ``a/abbey/sun_aakbdcgfpksytcwj.jpg``.
    """

    name: str
    labels: Mapping[str, str]


def choose_partition(folders: Sequence[Path], test_list: str | Path) -> Partition:
    """Turn what a user gave as test list into the images that it names.

    Args:
        folders: Where the authors' lists may lie, as they are or in a folder ``Partitions``, the
            likeliest first.
        test_list: A name such as ``Testing_01`` in any case, or a list file.

    Raises:
        DatasetError: There is neither such a list nor such a file, or its content does not fit.
    """
    match = _NAME.fullmatch(str(test_list))
    path = Path(str(test_list)).expanduser()
    if match is not None:
        name = _official(match)
        path = _find(folders, name) or path
        if not path.is_file():
            raise DatasetError(
                f"{name} of {_SUN397}",
                found=f"no {name}.txt in {printable(str(folders[0]))}, in a folder Partitions of "
                "it, or in the folder above",
                fix="unpack the authors' Partitions.zip there, or give the file",
            )
    elif not path.is_file():
        raise DatasetError(
            f"test list {printable(str(test_list))!r} of {_SUN397}",
            found="neither a partition of that name nor a file",
            fix=f"choose from {_NAMES[0]} to {_NAMES[9]} and {_NAMES[10]} to {_NAMES[-1]}",
        )
    return _read(path)


def _official(match: re.Match[str]) -> str:
    use = "Training" if match["use"].casefold() == "train" else "Testing"
    return f"{use}_{int(match['number']):02d}"


def _find(folders: Sequence[Path], name: str) -> Path | None:
    wanted = f"{name}.txt".casefold()
    for place in _places(folders):
        for path in _children(place):
            if path.name.casefold() == wanted and path.is_file():
                return path
    return None


def _places(folders: Sequence[Path]) -> Iterator[Path]:
    for place in dict.fromkeys(folder.absolute() for folder in folders):
        yield place
        yield from (path for path in _children(place) if path.name.casefold() in _FOLDERS)


def _children(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _read(path: Path) -> Partition:
    labels: dict[str, str] = {}
    for line in read_lines(path):
        image = _image_of(line)
        if image is None or image[0] in labels:
            raise DatasetError(
                f"partition {printable(str(path))}",
                found=f"the line {line[:100]!r}, which "
                + ("names no image of a class of SUN397" if image is None else "comes twice"),
                fix="give lines such as /a/abbey/sun_aakbdcgfpksytcwj.jpg, one per image",
            )
        labels[image[0]] = image[1]
    match = _NAME.fullmatch(path.stem)
    counts = Counter(labels.values())
    whole = [counts[name] for name in load_class_set(_SUN397).names]
    is_official = match is not None and set(whole) == {_PER_CLASS}
    name = _official(match) if match and is_official else f"custom-{printable(path.stem)}"
    return Partition(name=name, labels=labels)


def _image_of(line: str) -> tuple[str, str] | None:
    """Return the id and the class of the image that a line names, or None."""
    parts = line.replace("\\", "/").removeprefix("/").split("/")
    if parts[0].casefold() == _SUN397:
        parts = parts[1:]
    *folders, name = parts
    label = load_class_set(_SUN397).find("/" + "/".join(folders)) if folders else None
    suffix = f".{name.rpartition('.')[2]}".casefold()
    if label is None or suffix not in IMAGE_SUFFIXES or {"", ".", ".."} & set(parts):
        return None
    return composed(f"{label.removeprefix('/')}/{name}"), label
