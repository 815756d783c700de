"""Which official video a spelling stands for."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zsl_bench.classes import fold
from zsl_bench.datasets import official_list
from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zsl_bench.datasets import OfficialList

_LIST_NUMBER = re.compile(r"[\s,;]+\d+\s*$")
_MOST_NUMBERS = 3
_SHELL_ESCAPE = re.compile(r"\\(?=[^\w/\\])")
_NOT_PLAIN = re.compile(r"[^0-9A-Za-z]")
_CLIP = re.compile(r"[_#@.-]?(?:clip|view|crop|seg|segment)?[_#-]?\d+$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Identified:
    """What came of matching ids.

    Attributes:
        found: The official id of each row that has one, by the row's position.
        unmatched: The rows that have none.
        respelt: How many of the found were not spelt as official ids, apart from folders and
            extension.
    """

    found: dict[int, str]
    unmatched: tuple[int, ...]
    respelt: int = 0


def stem_of(spelling: str) -> str:
    """Return the last part of a path up to its first dot.

    No official id of UCF101 and HMDB51 has a dot or a slash.

    Example:
        >>> stem_of("UCF-101/Archery/v_Archery_g01_c01.avi")
        'v_Archery_g01_c01'
    """
    return spelling.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(".")[0].strip()


def folder_of(spelling: str) -> str:
    """Return the folder that a path's last part lies in, or an empty text."""
    return spelling.replace("\\", "/").rstrip("/").rpartition("/")[0].rpartition("/")[2].strip()


def identify(ids: Sequence[str], dataset: str, *, asked: str) -> Identified:
    """Match spellings of video names to the official ids of UCF101 or HMDB51.

    A spelling is matched by the strictest rule that finds it: as it is without folders and
    extension; without case, or with special characters as underscores; both; by its letters and
    digits alone. At each but the first it may also be a line of a list with numbers at the end,
    percent-encoded, HTML-encoded or escaped as for a shell.

    Args:
        ids: The spellings.
        dataset: ``ucf101`` or ``hmdb51``.
        asked: The beginning of a message about the file.

    Raises:
        DatasetError: A spelling fits several videos, or several spellings are one video.
    """
    index = _index(dataset)
    found = {row: stem for row, text in enumerate(ids) if (stem := stem_of(text)) in index.videos}
    exact = frozenset(found.values())
    unmatched = []
    respelt = 0
    for row, text in enumerate(ids):
        if row in found:
            continue
        hits = index.search(text)
        if len(hits) > 1:
            hits = [hit for hit in hits if hit not in exact] or hits
        if len(hits) > 1:
            raise DatasetError(
                asked,
                found=f"the id {text!r}, which could be {' or '.join(hits)}",
                fix="give the official name",
            )
        if hits:
            found[row], respelt = hits[0], respelt + 1
        else:
            unmatched.append(row)
    check_single(ids, found, asked=asked)
    return Identified(found=found, unmatched=tuple(unmatched), respelt=respelt)


def check_single(ids: Sequence[str], found: dict[int, str], *, asked: str) -> None:
    """Check that no two rows are one video.

    Raises:
        DatasetError: Some are; they are named.
    """
    if len(set(found.values())) == len(found):
        return
    spellings: dict[str, list[str]] = defaultdict(list)
    for row, video in found.items():
        spellings[video].append(ids[row])
    twice = [" and ".join(map(repr, texts)) for texts in spellings.values() if len(texts) > 1]
    raise DatasetError(
        asked,
        found=f"several rows of one video ({len(twice):,} videos): {listing(twice, limit=2)}",
        fix="keep one row a video",
    )


def clip_hint(ids: Sequence[str], dataset: str) -> str | None:
    """Return advice where ids look like a video's name and the number of a clip, or None."""
    index = _index(dataset)
    for text in ids[:100]:
        short = _CLIP.sub("", stem_of(text))
        if short != stem_of(text) and len(index.search(short)) == 1:
            return (
                f"{text!r} looks like a clip of {index.search(short)[0]}: give each clip the name "
                "of its video and --pooling mean, or average the clips"
            )
    return None


def hits_of(ids: Sequence[str], dataset: str) -> int:
    """Return how many spellings stand for some video of UCF101 or HMDB51."""
    index = _index(dataset)
    return sum(1 for text in ids if stem_of(text) in index.videos or index.search(text))


@lru_cache(maxsize=2)
def _index(dataset: str) -> _Index:
    return _Index(official_list(dataset))


class _Index:
    """The official ids of a data set by ever looser spellings.

    Args:
        official: The list.
    """

    def __init__(self, official: OfficialList) -> None:
        self.videos = official.videos
        self._levels = tuple(
            tuple((key, _by_key(official, key)) for key in keys)
            for keys in ((str.casefold, _underscored), (_underscored_folded,), (fold,))
        )

    def search(self, text: str) -> list[str]:
        """Return the ids that fit a text at the strictest level at which any does."""
        stems = list(dict.fromkeys(_stems(text)))
        stems += [f"v_{stem}" for stem in stems]
        for level in self._levels:
            hits = {hit: None for key, ids in level for stem in stems for hit in ids[key(stem)]}
            if hits:
                return list(hits)
        return []


def _by_key(official: OfficialList, key: Callable[[str], str]) -> _Ids:
    ids = _Ids()
    for video in official.videos:
        ids.setdefault(key(video), []).append(video)
    return ids


class _Ids(dict[str, list[str]]):
    def __missing__(self, key: str) -> list[str]:
        return []


def _underscored(text: str) -> str:
    return _NOT_PLAIN.sub("_", text)


def _underscored_folded(text: str) -> str:
    return _underscored(text).casefold()


def _stems(text: str) -> Iterator[str]:
    """Yield what a spelling may say the video's name is."""
    spellings = [text]
    for _ in range(_MOST_NUMBERS):
        spellings.append(_LIST_NUMBER.sub("", spellings[-1]))
    for spelling in dict.fromkeys(spellings):
        yield stem_of(spelling)
        if "%" in spelling:
            yield stem_of(unquote(spelling))
        if "&" in spelling and ";" in spelling:
            yield stem_of(html.unescape(spelling))
            yield stem_of(unquote(html.unescape(spelling)))
        if "\\" in spelling:
            yield stem_of(_SHELL_ESCAPE.sub("", spelling))
