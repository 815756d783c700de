"""ActivityNet 1.2 and 1.3: the official JSON to rows, one a segment or one a whole video."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, ResultError, listing, near_matches
from zsl_bench.files import read_json, sha256_file
from zsl_bench.videos import Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zsl_bench.classes import ClassSet

DATASET = "activitynet200"
SEGMENTS = "anet13-segments-v1"
WHOLE_VIDEOS = "anet13-video"
RULES = (SEGMENTS, WHOLE_VIDEOS)
_TESTING = "testing"
_SUBSETS = ("training", "validation")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A release of ActivityNet.

    Attributes:
        dataset: Name of the data set.
        version: Its number, as the JSON has it.
        segments: Name of the video rule of one row a segment.
        whole: Name of the video rule of one row a whole video.
        num_classes: How many classes it has.
    """

    dataset: str
    version: str
    segments: str
    whole: str
    num_classes: int

    @property
    def rules(self) -> tuple[str, str]:
        """The names of its two video rules."""
        return self.segments, self.whole

    @property
    def fix(self) -> str:
        """What to do about a file that is not its JSON."""
        return f"give the official activity_net.v{self.version.replace('.', '-')} JSON"


RELEASES: Mapping[str, Release] = {
    DATASET: Release(
        dataset=DATASET,
        version="1.3",
        segments=SEGMENTS,
        whole=WHOLE_VIDEOS,
        num_classes=200,
    ),
    "activitynet100": Release(
        dataset="activitynet100",
        version="1.2",
        segments="anet12-segments-v1",
        whole="anet12-video",
        num_classes=100,
    ),
}
"""The releases by name of the data set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """One segment as the JSON lists it.

    Attributes:
        label: Official name of the class.
        start: Second at which it begins.
        end: Second at which it ends.
    """

    label: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The training and validation videos of a release of ActivityNet that have annotations.

    Attributes:
        release: The release.
        classes: Its classes.
        videos: The annotations of every video by its YouTube id, in the JSON's order.
        without: Ids of training and validation videos without any annotation.
        testing: Ids of the videos of the subset testing, which has no labels.
        sha256: SHA-256 of the file, in hex.
    """

    release: Release
    classes: ClassSet
    videos: Mapping[str, tuple[Annotation, ...]]
    without: tuple[str, ...]
    testing: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ActivityNetRows:
    """The rows of ActivityNet under one video rule.

    Attributes:
        rule: Such as ``anet13-segments-v1`` or ``anet13-video``.
        classes: The classes.
        rows: Every row by its id; ``path`` is the id, as no folder has been looked at.
        overlapping: Ids of the segments that share time with a segment of another label in their
            video.
        left_out: For each row that has no place under the rule, by id, why.
        sha256: SHA-256 of the JSON file, in hex.
    """

    rule: str
    classes: ClassSet
    rows: Mapping[str, Video]
    overlapping: frozenset[str]
    left_out: Mapping[str, str]
    sha256: str

    def counts(self) -> dict[str, int]:
        """Return how many rows each of the classes has, zeros included."""
        found = Counter(row.label for row in self.rows.values())
        return {name: found[name] for name in self.classes.names}

    def notes(self) -> tuple[str, ...]:
        """Return a sentence about overlapping segments, and one about rows left out, if any."""
        notes = []
        if self.overlapping:
            notes.append(
                f"segments that overlap with one of another label: {len(self.overlapping):,}; each "
                "counts as right for its own label only"
            )
        for why, count in Counter(self.left_out.values()).items():
            ids = [video for video, reason in self.left_out.items() if reason == why]
            notes.append(f"left out, {why}: {count:,} ({listing(ids, limit=3)})")
        return tuple(notes)


def find_rule(name: str, dataset: str = DATASET) -> str:
    """Return the video rule that a name stands for.

    Args:
        name: A rule of the release, in any case; without its ``-v1``; or ``segments`` or ``video``.
        dataset: ``activitynet200`` for release 1.3, ``activitynet100`` for 1.2.

    Raises:
        DatasetError: There is no such rule.
    """
    release = RELEASES[dataset]
    spellings = {rule: rule for rule in release.rules}
    spellings |= {release.segments.removesuffix("-v1"): release.segments}
    spellings |= {"segments": release.segments, "video": release.whole}
    rule = spellings.get(name.casefold())
    if rule is None:
        raise DatasetError(
            f"test list {printable(name)!r} of {dataset}",
            found="neither of its two video rules",
            fix=near_matches(name, release.rules),
        )
    return rule


def read_annotations(path: Path | str, dataset: str = DATASET) -> Annotations:
    """Read the official JSON of a release of ActivityNet.

    Args:
        path: The file; ``~`` is understood.
        dataset: ``activitynet200`` for release 1.3, ``activitynet100`` for 1.2. The classes of 1.2
            are those of its labels, with the words of 1.3.

    Returns:
        The videos of the subsets training and validation; testing has no labels.

    Raises:
        DatasetError: It is not that file, of another version, or has a label that is no class.
    """
    path, release = Path(path).expanduser(), RELEASES[dataset]
    asked = f"annotations {printable(str(path))}"
    database = _database(path, asked, release)
    videos: dict[str, tuple[Annotation, ...]] = {}
    without: list[str] = []
    testing: list[str] = []
    for video, entry in database.items():
        subset = entry.get("subset") if isinstance(entry, dict) else None
        if not isinstance(subset, str):
            raise DatasetError(asked, found=f"video {video!r} without a subset", fix=release.fix)
        if subset.casefold() not in (*_SUBSETS, _TESTING):
            found = f"video {video!r} of the subset {subset!r}"
            raise DatasetError(asked, found=found, fix=release.fix)
        if subset.casefold() == _TESTING:
            testing.append(video)
        elif listed := tuple(_annotations(asked, video, entry.get("annotations"), release)):
            videos[video] = listed
        else:
            without.append(video)
    if not videos:
        found = "no annotated training or validation video"
        raise DatasetError(asked, found=found, fix=release.fix)
    return Annotations(
        release=release,
        classes=_classes(asked, videos.values(), release),
        videos=videos,
        without=tuple(without),
        testing=tuple(testing),
        sha256=sha256_file(path),
    )


def _database(path: Path, asked: str, release: Release) -> dict[str, Any]:
    try:
        content = read_json(path, what="annotations")
    except ResultError as error:
        raise DatasetError(asked, found=error.found, fix=release.fix) from error
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict) or not database:
        raise DatasetError(asked, found="no 'database' of videos", fix=release.fix)
    version = str(content.get("version", release.version))
    if release.version not in version:
        other = next((r for r in RELEASES.values() if r.version in version), None)
        fix = f"{release.fix}, {release.version}" + (
            f", or ask for {other.dataset}" if other else ""
        )
        raise DatasetError(asked, found=f"the version {version!r}", fix=fix)
    return database


def _classes(asked: str, listed: Iterable[tuple[Annotation, ...]], release: Release) -> ClassSet:
    """Return the classes: all of 1.3, or those that the labels of another release name."""
    classes = load_class_set(DATASET)
    if release.dataset == DATASET:
        return classes
    used = {annotation.label for annotations in listed for annotation in annotations}
    if len(used) != release.num_classes:
        raise DatasetError(
            asked,
            found=f"labels of {len(used)} classes, not of {release.num_classes}",
            fix=f"{release.fix}, whole",
        )
    named = classes.select(name for name in classes.names if name in used)
    source = f"ActivityNet {release.version}, the labels of its JSON"
    return replace(named, dataset=release.dataset, source=source)


def _annotations(asked: str, video: str, entries: object, release: Release) -> Iterator[Annotation]:
    if not isinstance(entries, list):
        raise DatasetError(asked, found=f"video {video!r} without annotations", fix=release.fix)
    classes = load_class_set(DATASET)
    for entry in entries:
        label, times = _fields(entry)
        if label is None or times is None:
            found = f"an annotation of {video!r} without label and segment"
            raise DatasetError(asked, found=found, fix=release.fix)
        name = classes.find(label)
        if name is None:
            raise DatasetError(
                asked,
                found=f"label {label!r} of video {video!r}, which is no class of {release.dataset}",
                fix=near_matches(label, classes.names),
            )
        yield Annotation(label=name, start=times[0], end=times[1])


def _fields(entry: Any) -> tuple[str | None, tuple[float, float] | None]:  # noqa: ANN401
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        return None, None
    times = entry.get("segment")
    if not isinstance(times, list) or len(times) != 2:
        return entry["label"], None
    if not all(isinstance(time, int | float) and math.isfinite(time) for time in times):
        return entry["label"], None
    return entry["label"], (float(times[0]), float(times[1]))


def official_rows(annotations: Annotations, rule: str) -> ActivityNetRows:
    """Return the rows of ActivityNet under a video rule.

    ``anet13-segments-v1`` (1.2: ``anet12-segments-v1``): one row an annotation. Its id is ``v_``,
    the YouTube id and the annotation's place in the JSON's list for that video, counted from 0 in
    three digits, such as ``v_QOlSCBRmfWY_000``. Segments without any time between start and end are
    left out; the others keep their number.

    ``anet13-video`` (``anet12-video``): one row a video, ``v_QOlSCBRmfWY``. A video whose
    annotations have more than one label is left out, since no source says which of them would be
    right.

    The group is the YouTube id under both rules, the same that Kinetics-style names give.

    Args:
        annotations: From :func:`read_annotations`.
        rule: A video rule of the annotations' release, or an alias.

    Raises:
        DatasetError: There is no such rule, or no row is left.
    """
    release = annotations.release
    rule = find_rule(rule, release.dataset)
    by_rule = _whole_rows if rule == release.whole else _segment_rows
    rows, left_out = by_rule(annotations)
    left_out |= {row_id(video): "no annotation" for video in annotations.without}
    if not rows:
        asked = f"rows of {release.dataset} ({rule})"
        raise DatasetError(asked, found="none", fix=release.fix)
    overlapping = () if rule == release.whole else _overlapping(annotations, rows)
    return ActivityNetRows(
        rule=rule,
        classes=annotations.classes,
        rows=rows,
        overlapping=frozenset(overlapping),
        left_out=left_out,
        sha256=annotations.sha256,
    )


def _whole_rows(annotations: Annotations) -> tuple[dict[str, Video], dict[str, str]]:
    rows, left_out = {}, {}
    for video, listed in annotations.videos.items():
        labels = {annotation.label for annotation in listed}
        if len(labels) > 1:
            left_out[row_id(video)] = "several labels"
        else:
            rows[row_id(video)] = _row(video, labels.pop())
    return rows, left_out


def _segment_rows(annotations: Annotations) -> tuple[dict[str, Video], dict[str, str]]:
    rows, left_out = {}, {}
    for video, listed in annotations.videos.items():
        for ordinal, annotation in enumerate(listed):
            name = row_id(video, ordinal)
            if 0 <= annotation.start < annotation.end:
                rows[name] = _row(video, annotation.label, ordinal, annotation)
            else:
                left_out[name] = "no times with 0 <= start < end"
    return rows, left_out


def _overlapping(annotations: Annotations, rows: Mapping[str, Video]) -> Iterator[str]:
    for video, listed in annotations.videos.items():
        for ordinal, annotation in enumerate(listed):
            name = row_id(video, ordinal)
            if name in rows and any(_overlap(annotation, other) for other in listed):
                yield name


def row_id(video: str, ordinal: int | None = None) -> str:
    """Return the id of a whole video's row, or of the segment at a place of its list.

    Example:
        >>> row_id("QOlSCBRmfWY", 0)
        'v_QOlSCBRmfWY_000'
    """
    return f"v_{video}" if ordinal is None else f"v_{video}_{ordinal:03d}"


def _row(
    video: str, label: str, ordinal: int | None = None, times: Annotation | None = None
) -> Video:
    name = row_id(video, ordinal)
    return Video(
        id=name,
        label=label,
        path=name,
        group=video,
        start=None if times is None else times.start,
        end=None if times is None else times.end,
    )


def _overlap(one: Annotation, other: Annotation) -> bool:
    """Return whether two annotations of different labels share some time."""
    return one.label != other.label and max(one.start, other.start) < min(one.end, other.end)
