"""Videos that a training and a test manifest have in common: by id, by source, by content.

Training and test videos should come from different sources (paper section 3.3).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.scan import VIDEO_SUFFIXES
from zsl_bench.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zsl_bench.videos import Manifest

MIN_NAME = 6
_NO_FILE = 0
_ID = r"([A-Za-z0-9_-]{11})"
_SOURCES = (
    re.compile(rf"{_ID}(?:_\d{{6}}_\d{{6}})?"),
    re.compile(rf"v_{_ID}(?:_\d{{3}})?"),
)
_SPAN = re.compile(r"@[^@/]*\Z")


@dataclass(frozen=True, kw_only=True)
class SharedVideo:
    """One id, source or content that both manifests have.

    Attributes:
        key: The id, the source, or the SHA-256 of the file.
        train: Ids of the training rows that have it.
        test: Ids of the test rows that have it.
    """

    key: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SharedVideos:
    """What a training and a test manifest have in common.

    Attributes:
        train: Data set and split of the training manifest.
        test: Data set and split of the test manifest.
        ids: Videos of equal id: the YouTube id where a name has one, else the file's stem.
        groups: Sources of equal name, beyond those whose videos have equal ids.
        contents: Files of equal bytes.
        not_compared: What could not be compared, a sentence each.
    """

    train: str
    test: str
    ids: tuple[SharedVideo, ...]
    groups: tuple[SharedVideo, ...]
    contents: tuple[SharedVideo, ...]
    not_compared: tuple[str, ...]

    @property
    def test_rows(self) -> tuple[str, ...]:
        """Ids of the test rows that share anything with the training manifest, sorted."""
        found = (*self.ids, *self.groups, *self.contents)
        return tuple(sorted({row for shared in found for row in shared.test}))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return {**asdict(self), "test_rows": list(self.test_rows)}


def shared_videos(train: Manifest, test: Manifest, *, content: bool) -> SharedVideos:
    """Compare the videos of two manifests.

    Rows that are listed and missing are compared by id. Of the files at hand only those are read
    whose size another file of the other manifest has.

    Args:
        train: The training videos.
        test: The test videos.
        content: Whether to compare files by SHA-256.
    """
    names = [_names(manifest) for manifest in (train, test)]
    sources = [_sources(manifest) for manifest in (train, test)]
    ids = _common(*(by_name for by_name, _ in names))
    known = {row for shared in ids for row in shared.test}
    plain = [
        f"{len(rows):,} {side} rows by id: their names are numbers or shorter than {MIN_NAME} "
        f"characters, such as {rows[0]}"
        for side, (_, rows) in zip(("training", "test"), names, strict=True)
        if rows
    ]
    contents: tuple[SharedVideo, ...] = ()
    if content:
        contents, not_at_hand = _contents(train, test)
        plain += not_at_hand
    else:
        plain.append("contents: not asked for")
    return SharedVideos(
        train=f"{train.dataset} ({train.split})",
        test=f"{test.dataset} ({test.split})",
        ids=ids,
        groups=tuple(g for g in _common(*sources) if not known.issuperset(g.test)),
        contents=contents,
        not_compared=tuple(plain),
    )


def source_id(name: str) -> str:
    """Return what a row's name says of its video.

    The YouTube id of ``ID_000010_000020`` (Kinetics), ``v_ID`` and ``v_ID_000`` (ActivityNet) and
    ``ID``, in its own case; else the file's stem, such as ``v_Archery_g01_c01``. Folders, a video's
    extension and a segment's times (``@1.5-7``) are left out.
    """
    path = PurePosixPath(_SPAN.sub("", name))
    stem = path.stem if path.suffix.casefold() in VIDEO_SUFFIXES else path.name
    matches = (pattern.fullmatch(stem) for pattern in _SOURCES)
    return next((match[1] for match in matches if match), stem)


def _names(manifest: Manifest) -> tuple[Mapping[str, list[str]], list[str]]:
    """Return rows by id, and the rows whose names are too plain to tell anything."""
    found: dict[str, list[str]] = defaultdict(list)
    plain = []
    for row in (*(video.id for video in manifest.videos), *manifest.missing):
        name = source_id(row)
        if len(name) < MIN_NAME or name.isdecimal():
            plain.append(row)
        else:
            found[name].append(row)
    return found, plain


def _sources(manifest: Manifest) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for video in manifest.videos:
        name = source_id(video.group)
        if len(name) >= MIN_NAME and not name.isdecimal():
            found[name].append(video.id)
    return found


def _common(
    train: Mapping[str, Iterable[str]], test: Mapping[str, Iterable[str]]
) -> tuple[SharedVideo, ...]:
    return tuple(
        SharedVideo(key=key, train=tuple(sorted(train[key])), test=tuple(sorted(test[key])))
        for key in sorted(train.keys() & test.keys())
    )


def _contents(train: Manifest, test: Manifest) -> tuple[tuple[SharedVideo, ...], list[str]]:
    sized = [_by_size(manifest) for manifest in (train, test)]
    sizes = sized[0].keys() & sized[1].keys() - {_NO_FILE}
    digests, notes = [], []
    for side, manifest, files in zip(("training", "test"), (train, test), sized, strict=True):
        rows, unread = _by_digest(files, sizes)
        digests.append(rows)
        lacking = [*(row for ids in files[_NO_FILE].values() for row in ids), *unread]
        lacking += manifest.missing
        if lacking:
            total = len(manifest.videos) + len(manifest.missing)
            notes.append(
                f"{len(lacking):,} of {total:,} {side} rows by content: no file that can be read, "
                f"such as {min(lacking)}"
            )
    return _common(*digests), notes


def _by_size(manifest: Manifest) -> dict[int, dict[Path, list[str]]]:
    """Return the ids of the rows of each file, by the file's size in bytes."""
    rows: dict[Path, list[str]] = defaultdict(list)
    for video in manifest.videos:
        rows[manifest.resolve(video)].append(video.id)
    sizes: dict[int, dict[Path, list[str]]] = {_NO_FILE: {}}
    for path, ids in rows.items():
        sizes.setdefault(_size(path), {})[path] = ids
    return sizes


def _by_digest(
    files: Mapping[int, Mapping[Path, list[str]]], sizes: Iterable[int]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the ids of the rows of each content, and those whose file cannot be read."""
    rows: dict[str, list[str]] = defaultdict(list)
    unread: list[str] = []
    for size in sizes:
        for path, ids in files[size].items():
            try:
                rows[sha256_file(path)] += ids
            except OSError:
                unread += ids
    return rows, unread


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else _NO_FILE
    except OSError:
        return _NO_FILE
