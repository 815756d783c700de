"""Small features of real video names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDS = ("v_Archery_g01_c01", "v_Biking_g02_c03", "v_YoYo_g25_c01", "v_Archery_g02_c01")
LABELS = ("Archery", "Biking", "YoYo", "Archery")


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Four videos of UCF101 and its 101 class vectors, of five numbers each."""
    rng = np.random.default_rng(4)
    return {
        "video_ids": np.array(IDS),
        "labels": np.array(LABELS),
        "video_vectors": rng.standard_normal((4, 5)).astype(np.float32),
        "class_vectors": rng.standard_normal((101, 5)).astype(np.float32),
        "classes": np.array(load_class_set("ucf101").names),
    }


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an npz file."""

    def write(arrays: dict[str, Any], name: str = "features.npz") -> Path:
        path = tmp_path / name
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return path

    return write


@pytest.fixture
def full(npz: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes vectors of whole data sets."""

    def write(dataset: str, ids: list[str] | None = None, **more: Any) -> Path:
        ids = ids if ids is not None else list(official_list(dataset).videos)
        vectors = np.arange(2 * len(ids), dtype=np.float32).reshape(-1, 2) + 1
        return npz({"video_ids": np.array(ids), "video_vectors": vectors, **more})

    return write


@pytest.fixture
def anet_json(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes annotations in the official JSON's form, by hand.

    No copy of the official file is at hand: the names and nesting are its own, the videos made up.
    """

    def video(subset: str, *annotations: tuple[str, float, float]) -> dict[str, Any]:
        return {
            "duration": 120.5,
            "subset": subset,
            "resolution": "320x240",
            "url": "https://www.youtube.com/watch?v=made-up",
            "annotations": [
                {"label": label, "segment": [start, end]} for label, start, end in annotations
            ],
        }

    def write(name: str = "anet.json", **changes: Any) -> Path:
        database = {
            "aaaaaaaaaa1": video("training", ("Archery", 1.25, 20.5), ("Archery", 30.0, 41.75)),
            "v_bbbbbbbb2": video("validation", ("Long jump", 0.0, 10.0)),
            "cc_cc-ccc_3": video(
                "training", ("Long jump", 5, 25.04), ("High jump", 20, 60), ("Long jump", 70, 80)
            ),
            "dddddddddd4": video("validation", ("Futsal", 3.0, 3.0), ("Futsal", 7.7, 9.9)),
            "eeeeeeeeee5": video("testing"),
            "ffffffffff6": video("training"),
        }
        content = {"database": database, "taxonomy": [], "version": "VERSION 1.3", **changes}
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write
