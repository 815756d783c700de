"""From a name and a place to a checked manifest: the one function behind ``zsl-bench index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from zsl_bench.archives import archive_stem, find_archives, is_archive, unpack, unpack_folder
from zsl_bench.datasets import dataset_name, open_dataset, open_images
from zsl_bench.datasets.hub_videos import read_hub_videos
from zsl_bench.datasets.scan import IMAGES, VIDEOS, scan_folder
from zsl_bench.errors import DatasetError
from zsl_bench.indexing.check import check_manifest

if TYPE_CHECKING:
    from zsl_bench.indexing.check import Check, CheckArguments
    from zsl_bench.indexing.progress import IndexProgress
    from zsl_bench.videos import Manifest

HUB = "hub:"
_UNPACKED = "unpacked"


def index_dataset(  # noqa: PLR0913 - keywords of one verb
    name: str,
    place: str | Path,
    *,
    split: str | None = None,
    annotations: str | Path | None = None,
    images: bool = False,
    unpack_to: str | Path | None = None,
    progress: IndexProgress | None = None,
    **check: Unpack[CheckArguments],
) -> Check:
    """Find the videos of a data set and check every file.

    Args:
        name: The data set, such as ``hmdb51``, or a name of one's own.
        place: A folder, an archive as downloaded, a manifest file, or ``hub:ORG/NAME@REVISION``.
        split: Which videos, such as ``testlist01``, ``val`` or ``anet13-video``, or a list file;
            None for all.
        annotations: The annotations, where they do not lie beside the videos; or a list of a data
            set of one's own.
        images: Whether these are class folders of images.
        unpack_to: Where the videos of an archive or of a Hub repository go; None for a folder
            beside the archive.
        progress: Told how the work is getting on.
        **check: Arguments of :func:`check_manifest`, such as ``level`` or ``jobs``.

    Returns:
        The manifest, with what the check found.

    Raises:
        DatasetError: The place, the name or the split is not what it should be.
        ZslBenchError: An archive cannot be unpacked, or the Hub cannot be reached.

    Example:
        >>> index_dataset("ucf101", "UCF101.rar").manifest.save("ucf101.json")  # doctest: +SKIP
    """
    manifest = find_videos(
        name,
        place,
        split=split,
        annotations=annotations,
        images=images,
        unpack_to=unpack_to,
        progress=progress,
    )
    return check_manifest(manifest, progress=progress, **check)


def find_videos(  # noqa: PLR0913 - keywords of one verb
    name: str,
    place: str | Path,
    *,
    split: str | None = None,
    annotations: str | Path | None = None,
    images: bool = False,
    unpack_to: str | Path | None = None,
    progress: IndexProgress | None = None,
) -> Manifest:
    """Find the videos of a data set, unpacking or fetching them first where need be.

    The arguments are those of :func:`index_dataset`; no video is opened.
    """
    into = None if unpack_to is None else Path(unpack_to).expanduser()
    if str(place).startswith(HUB):
        return _from_hub(name, str(place), into, split=split, progress=progress)
    root = _unpacked(Path(place).expanduser(), into, progress)
    if not images:
        return open_dataset(name, root, test_list=split, annotations=annotations)
    if split is not None or annotations is not None:
        raise DatasetError(
            f"images of {dataset_name(name)}",
            found="a split or annotations, which class folders of images do not have",
            fix="leave them out, or leave out --images for sun397",
        )
    return open_images(name, root)


def _from_hub(
    name: str,
    reference: str,
    into: Path | None,
    *,
    split: str | None,
    progress: IndexProgress | None,
) -> Manifest:
    if into is None:
        raise DatasetError(
            f"{dataset_name(name)} from {reference}",
            found="no folder for its videos",
            fix="say where they go with --unpack-to",
        )
    return read_hub_videos(name, reference.removeprefix(HUB), into, split=split, progress=progress)


def _has_files(folder: Path) -> bool:
    """Return whether a folder has videos, images or lists beside what was unpacked in it."""
    found = (file for kind in (VIDEOS, IMAGES) for file in scan_folder(folder, kind=kind).files)
    return any(file.folders[:1] != (_UNPACKED,) for file in found)


def _unpacked(path: Path, into: Path | None, progress: IndexProgress | None) -> Path:
    """Return the folder of the videos, unpacking an archive, or a folder with nothing else."""
    if is_archive(path):
        target = path.parent / archive_stem(path) if into is None else into
        return unpack(path, target, progress=progress).folder
    if not path.is_dir() or not find_archives(path):
        return path
    target = path / _UNPACKED if into is None else into
    if into is None and _has_files(path):
        return path
    return unpack_folder(path, target, progress=progress).folder
