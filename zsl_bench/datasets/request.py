"""What a reader of a data set is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DatasetRequest:
    """A data set, where it lies, and which of its videos are wanted.

    Attributes:
        dataset: Name of the data set, such as ``kinetics700``.
        asked: The name as the user spelt it, such as ``Kinetics-700-2020``.
        root: The folder.
        test_list: Which videos: None for all, the name of a list, or a list file.
        annotations: The file of annotations, None where the reader looks for it or needs none.
    """

    dataset: str
    asked: str
    root: Path
    test_list: str | Path | None = None
    annotations: Path | None = None
