"""The videos that UCF101 and HMDB51 are known to have, and the official lists of their splits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zsl_bench.files import read_asset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL = "all"
LISTED = ("ucf101", "hmdb51")
"""The data sets whose official videos and lists come with the package."""
_SPLITS = (1, 2, 3)
_USES = ("unused", "train", "test")
_HMDB_CLIP = re.compile(
    r"(?P<body>[fhlu])(?P<camera>[cn])(?P<people>\d+)(?P<view>[bflr])(?P<quality>[bgm])"
    r"(?P<clip>\d+)-(?P<uses>[012]{3})"
)
_HMDB_VIEWS = {"b": "ba", "f": "fr", "l": "le", "r": "ri"}
_HMDB_QUALITIES = {"b": "bad", "g": "goo", "m": "med"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialVideo:
    """One video as the data set's authors list it.

    Attributes:
        id: The file's name without its extension.
        label: Official name of the class.
        group: The source that the clip was cut from, within its class.
        uses: For splits 1, 2 and 3 one of ``unused``, ``train`` and ``test``.
    """

    id: str
    label: str
    group: str
    uses: tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class OfficialList:
    """A data set's videos and the named lists that its authors publish.

    Attributes:
        dataset: Name of the data set.
        videos: Every video by its id.
        splits: The ids of every list by the list's name; ``all`` comes first.
        aliases: Other names of lists.
    """

    dataset: str
    videos: Mapping[str, OfficialVideo]
    splits: Mapping[str, frozenset[str]]
    aliases: Mapping[str, str]

    def name_of(self, ids: frozenset[str]) -> str | None:
        """Return the name of the list that has exactly these videos, or None."""
        return next((name for name, listed in self.splits.items() if listed == ids), None)

    def find(self, name: str) -> str | None:
        """Return the name of a list by its name or alias in any case, or None."""
        folded = name.casefold()
        folded = self.aliases.get(folded, folded)
        return folded if folded in self.splits else None

    def counts(self, ids: frozenset[str], names: tuple[str, ...]) -> dict[str, int]:
        """Return how many of the videos each class has, zeros included."""
        counts = dict.fromkeys(names, 0)
        for video in ids:
            counts[self.videos[video].label] += 1
        return counts


@lru_cache(maxsize=2)
def official_list(dataset: str) -> OfficialList:
    """Return the official videos and lists of ``ucf101`` or ``hmdb51``.

    Example:
        >>> len(official_list("hmdb51").splits["split1-test"])
        1530
    """
    table = read_asset("videos", f"{dataset}.json")
    if dataset == "ucf101":
        return _ucf101(table)
    return _hmdb51(table)


def _ucf101(table: dict[str, Any]) -> OfficialList:
    videos = {video.id: video for video in _ucf101_videos(table)}
    return OfficialList(
        dataset="ucf101",
        videos=videos,
        splits={ALL: frozenset(videos)}
        | {f"testlist{n:02d}": _used(videos, n, "test") for n in _SPLITS}
        | {f"trainlist{n:02d}": _used(videos, n, "train") for n in _SPLITS},
        aliases={f"split{n}": f"testlist{n:02d}" for n in _SPLITS},
    )


def _ucf101_videos(table: dict[str, Any]) -> Iterator[OfficialVideo]:
    spans = [tuple(map(int, span.split("-"))) for span in table["test_groups"].values()]
    for label, counts in table["clips"].items():
        prefix = table["prefixes"].get(label, label)
        for group, count in enumerate(map(int, counts), start=1):
            first, second, third = (
                "test" if low <= group <= high else "train" for low, high in spans
            )
            for clip in range(1, count + 1):
                yield OfficialVideo(
                    id=f"v_{prefix}_g{group:02d}_c{clip:02d}",
                    label=label,
                    group=f"{label}_g{group:02d}",
                    uses=(first, second, third),
                )


def _hmdb51(table: dict[str, Any]) -> OfficialList:
    videos = {video.id: video for video in _hmdb51_videos(table)}
    tests = {n: _used(videos, n, "test") for n in _SPLITS}
    trains = {n: _used(videos, n, "train") for n in _SPLITS}
    return OfficialList(
        dataset="hmdb51",
        videos=videos,
        splits={ALL: frozenset(videos)}
        | {f"split{n}-test": tests[n] for n in _SPLITS}
        | {f"split{n}-train": trains[n] for n in _SPLITS}
        | {f"split{n}-train+test": trains[n] | tests[n] for n in _SPLITS},
        aliases={f"split{n}": f"split{n}-test" for n in _SPLITS},
    )


def _hmdb51_videos(table: dict[str, Any]) -> Iterator[OfficialVideo]:
    for label, sources in table["videos"].items():
        for source, codes in sources.items():
            for clip in _HMDB_CLIP.finditer(codes):
                first, second, third = (_USES[int(digit)] for digit in clip["uses"])
                tail = (
                    f"{clip['body']}_{clip['camera']}m_np{clip['people']}_"
                    f"{_HMDB_VIEWS[clip['view']]}_{_HMDB_QUALITIES[clip['quality']]}_{clip['clip']}"
                )
                yield OfficialVideo(
                    id=f"{source}_{label}_{tail}",
                    label=label,
                    group=f"{label}/{source}",
                    uses=(first, second, third),
                )


def _used(videos: Mapping[str, OfficialVideo], split: int, use: str) -> frozenset[str]:
    return frozenset(i for i, video in videos.items() if video.uses[split - 1] == use)
