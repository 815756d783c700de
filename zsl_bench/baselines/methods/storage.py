"""Saved methods: a folder with arrays as safetensors and settings as JSON; nothing is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.catalogue import installed_method
from zsl_bench.baselines.methods.fair_filter import FAIR_FILTER, FairFitted
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.files import atomic_write, read_json, sha256_bytes, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.base import FittedMethod

ARRAYS, SETTINGS = "arrays.safetensors", "method.json"
_FORMAT = 1
_DAMAGED = (TypeError, ValueError, OverflowError)


def save_method(fitted: FittedMethod, folder: Path) -> Path:
    """Write a fitted method into a folder and return it.

    Raises:
        ResultError: The folder cannot be written.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in fitted.arrays().items()}
    content = save(arrays)
    with atomic_write(folder / ARRAYS) as stream:
        stream.write(content)
    write_json(
        folder / SETTINGS,
        {
            "format": _FORMAT,
            "method": fitted.spec.name,
            "settings": fitted.settings(),
            "arrays_sha256": sha256_bytes(content),
        },
    )
    return folder


def load_fitted(folder: Path) -> FittedMethod:
    """Read a fitted method.

    Raises:
        WeightsError: A file is damaged, or belongs to another one.
        ModelError: There is no method of that name.
        ResultError: A file is missing.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    asked = f"fitted method {folder}"
    about = _settings(folder, asked)
    restored = _restorer(about["method"], asked)
    try:
        content = (folder / ARRAYS).read_bytes()
    except OSError as error:
        raise WeightsError(
            asked, found=f"{ARRAYS}: {error.strerror}", fix="keep both files together"
        ) from error
    if sha256_bytes(content) != about["arrays_sha256"]:
        raise WeightsError(asked, found="arrays of another method", fix="fit it again")
    try:
        arrays = _finite(load(content))
        return restored(arrays, about["settings"])
    except (SafetensorError, LookupError, AttributeError, *_DAMAGED) as error:
        raise WeightsError(asked, found=f"damaged arrays ({error})", fix="fit it again") from error


def _finite(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name}, which is not finite")
    return arrays


def _restorer(name: str, asked: str) -> Callable[..., FittedMethod]:
    if name.partition("+")[0] == FAIR_FILTER:
        return FairFitted.restored
    try:
        return installed_method(name).restored
    except ModelError as error:
        raise WeightsError(asked, found=f"{error.asked}, {error.found}", fix=error.fix) from error


def _settings(folder: Path, asked: str) -> dict[str, Any]:
    about = read_json(folder / SETTINGS, what="fitted method")
    kinds = {"method": str, "settings": dict, "arrays_sha256": str, "format": int}
    if not isinstance(about, dict) or not all(
        isinstance(about.get(name), kind) for name, kind in kinds.items()
    ):
        raise WeightsError(asked, found=f"an incomplete {SETTINGS}", fix="fit it again")
    if about["format"] != _FORMAT:
        raise WeightsError(asked, found=f"format {about['format']}", fix="update zsl-bench")
    return about
