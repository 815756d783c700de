"""Readers: from a folder on the disk to a manifest, one small reader per layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.datasets.csv_list import read_csv_list
from zsl_bench.datasets.expected import OfficialList, OfficialVideo, official_list
from zsl_bench.datasets.folder import open_folder
from zsl_bench.datasets.hmdb51 import open_hmdb51
from zsl_bench.datasets.images import open_images
from zsl_bench.datasets.names import dataset_name, known_datasets
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.datasets.summary import summary, summary_lines
from zsl_bench.datasets.ucf101 import open_ucf101

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zsl_bench.videos import Manifest

    Reader = Callable[[DatasetRequest], Manifest]

__all__ = [
    "LISTED",
    "READERS",
    "DatasetRequest",
    "OfficialList",
    "OfficialVideo",
    "known_datasets",
    "official_list",
    "open_dataset",
    "open_images",
    "read_csv_list",
    "summary",
    "summary_lines",
]

LISTED = ("ucf101", "hmdb51")
"""The data sets whose official videos and lists come with the package."""

READERS: Mapping[str, Reader] = {"ucf101": open_ucf101, "hmdb51": open_hmdb51}


def open_dataset(
    name: str,
    path: str | Path,
    *,
    test_list: str | Path | None = None,
    annotations: str | Path | None = None,
) -> Manifest:
    """Find the videos of a data set in a folder.

    ``ucf101`` and ``hmdb51`` are matched against their official lists. The name of another bundled
    class set, such as ``kinetics400``, means ``class/video`` folders of its classes; any other name
    means ``class/video`` folders that name their own classes, an empty folder being a class without
    videos. No video is opened.

    Args:
        name: The data set; ``UCF-101`` and the like are understood.
        path: The folder; ``~`` is understood.
        test_list: For UCF101 and HMDB51 which videos: None for all of them, a name such as
            ``testlist01`` or ``split1``, or an official list file.
        annotations: The file that tells the classes, where the folder does not.

    Raises:
        DatasetError: The folder, the name or the list is not what it should be.
        ClassSetError: The class folders' names make no class set.

    Example:
        >>> open_dataset("ucf101", "UCF-101", test_list="testlist01")  # doctest: +SKIP
    """
    request = DatasetRequest(
        dataset=dataset_name(name),
        asked=name,
        root=Path(path).expanduser(),
        test_list=test_list,
        annotations=None if annotations is None else Path(annotations).expanduser(),
    )
    return READERS.get(request.dataset, open_folder)(request)
