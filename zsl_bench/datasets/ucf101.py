"""UCF101: ``Class/v_Class_gNN_cNN.avi`` and the official train and test lists."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import official_list
from zsl_bench.datasets.lists import choose_list, read_lines
from zsl_bench.datasets.official import open_official
from zsl_bench.datasets.scan import VIDEO_SUFFIXES, printable
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.videos import Manifest

DATASET = "ucf101"


def open_ucf101(request: DatasetRequest) -> Manifest:
    """Read a folder of UCF101; see ``zsl_bench.datasets.open_dataset``."""
    wanted = choose_list(request.dataset, request.test_list, parse_list)
    return open_official(request.dataset, request.root, wanted)


def parse_list(path: Path) -> frozenset[str]:
    """Read a list in the format of ``testlist01.txt`` or ``trainlist01.txt``.

    Every line has ``Class/v_Class_gNN_cNN.avi`` and, optionally, the class's number.

    Returns:
        The ids of its videos.

    Raises:
        DatasetError: A line does not fit, or names a video twice.
    """
    if path.is_dir():
        raise DatasetError(
            f"test list {printable(str(path))}",
            found="a folder",
            fix="give one file of it, such as testlist01.txt, or the word testlist01",
        )
    stems = {i.casefold(): i for i in official_list(DATASET).videos}
    ids: set[str] = set()
    for line in read_lines(path):
        video = _video_of(line, stems)
        if video is None or video in ids:
            raise DatasetError(
                f"test list {printable(str(path))}",
                found=f"the line {line[:100]!r}, which "
                + ("names no video of UCF101" if video is None else "comes twice"),
                fix="give lines such as Archery/v_Archery_g01_c01.avi, one per video",
            )
        ids.add(video)
    return frozenset(ids)


def _video_of(line: str, stems: dict[str, str]) -> str | None:
    words = line.replace("\\", "/").split()
    path = PurePosixPath(words[0])
    video = stems.get(path.stem.casefold())
    numbered = len(words) == 1 or (len(words) == 2 and words[1].isdecimal())
    if video is None or not numbered or path.suffix.casefold() not in VIDEO_SUFFIXES:
        return None
    folder = load_class_set(DATASET).find(path.parent.name)
    fits = folder == official_list(DATASET).videos[video].label
    return video if fits or not path.parent.name else None
