"""HMDB51: ``class/NAME.avi`` and the official split files, one per class and split."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import official_list
from zsl_bench.datasets.lists import choose_list, read_lines
from zsl_bench.datasets.official import open_official
from zsl_bench.datasets.scan import VIDEO_SUFFIXES, printable
from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zsl_bench.datasets.expected import OfficialVideo
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.videos import Manifest

DATASET = "hmdb51"
_FILE = re.compile(r"(?P<label>\w+)_test_split(?P<split>\d)")
_LINE = re.compile(r"(?P<stem>\S+)(?P<suffix>\.\w+)\s+(?P<use>[012])")
_WORDS = "the word split1, split2 or split3"


def open_hmdb51(request: DatasetRequest) -> Manifest:
    """Read a folder of HMDB51; see ``zsl_bench.datasets.open_dataset``."""
    wanted = choose_list(request.dataset, request.test_list, parse_split)
    return open_official(request.dataset, request.root, wanted)


def parse_split(path: Path) -> frozenset[str]:
    """Read the 51 files ``CLASS_test_splitN.txt`` of one split.

    Args:
        path: One of the files, which stands for its split, or the folder where it has one split
            only.

    Returns:
        The ids of the videos marked 2, for test.

    Raises:
        DatasetError: The split is not clear, classes lack their file, or a line does not fit.
    """
    folder, split = _split_of(path)
    classes = load_class_set(DATASET)
    files = {
        classes.find(match["label"]): file
        for file, match in _split_files(folder).items()
        if match["split"] == split
    }
    absent = [name for name in classes.names if name not in files]
    if absent or None in files:
        odd = absent or [files[None].name]
        raise DatasetError(
            f"split {split} of HMDB51 in {printable(str(folder))}",
            found=("no file of " if absent else "a file of an unknown class, ") + listing(odd),
            fix=f"put the 51 official files together, or give {_WORDS}",
        )
    ids: set[str] = set()
    for name in classes.names:
        ids |= _tested(files[name], name)
    return frozenset(ids)


def _split_files(folder: Path) -> dict[Path, re.Match[str]]:
    matches = {file: _FILE.fullmatch(file.stem) for file in sorted(folder.glob("*.txt"))}
    return {file: match for file, match in matches.items() if match is not None}


def _split_of(path: Path) -> tuple[Path, str]:
    asked = f"HMDB51 test list {printable(str(path))}"
    if path.is_file():
        match = _FILE.fullmatch(path.stem)
        if match is None:
            raise DatasetError(
                asked,
                found="not named CLASS_test_splitN.txt",
                fix=f"give one of the official files, or {_WORDS}",
            )
        return path.parent, match["split"]
    splits = sorted({match["split"] for match in _split_files(path).values()})
    if len(splits) != 1:
        raise DatasetError(
            asked,
            found=f"files of splits {listing(splits)}" if splits else "no CLASS_test_splitN.txt",
            fix=f"give one file of the split you mean, or {_WORDS}",
        )
    return path, splits[0]


def _tested(path: Path, label: str) -> set[str]:
    videos = official_list(DATASET).videos
    uses: dict[str, str] = {}
    for line in read_lines(path):
        match = _LINE.fullmatch(line)
        problem = "does not fit" if match is None else _problem(match, label, videos, uses)
        if match is None or problem:
            raise DatasetError(
                f"HMDB51 split file {printable(str(path))}",
                found=f"the line {line[:100]!r}, which {problem}",
                fix="give lines such as NAME.avi 1, with 0 unused, 1 train or 2 test",
            )
        uses[match["stem"]] = match["use"]
    return {stem for stem, use in uses.items() if use == "2"}


def _problem(
    line: re.Match[str], label: str, videos: Mapping[str, OfficialVideo], uses: dict[str, str]
) -> str | None:
    video = videos.get(line["stem"])
    if video is None or line["suffix"].casefold() not in VIDEO_SUFFIXES:
        return "names no video of HMDB51"
    if video.label != label:
        return f"is a video of {video.label}"
    return "comes twice" if line["stem"] in uses else None
