"""Folders with the official names and files of one byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zsl_bench.datasets import official_list

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes files of one byte below a folder."""

    def make(*paths: str, root: Path = tmp_path / "videos", content: bytes = b"x") -> Path:
        for path in paths:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return root

    return make


@pytest.fixture(scope="session")
def full_trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """UCF101 and HMDB51 at full size, in class folders."""
    trees = {}
    for dataset in ("ucf101", "hmdb51"):
        root = tmp_path_factory.mktemp(dataset)
        videos = official_list(dataset).videos.values()
        for label in {video.label for video in videos}:
            (root / label).mkdir()
        for video in videos:
            (root / video.label / f"{video.id}.avi").write_bytes(b"x")
        trees[dataset] = root
    return trees
