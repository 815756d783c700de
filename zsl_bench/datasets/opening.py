"""From a name and a path to a manifest, whatever lies there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.datasets.activitynet_folder import open_activitynet
from zsl_bench.datasets.expected import ALL, LISTED, official_list
from zsl_bench.datasets.folder import open_folder
from zsl_bench.datasets.hmdb51 import open_hmdb51, parse_split
from zsl_bench.datasets.images import open_sun397
from zsl_bench.datasets.kinetics import open_kinetics
from zsl_bench.datasets.lists import choose_list
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.datasets.scan import printable
from zsl_bench.datasets.ucf101 import open_ucf101, parse_list
from zsl_bench.errors import DatasetError
from zsl_bench.videos import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[DatasetRequest], Manifest]

READERS: Mapping[str, Reader] = {
    "ucf101": open_ucf101,
    "hmdb51": open_hmdb51,
    "kinetics400": open_kinetics,
    "kinetics600": open_kinetics,
    "kinetics700": open_kinetics,
    "activitynet100": open_activitynet,
    "activitynet200": open_activitynet,
    "sun397": open_sun397,
}
_PARSERS = {"ucf101": parse_list, "hmdb51": parse_split}


def open_dataset(
    name: str,
    path: str | Path,
    *,
    test_list: str | Path | None = None,
    annotations: str | Path | None = None,
) -> Manifest:
    """Find the videos of a data set.

    ``ucf101`` and ``hmdb51`` are matched against their official lists, ActivityNet against its
    official JSON, Kinetics against its annotations where there are any. Any other name means
    ``class/video`` folders that name their own classes, an empty folder being a class without
    videos, or a list. No video is opened.

    Args:
        name: The data set; ``UCF-101`` and the like are understood.
        path: The folder, a manifest file of that data set, or a list of one's own (CSV or JSONL)
            about its own folder; ``~`` is understood.
        test_list: Which videos: None for all of them, the name of a list, such as ``testlist01``,
            ``split1``, ``val``, ``anet13-video`` or ``Training_01``, or an official list file.
        annotations: The file that tells the videos and classes, where it does not lie beside them.

    Raises:
        DatasetError: The folder, the name or the list is not what it should be.
        ClassSetError: The class folders' names make no class set.

    Example:
        >>> open_dataset("ucf101", "UCF-101", test_list="testlist01")  # doctest: +SKIP
    """
    dataset, root = dataset_name(name), Path(path).expanduser()
    if annotations is not None and dataset in LISTED:
        raise DatasetError(
            f"annotations for {dataset}",
            found="a data set that needs none, as its official list is known",
            fix="leave them out, or give the data set another name to read a list of your own",
        )
    if root.suffix.casefold() == ".json" and root.is_file():
        return _from_manifest(dataset, root, test_list)
    request = DatasetRequest(
        dataset=dataset,
        asked=name,
        root=root,
        test_list=test_list,
        annotations=None if annotations is None else Path(annotations).expanduser(),
    )
    return READERS.get(dataset, open_folder)(request)


def _from_manifest(dataset: str, path: Path, test_list: str | Path | None) -> Manifest:
    manifest = Manifest.load(path)
    asked = f"{dataset} in {printable(str(path))}"
    if manifest.dataset != dataset:
        raise DatasetError(
            asked,
            found=f"a manifest of {manifest.dataset}",
            fix=f"ask for {manifest.dataset}, or give another manifest",
        )
    if test_list is None or str(test_list) == manifest.split:
        return manifest
    if dataset in LISTED and manifest.split == ALL:
        return _listed(manifest, test_list)
    raise DatasetError(
        f"test list {printable(str(test_list))!r} of {asked}",
        found=f"a manifest of its list {manifest.split!r}",
        fix=f"make the manifest again with --split {printable(str(test_list))}",
    )


def _listed(manifest: Manifest, test_list: str | Path) -> Manifest:
    """Return a manifest of all videos of a data set, restricted to one of its lists."""
    dataset = manifest.dataset
    wanted = choose_list(dataset, test_list, _PARSERS[dataset])
    return manifest.only(
        wanted.ids,
        split=wanted.name,
        expected=official_list(dataset).counts(wanted.ids, manifest.classes.names),
    )
