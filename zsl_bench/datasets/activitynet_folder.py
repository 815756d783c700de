"""ActivityNet on the disk: whole videos called ``v_ID`` or ``ID``, and the official JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.activitynet import (
    DATASET,
    RELEASES,
    find_rule,
    official_rows,
    read_annotations,
    row_id,
)
from zsl_bench.datasets.activitynet_json import find_json
from zsl_bench.datasets.folder import open_folder
from zsl_bench.datasets.official import DEPTH, unpack_hint
from zsl_bench.datasets.own_list import is_list
from zsl_bench.datasets.recognise import looks_like
from zsl_bench.datasets.scan import VIDEO_SUFFIXES, is_utf8, printable, scan_folder
from zsl_bench.errors import DatasetError, listing
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.datasets.activitynet import ActivityNetRows, Annotations, Release
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.datasets.scan import FoundFile, Scan


def open_activitynet(request: DatasetRequest) -> Manifest:
    """Read a folder of ActivityNet 1.3 (``activitynet200``) or 1.2 (``activitynet100``).

    The videos are whole, called ``v_ID`` or ``ID`` with any video extension and in any case, up to
    three folders deep. The official JSON is given as annotations, or lies in the folder, in the one
    above, or in a folder ``annotations`` of either. ``test_list`` is one of the release's two video
    rules: ``anet13-segments-v1``, which None stands for, or ``anet13-video``.

    The segments of one video share its file. Every row of a video that is not there is missing.
    Files that give no row are extra: videos of the subset testing, which has no labels, videos that
    the rule leaves out, and others.

    A list in CSV or JSONL in place of the JSON is read as ``zsl_bench.datasets.read_list`` does,
    and class folders of 1.3 without any JSON as those of any class set.

    Raises:
        DatasetError: There is no JSON, it is another release's, the folder has no such videos or
            one of them twice, or there is no such rule.
    """
    release = RELEASES[request.dataset]
    if is_list(request.annotations or request.root):
        return open_folder(request)
    rule = find_rule(str(request.test_list or release.segments), release.dataset)
    scan = scan_folder(request.root, depth=DEPTH)
    path = request.annotations or find_json(request.root, release)
    if path is not None:
        annotations = read_annotations(path, release.dataset)
        return _manifest(scan, path, annotations, official_rows(annotations, rule))
    if request.test_list is None and release.dataset == DATASET and _has_class_folders(scan):
        return open_folder(request)
    raise _no_json(scan, release)


@dataclass(frozen=True, kw_only=True)
class _Matching:
    """Which file is which video.

    Attributes:
        found: The file of every video with a row, by YouTube id.
        extra: The other files.
        testing: Those of the extra files that are videos of the subset testing.
        left_out: Those of the extra files whose videos the rule leaves out.
        recased: The matched files that are not called as their id is written.
    """

    found: dict[str, FoundFile] = field(default_factory=dict)
    extra: list[FoundFile] = field(default_factory=list)
    testing: list[FoundFile] = field(default_factory=list)
    left_out: list[FoundFile] = field(default_factory=list)
    recased: list[FoundFile] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Return a sentence about each kind of file that a person may wonder about."""
        kinds = {
            "files of the subset testing, which has no labels": self.testing,
            "files of videos that the rule leaves out": self.left_out,
            "files whose names differ from their ids in case": self.recased,
        }
        return tuple(
            f"{what}: {len(files):,} ({listing((printable(file.path) for file in files), limit=3)})"
            for what, files in kinds.items()
            if files
        )


def _manifest(
    scan: Scan, path: Path, annotations: Annotations, listed: ActivityNetRows
) -> Manifest:
    release = annotations.release
    rows: dict[str, list[Video]] = defaultdict(list)
    for row in listed.rows.values():
        rows[row.group].append(row)
    matching = _match(scan, annotations, rows)
    if not matching.found:
        raise _nothing_found(scan, path, release)
    videos, unreadable = [], []
    for video, file in matching.found.items():
        videos += [replace(row, path=file.path) for row in rows[video]]
        if file.problem:
            unreadable += [(row.id, file.problem) for row in rows[video]]
    present = {video.id for video in videos}
    return Manifest(
        dataset=release.dataset,
        classes=annotations.classes,
        split=listed.rule,
        root=scan.root,
        videos=tuple(videos),
        expected=listed.counts(),
        missing=tuple(listed.rows.keys() - present),
        extra=tuple(printable(file.path) for file in matching.extra),
        unreadable=tuple(unreadable),
        notes=(
            f"rows of {printable(path.name)}, SHA-256 {annotations.sha256[:12]}...",
            *scan.notes(),
            *matching.notes(),
            *listed.notes(),
        ),
        overlapping=tuple(listed.overlapping & present),
    )


def _match(scan: Scan, annotations: Annotations, rows: dict[str, list[Video]]) -> _Matching:
    names = _Names([*annotations.videos, *annotations.without, *annotations.testing])
    testing = frozenset(annotations.testing)
    of_video: dict[str, list[FoundFile]] = defaultdict(list)
    matching = _Matching()
    for file in scan.files:
        video = names.find(file) if is_utf8(file.path) else None
        if video in rows:
            of_video[video].append(file)
            if not names.is_exact(file):
                matching.recased.append(file)
            continue
        matching.extra.append(file)
        if video is not None:
            (matching.testing if video in testing else matching.left_out).append(file)
    _check_single(scan, annotations.release, of_video)
    matching.found.update((video, files[0]) for video, files in of_video.items())
    return matching


class _Names:
    """Which video a file is, by its name."""

    def __init__(self, videos: list[str]) -> None:
        self._exact = {video: video for video in videos}
        self._exact |= {row_id(video): video for video in videos}
        self._folded: dict[str, str | None] = {}
        for name, video in self._exact.items():
            folded = name.casefold()
            is_one = self._folded.setdefault(folded, video) == video
            self._folded[folded] = video if is_one else None

    def find(self, file: FoundFile) -> str | None:
        """Return the id of the video that a file is called after, in any clear case, or None."""
        stem = _stem(file)
        return self._exact.get(stem) or self._folded.get(stem.casefold())

    def is_exact(self, file: FoundFile) -> bool:
        """Return whether a file is called after a video as its id is written."""
        return _stem(file) in self._exact


def _stem(file: FoundFile) -> str:
    """Return a file's name without its extension, or its two as downloaders write them."""
    head, dot, tail = file.stem.rpartition(".")
    return head if dot and f".{tail.casefold()}" in VIDEO_SUFFIXES else file.stem


def _check_single(scan: Scan, release: Release, of_video: dict[str, list[FoundFile]]) -> None:
    twice = [files for files in of_video.values() if len(files) > 1]
    if twice:
        raise DatasetError(
            f"{release.dataset} in {printable(str(scan.root))}",
            found=f"more than one file for {len(twice):,} of its videos, such as "
            f"{listing(file.path for file in twice[0])}",
            fix="keep one file of each, or give the folder of one copy",
        )


def _has_class_folders(scan: Scan) -> bool:
    folders = {file.folders[0] for file in scan.files if file.folders}
    hits = sum(load_class_set(DATASET).find(folder) is not None for folder in folders)
    return 2 * hits > len(folders)


def _no_json(scan: Scan, release: Release) -> DatasetError:
    asked = f"{release.dataset} in {printable(str(scan.root))}"
    other = _another_data_set(scan)
    for instead in RELEASES.values():
        path = None if instead == release else find_json(scan.root, instead)
        if path is not None and other is None:
            other = f"ask for {instead.dataset}, whose {printable(path.name)} is there"
    name = f"activity_net.v{release.version.replace('.', '-')}.min.json"
    return DatasetError(
        asked,
        found=f"no {name} there or in the folder above",
        fix=other
        or f"put it beside the videos, or give it as --annotations; "
        f"it comes from activity-net.org, ActivityNet {release.version}",
    )


def _nothing_found(scan: Scan, path: Path, release: Release) -> DatasetError:
    return DatasetError(
        f"{release.dataset} in {printable(str(scan.root))}",
        found=f"not one of {len(scan.files):,} video files is called v_ID or ID by an id of "
        f"{printable(path.name)}"
        if scan.files
        else "no video files",
        fix=_another_data_set(scan)
        or unpack_hint(scan)
        or "give the folder of the training and validation videos, such as v_QOlSCBRmfWY.mp4",
    )


def _another_data_set(scan: Scan) -> str | None:
    likeness = looks_like(scan)
    if likeness is None or DATASET in likeness.dataset:
        return None
    return f"{likeness}; ask for {likeness.dataset}, or give another folder"
