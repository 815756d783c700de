"""Data sets of videos on the Hub: to files in a folder, and to a manifest of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypedDict, Unpack

from zsl_bench.classes import bundled_class_sets, class_set_from_names, load_class_set
from zsl_bench.datasets.expected import LISTED, official_list
from zsl_bench.datasets.file_names import composed, group_of
from zsl_bench.datasets.hub_rows import Unpacked, kept_rows, label_names, unpack_rows
from zsl_bench.datasets.hub_tables import open_tables
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.opening import open_dataset
from zsl_bench.datasets.scan import IMAGE_SUFFIXES, problem_of
from zsl_bench.files import check_writable
from zsl_bench.hub import list_data
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.hub_rows import UnpackProgress
    from zsl_bench.hub import Transfer


class HubChoices(TypedDict, total=False):
    """What else may be chosen of a data set on the Hub.

    Attributes:
        test_list: For UCF101 and HMDB51 the official list to match against; without it the one that
            has exactly these videos, else all videos.
        label_column: The column of class names; without it the usual names are looked for.
        transfer: Told of the bytes fetched.
    """

    test_list: str | Path | None
    label_column: str | None
    transfer: Transfer | None


def read_hub_videos(
    name: str,
    reference: str,
    into: Path | str,
    *,
    split: str | None = None,
    config: str | None = None,
    progress: UnpackProgress | None = None,
    **choices: Unpack[HubChoices],
) -> Manifest:
    """Read a data set of videos on the Hub: its videos become files, and these a manifest.

    Understood are tables with embedded videos (or images), such as those of the MTEB organisation;
    video files with a table of their paths, such as ``metadata.csv``; video files in class folders;
    and webdataset tar files. The ``datasets`` library reads them from files that are fetched
    before, pinned to a commit and checked; it runs no code of the repository. Nothing that is
    there is fetched or written again.

    The files go to ``into/CONFIG/SPLIT/CLASS/NAME``. Where at least half of the names are official
    ones of ``ucf101`` or ``hmdb51``, the manifest is that of the folder, matched against the
    official list; else its rows are those of the table.

    Args:
        name: The data set; the labels must be its classes where it is a known one.
        reference: ``org/name@revision``, with or without ``hub:``.
        into: The folder for the videos.
        split: The part, such as ``test``; None where there is only one.
        config: The configuration, None for the default one.
        progress: Told of the videos written.
        **choices: See :class:`HubChoices`.

    Raises:
        DatasetError: The repository, the part or the columns are not what they should be, a label
            is no class of the data set, or a file is damaged.
        ResultError: The folder cannot be written.
    """
    label_column, transfer = choices.get("label_column"), choices.get("transfer")
    dataset = dataset_name(name)
    repo = list_data(reference)
    folder = Path(into).expanduser()
    check_writable(folder)
    with open_tables(repo, config=config, split=split, progress=transfer) as tables:
        unpacked = kept_rows(tables.part, folder, label_column)
        if unpacked is None:
            tables.fetch(transfer)
            unpacked = unpack_rows(tables, folder, dataset, label_column, progress, transfer)
    manifest = _official(dataset, unpacked, choices.get("test_list")) or _listed(dataset, unpacked)
    source = f"from {repo}, configuration {unpacked.config}, part {unpacked.split}"
    return replace(manifest, notes=(*manifest.notes, source))


def _official(dataset: str, unpacked: Unpacked, test_list: str | Path | None) -> Manifest | None:
    """Match against the official list where most names are official ones."""
    if dataset not in LISTED:
        return None
    official = official_list(dataset)
    by_stem = {i.casefold(): i for i in official.videos}
    stems = [PurePosixPath(row.path).stem.casefold() for row in unpacked.rows]
    ids = frozenset(by_stem[stem] for stem in stems if stem in by_stem)
    if 2 * len(ids) < len(stems):
        return None
    exact = official.name_of(ids)
    manifest = open_dataset(dataset, unpacked.root, test_list=test_list or exact)
    if test_list is not None or exact is not None:
        return manifest
    around = [split for split, listed in official.splits.items() if ids < listed]
    note = (
        f"all {len(ids):,} videos are on the official lists {', '.join(around[1:])}; counted "
        "against all videos"
    )
    return replace(manifest, notes=(*manifest.notes, note)) if around[1:] else manifest


def _listed(dataset: str, unpacked: Unpacked) -> Manifest:
    labels = label_names(dataset, {row.label for row in unpacked.rows})
    classes = _classes(dataset, unpacked, labels)
    counts = Counter(labels[row.label] for row in unpacked.rows)
    videos, missing, unreadable = [], [], []
    for row in unpacked.rows:
        label = labels[row.label]
        video_id = f"{label.removeprefix('/')}/{PurePosixPath(row.path).name}"
        if row.size is None:
            missing.append(video_id)
            continue
        group = video_id if _is_image(row.path) else group_of(video_id.rpartition(".")[0])
        videos.append(Video(id=video_id, label=label, path=row.path, group=group))
        problem = problem_of(unpacked.root / row.path)
        if problem:
            unreadable.append((video_id, problem))
    origin = "-".join((*unpacked.repo.split("/"), *_unless_default(unpacked.config)))
    return Manifest(
        dataset=dataset,
        classes=classes,
        split=f"custom-{origin}-{unpacked.split}",
        root=unpacked.root,
        videos=tuple(videos),
        expected={label: counts[label] for label in classes.names},
        missing=tuple(missing),
        unreadable=tuple(unreadable),
    )


def _classes(dataset: str, unpacked: Unpacked, labels: dict[str, str]) -> ClassSet:
    if dataset in bundled_class_sets():
        return load_class_set(dataset)
    names = {*labels.values(), *map(composed, unpacked.names or ())}
    return class_set_from_names(sorted(names), dataset=dataset, source=f"labels of {unpacked.repo}")


def _unless_default(config: str) -> tuple[str, ...]:
    return () if config == "default" else (config,)


def _is_image(path: str) -> bool:
    return PurePosixPath(path).suffix.casefold() in IMAGE_SUFFIXES
