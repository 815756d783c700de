"""Data sets of images: SUN397, or any folder of class folders."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.file_names import check_names, composed
from zsl_bench.datasets.folder import open_folder, read_class_folders
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.official import unpack_hint
from zsl_bench.datasets.own_list import is_list
from zsl_bench.datasets.recognise import looks_like
from zsl_bench.datasets.scan import IMAGES, printable, scan_folder
from zsl_bench.datasets.sun_partitions import choose_partition
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.datasets.scan import FoundFile, Scan

_SUN397 = "sun397"


def open_images(name: str, path: Path | str) -> Manifest:
    """Find the images of a data set in a folder; each is a row, and a group, of its own.

    ``sun397`` means the layout of its authors: ``a/abbey/*.jpg`` and
    ``a/apartment_building/outdoor/*.jpg`` in the folder ``SUN397`` or a folder that holds it, with
    or without ``ClassName.txt``. Any other name means ``class/image`` folders, as
    ``zsl_bench.datasets.open_dataset`` reads videos: of the classes of a bundled set by its name,
    else of the classes that the folders name. Images lie anywhere below their class folder.

    No image is opened. Classes without images are named in the manifest's notes.

    Args:
        name: The data set; ``SUN-397`` and the like are understood.
        path: The folder; ``~`` is understood.

    Raises:
        DatasetError: The folder or the name is not what it should be.
        ClassSetError: The class folders' names make no class set.

    Example:
        >>> open_images("sun397", "SUN397")  # doctest: +SKIP
    """
    dataset = dataset_name(name)
    root = Path(path).expanduser()
    if dataset == _SUN397:
        return _open_sun397(root, None)
    return _with_absent(read_class_folders(dataset, root, IMAGES))


def open_sun397(request: DatasetRequest) -> Manifest:
    """Read the images of SUN397, whole or restricted to a partition.

    ``test_list`` is None for all images; ``Training_01`` to ``Training_10`` or ``Testing_01`` to
    ``Testing_10``, whose files lie beside the images or in a folder ``Partitions``; or such a file.
    A partition's images that are not there are missing. A list in CSV or JSONL given as annotations
    is read as ``zsl_bench.datasets.read_list`` does.

    Raises:
        DatasetError: The folder or the partition is not what it should be.
    """
    if request.annotations is not None or is_list(request.root):
        return open_folder(request)
    return _open_sun397(request.root, request.test_list)


def _with_absent(manifest: Manifest) -> Manifest:
    return replace(manifest, notes=(*manifest.notes, *_absent(manifest)))


def _absent(manifest: Manifest) -> tuple[str, ...]:
    counts = manifest.counts()
    absent = [name for name, count in counts.items() if not count]
    if not absent:
        return ()
    return (f"classes without images: {len(absent)} of {len(counts)} ({listing(absent)})",)


def _open_sun397(root: Path, test_list: str | Path | None) -> Manifest:
    below = _folder_below(root)
    scan = scan_folder(root / below, kind=IMAGES)
    check_names(_asked(scan), (file.path for file in scan.files))
    rows = _rows(scan, below)
    whole = Manifest(
        dataset=_SUN397,
        classes=load_class_set(_SUN397),
        split=ALL,
        root=root,
        videos=tuple(rows),
        extra=tuple(below + file.path for file in scan.files if not file.folders),
        unreadable=tuple((row.id, file.problem) for row, file in rows.items() if file.problem),
        notes=scan.notes(),
    )
    return _with_absent(whole) if test_list is None else _listed(whole, below, test_list)


def _listed(whole: Manifest, below: str, test_list: str | Path) -> Manifest:
    """Return the manifest of a partition, its images that are not there under ``missing``."""
    root = whole.root.absolute()
    partition = choose_partition([root / below, root, root.parent], test_list)
    present = {video.id for video in whole.videos}
    if present.isdisjoint(partition.labels):
        raise DatasetError(
            f"{partition.name} of {_SUN397} in {printable(str(whole.root))}",
            found=f"not one of its {len(partition.labels):,} images",
            fix="give the folder of the whole data set, or another partition",
        )
    counts = Counter(partition.labels.values())
    listed = whole.only(
        partition.labels.keys(),
        split=partition.name,
        expected={label: counts[label] for label in whole.classes.names},
    )
    return replace(listed, missing=tuple(partition.labels.keys() - present))


def _asked(scan: Scan) -> str:
    return f"{_SUN397} in {printable(str(scan.root))}"


def _folder_below(root: Path) -> str:
    """Return ``SUN397/`` where the folder holds one of that name, in any case, else nothing."""
    with suppress(OSError):
        names = (child.name for child in sorted(root.iterdir()) if child.is_dir())
        return next((f"{name}/" for name in names if name.casefold() == _SUN397), "")
    return ""


def _rows(scan: Scan, below: str) -> dict[Video, FoundFile]:
    places = {file.folders: _place(file.folders) for file in scan.files if file.folders}
    known = {folders: place for folders, place in places.items() if place is not None}
    if len(known) < len(places) or not places:
        raise _none_of_its_classes(scan, ["/".join(f) for f in places if f not in known])
    rows: dict[str, tuple[Video, FoundFile]] = {}
    for file in scan.files:
        if not file.folders:
            continue
        label, depth = known[file.folders]
        rest = "/".join((*file.folders[depth:], file.name))
        name = composed(f"{label.removeprefix('/')}/{rest}")
        if name in rows:
            raise DatasetError(
                _asked(scan),
                found=f"one image as {rows[name][1].path!r} and {file.path!r}",
                fix="keep one of them, or rename one",
            )
        rows[name] = (Video(id=name, label=label, path=below + file.path, group=name), file)
    return dict(rows.values())


def _place(folders: tuple[str, ...]) -> tuple[str, int] | None:
    """Return the class of the innermost folder that is one, and how deep that folder lies."""
    classes = load_class_set(_SUN397)
    for depth in range(len(folders), 0, -1):
        label = classes.find("/" + "/".join(folders[:depth]))
        if label is not None:
            return label, depth
    return None


def _none_of_its_classes(scan: Scan, unknown: list[str]) -> DatasetError:
    if not unknown:
        return DatasetError(
            _asked(scan),
            found="image files, but no class folders with images"
            if scan.files
            else "no image files",
            fix=unpack_hint(scan)
            or _another_data_set(scan)
            or "give the folder SUN397, which holds the folders a to z",
        )
    return DatasetError(
        _asked(scan),
        found=f"folders that are none of its classes ({len(unknown):,}): {listing(unknown)}",
        fix=_another_data_set(scan)
        or near_matches("/" + unknown[0], load_class_set(_SUN397).names),
    )


def _another_data_set(scan: Scan) -> str | None:
    likeness = looks_like(scan)
    if likeness is None or likeness.dataset == _SUN397:
        return None
    return f"{likeness}; ask for {likeness.dataset}, or give another folder"
