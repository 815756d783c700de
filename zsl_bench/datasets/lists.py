"""Lists of videos: bundled ones by name, a user's own from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.datasets.expected import ALL, official_list
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, near_matches

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class VideoList:
    """The videos that a split wants.

    Attributes:
        name: Name of the split.
        ids: Ids of the videos.
    """

    name: str
    ids: frozenset[str]


def choose_list(
    dataset: str, test_list: str | Path | None, parse: Callable[[Path], frozenset[str]]
) -> VideoList:
    """Turn what a user gave as test list into the ids it names.

    Args:
        dataset: ``ucf101`` or ``hmdb51``.
        test_list: None for all videos; the name of a bundled list, such as ``testlist01``; or a
            file or folder in the official format.
        parse: Reads such a file or folder.

    Returns:
        The list, under its official name if it has exactly the official list's videos, else as
        ``custom-`` and the file's name.

    Raises:
        DatasetError: There is neither such a list nor such a file, or its content does not fit.
    """
    official = official_list(dataset)
    name = official.find(ALL if test_list is None else str(test_list))
    if name is not None:
        return VideoList(name=name, ids=official.splits[name])
    path = Path(str(test_list)).expanduser()
    if not path.exists():
        raise DatasetError(
            f"test list {printable(str(test_list))!r} of {dataset}",
            found="neither a list of that name nor a file",
            fix=near_matches(str(test_list), [*official.splits, *official.aliases]),
        )
    ids = parse(path)
    return VideoList(name=official.name_of(ids) or f"custom-{printable(path.stem)}", ids=ids)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty, however they end.

    Raises:
        DatasetError: It cannot be read, is no text, or has no lines.
    """
    asked = f"test list {printable(str(path))}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatasetError(asked, found=reason, fix="give a text file that can be read") from error
    except UnicodeDecodeError as error:
        raise DatasetError(asked, found="no text", fix="give an official list file") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DatasetError(asked, found="no lines", fix="give an official list file")
    return lines
