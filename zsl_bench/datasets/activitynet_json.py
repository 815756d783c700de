"""Finding the official JSON of ActivityNet beside its videos."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from zsl_bench.classes import fold
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, listing
from zsl_bench.files import sha256_file
from zsl_bench.videos import KIND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.datasets.activitynet import Release

_FOLDERS = frozenset(("anno", "annos", "annotation", "annotations", "json", "labels", "meta"))
_NAME = re.compile(r"(?:activitynet|anet)v?(?P<release>12|13)(?:min)?")
_HEAD = 4096


def find_json(root: Path, release: Release) -> Path | None:
    """Return the JSON of a release in a folder of videos or the one above, or None.

    It is looked for in the folder, in a folder of it such as ``annotations``, and then in the same
    places of the folder above, under names such as ``activity_net.v1-3.min.json``.

    Raises:
        DatasetError: One place has two such files that differ.
    """
    for folder in _places(root):
        found = sorted(path for path in _children(folder) if _is_json(path, release))
        if len(found) > 1 and len(set(map(_content, found))) > 1:
            raise DatasetError(
                f"annotations of {release.dataset} in {printable(str(folder))}",
                found=f"files that differ: {listing(printable(path.name) for path in found)}",
                fix="say which with --annotations",
            )
        if found:
            return found[0]
    return None


def _places(root: Path) -> Iterator[Path]:
    absolute = root.absolute()
    for folder in dict.fromkeys((absolute, absolute.parent)):
        yield folder
        yield from sorted(
            path for path in _children(folder) if path.name.casefold() in _FOLDERS and path.is_dir()
        )


def _children(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []


def _is_json(path: Path, release: Release) -> bool:
    match = _NAME.fullmatch(fold(path.stem)) if path.suffix.casefold() == ".json" else None
    if match is None or match["release"] != release.version.replace(".", ""):
        return False
    return path.is_file() and not _is_manifest(path)


def _is_manifest(path: Path) -> bool:
    """Return whether a file is a manifest of ours, which may be called like annotations."""
    with suppress(OSError), path.open("rb") as stream:
        return KIND.encode() in stream.read(_HEAD)
    return False


def _content(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return str(path)
