"""Which row of ActivityNet a spelling stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.datasets.activitynet import (
    SEGMENTS,
    WHOLE_VIDEOS,
    official_rows,
    row_id,
)
from zsl_bench.datasets.scan import VIDEO_SUFFIXES
from zsl_bench.errors import DatasetError
from zsl_bench.features.spelling import Identified, check_single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.datasets.activitynet import ActivityNetRows, Annotation, Annotations

_SUFFIXES = VIDEO_SUFFIXES | {".npy", ".npz", ".pt", ".pth"}
_NUMBER = r"\d+(?:\.\d+)?"
_TIMES = re.compile(rf"(?P<video>.+?)[_@#:-](?P<start>{_NUMBER})[_-](?P<end>{_NUMBER})")
_ORDINAL = re.compile(r"(?P<video>.+)[_@#:-](?P<ordinal>\d{1,4})")


class _Reading(NamedTuple):
    """What a spelling says: a video, and an ordinal or times where it is one of its segments."""

    video: str
    ordinal: str | None = None
    times: tuple[str, str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole video."""
        return self.ordinal is None and self.times is None


@dataclass(frozen=True, kw_only=True)
class IdentifiedRows:
    """ActivityNet rows, and which of them each row of a features file is.

    Attributes:
        rows: The rows under the rule that the ids are spelt for.
        identified: The matches.
        notes: What a person should know, one sentence each.
    """

    rows: ActivityNetRows
    identified: Identified
    notes: tuple[str, ...] = ()


def identify_segments(
    ids: Sequence[str],
    labels: Sequence[object] | None,
    annotations: Annotations,
    *,
    rule: str | None,
    asked: str,
) -> IdentifiedRows:
    """Match spellings to segments or whole videos of ActivityNet.

    Known are ``ID`` and ``v_ID`` for a whole video; with an ordinal (``v_ID_000``, ``ID_1``) or
    with start and end in seconds (``v_ID_12.5_30``, ``ID_000012_000030``) for a segment; each in
    folders and with an extension. Ordinals count from 0, or from 1 where the file has each video's
    last number and no 0. Times fit within their own rounding.

    Args:
        ids: The spellings.
        labels: For each its class by official name, where known; it tells segments of equal times
            apart.
        annotations: The official segments.
        rule: The video rule, or None to tell by the spellings.
        asked: The beginning of a message about the file.

    Raises:
        DatasetError: Whole videos and segments are mixed or not what the rule wants, a spelling
            fits several rows, or several spellings fit one.
    """
    read = {row: _read(text, annotations) for row, text in enumerate(ids)}
    readings = {row: reading for row, reading in read.items() if reading is not None}
    rule = _rule_of(ids, readings, rule, asked)
    rows = official_rows(annotations, rule)
    base, notes = _ordinal_base(readings, annotations, asked) if rule == SEGMENTS else (0, ())
    found: dict[int, str] = {}
    for row, reading in readings.items():
        hits = _hits(reading, None if labels is None else labels[row], annotations, rows, base)
        if len(hits) > 1:
            raise DatasetError(
                asked,
                found=f"the id {ids[row]!r}, which could be {' or '.join(hits)}",
                fix="add labels, or give the ids as in this message",
            )
        if hits:
            found[row] = hits[0]
    check_single(ids, found, asked=asked)
    unmatched = tuple(row for row in range(len(ids)) if row not in found)
    identified = Identified(found=found, unmatched=unmatched)
    return IdentifiedRows(rows=rows, identified=identified, notes=notes)


def _hits(
    reading: _Reading,
    label: object,
    annotations: Annotations,
    rows: ActivityNetRows,
    base: int,
) -> list[str]:
    """Return the ids of the rows that a reading fits, by its label too where it has one."""
    ordinals = _ordinals(reading, annotations.videos[reading.video], base)
    names = [row_id(reading.video, ordinal) for ordinal in ordinals]
    hits = [name for name in names if name in rows.rows]
    if len(hits) > 1 and label is not None:
        hits = [name for name in hits if rows.rows[name].label == label]
    return hits


def _read(text: str, annotations: Annotations) -> _Reading | None:
    stem = text.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    head, dot, tail = stem.rpartition(".")
    if dot and f".{tail.casefold()}" in _SUFFIXES:
        stem = head
    whole = _video(stem, annotations)
    if whole is not None:
        return _Reading(whole)
    times = _TIMES.fullmatch(stem)
    if times is not None:
        video = _video(times["video"], annotations)
        if video is not None:
            return _Reading(video, times=(times["start"], times["end"]))
    ordinal = _ORDINAL.fullmatch(stem)
    video = None if ordinal is None else _video(ordinal["video"], annotations)
    return None if ordinal is None or video is None else _Reading(video, ordinal["ordinal"])


def _video(text: str, annotations: Annotations) -> str | None:
    bare = text.removeprefix("v_")
    return next((name for name in (bare, text) if name in annotations.videos), None)


def _rule_of(
    ids: Sequence[str], readings: dict[int, _Reading], rule: str | None, asked: str
) -> str:
    whole = [row for row, reading in readings.items() if reading.is_whole]
    if not whole or len(whole) == len(readings):
        spelt = WHOLE_VIDEOS if whole else SEGMENTS
        if rule in (None, spelt) or not readings:
            return rule or spelt
        raise DatasetError(
            f"{asked} as {rule}",
            found=f"ids of {'whole videos' if whole else 'segments'}, such as "
            f"{ids[next(iter(readings))]!r}",
            fix=f"give --test-list {spelt}, or ids such as "
            + (row_id("QOlSCBRmfWY", 0) if whole else row_id("QOlSCBRmfWY")),
        )
    segment = next(row for row in readings if row not in set(whole))
    raise DatasetError(
        asked,
        found=f"ids of whole videos and of segments, such as {ids[whole[0]]!r}, {ids[segment]!r}",
        fix="keep one kind",
    )


def _ordinal_base(
    readings: dict[int, _Reading], annotations: Annotations, asked: str
) -> tuple[int, tuple[str, ...]]:
    """Return whether segments are counted from 0 or 1, and a note where it is 1."""
    numbered = [reading for reading in readings.values() if reading.ordinal is not None]
    numbers = [int(reading.ordinal or 0) for reading in numbered]
    from_zero = 0 in numbers
    from_one = any(
        number == len(annotations.videos[reading.video])
        for number, reading in zip(numbers, numbered, strict=True)
    )
    is_official = all(len(reading.ordinal or "") == 3 for reading in numbered)
    is_clear = from_zero != from_one or (is_official and not from_zero)
    if numbered and not is_clear:
        start = "from 0 and from 1" if from_zero else "so that they may count from 0 or from 1"
        raise DatasetError(
            asked,
            found=f"segments numbered {start}",
            fix=f"give ids such as {row_id('QOlSCBRmfWY', 0)}, counted from 0 in three digits",
        )
    if from_one:
        return 1, ("segments are counted from 1 in the features",)
    return 0, ()


def _ordinals(reading: _Reading, listed: Sequence[Annotation], base: int) -> Sequence[int | None]:
    """Return the places in a video's list that a reading may mean, None for the whole video."""
    if reading.ordinal is not None:
        return [int(reading.ordinal) - base]
    if reading.times is None:
        return [None]
    start, end = reading.times
    return [
        place
        for place, annotation in enumerate(listed)
        if _is_near(start, annotation.start) and _is_near(end, annotation.end)
    ]


def _is_near(text: str, seconds: float) -> bool:
    """Return whether a written time is a time rounded up, down or to the nearest."""
    return abs(float(text) - seconds) < 10.0 ** -len(text.partition(".")[2])
