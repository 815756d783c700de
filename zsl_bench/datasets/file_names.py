"""What the name of a file tells: how it is compared, and the source that it was cut from."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from zsl_bench.datasets.scan import is_utf8, printable
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLIP_OF_VIDEO = re.compile(r"(?P<video>[\w-]{11})_\d{6}_\d{6}")


def composed(name: str) -> str:
    """Return a name with its accents composed, as most systems write them."""
    return unicodedata.normalize("NFC", name)


def group_of(stem: str) -> str:
    """Return the source of a clip: the video's id in a Kinetics-style name, else the name."""
    match = _CLIP_OF_VIDEO.fullmatch(stem.rpartition("/")[2])
    return match["video"] if match else stem


def check_names(asked: str, paths: Iterable[str]) -> None:
    """Check that paths are UTF-8.

    Raises:
        DatasetError: Some are not; how many, and one of them.
    """
    odd = [printable(path) for path in paths if not is_utf8(path)]
    if odd:
        raise DatasetError(
            asked,
            found=f"names that are not UTF-8 ({len(odd):,}), such as {odd[0]}",
            fix="rename them, for example with convmv",
        )
