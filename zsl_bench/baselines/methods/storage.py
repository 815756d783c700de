"""Saved methods: a folder with arrays as safetensors and settings as JSON; nothing is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.catalogue import known_methods, load_method
from zsl_bench.errors import WeightsError
from zsl_bench.files import atomic_write, read_json, sha256_bytes, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.baselines.methods.base import FittedMethod

ARRAYS, SETTINGS = "arrays.safetensors", "method.json"
_FORMAT = 1


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
    name = about["method"].partition("+")[0]
    if name not in known_methods():
        raise WeightsError(
            asked,
            found=f"the method {name!r}, which is not installed",
            fix="install the package that brings it; a file names no code to run",
        )
    try:
        content = (folder / ARRAYS).read_bytes()
    except OSError as error:
        raise WeightsError(
            asked, found=f"{ARRAYS}: {error.strerror}", fix="keep both files together"
        ) from error
    if sha256_bytes(content) != about["arrays_sha256"]:
        raise WeightsError(asked, found="arrays of another method", fix="fit it again")
    try:
        arrays = load(content)
        return load_method(name).restored(arrays, about["settings"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(asked, found=f"damaged arrays ({error})", fix="fit it again") from error


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
