"""Features in one file of named arrays: npz and safetensors."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from zsl_bench.errors import DatasetError, listing
from zsl_bench.features import roles
from zsl_bench.features.build import RawFeatures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DAMAGE = (
    *(OSError, EOFError, MemoryError, RuntimeError, SyntaxError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error, TokenError),
)
_TEXTS = (
    *(roles.IDS, roles.LABELS, roles.GROUPS, roles.CLASSES),
    *(roles.DISTRACTORS, roles.LAYOUT),
)
_TYPES = frozenset(("F16", "BF16", "F32", "F64", "I8", "U8", "I16", "U16", "I32", "U32", "I64"))


def read_npz(path: Path, asked: str) -> RawFeatures:
    """Read the arrays of an npz file. Pickles are refused, and so are damaged files.

    Raises:
        DatasetError: The file is no npz file, or an array that is wanted is pickled.
    """
    values = {}
    try:
        with path.open("rb") as stream:
            arrays = np.load(stream, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise DatasetError(
                    asked, found="one array, not an npz file", fix="give it the ending .npy"
                )
            chosen, unused = roles.roles_of(asked, arrays.files)
            for role, name in chosen.items():
                values[role] = _member(arrays, name, asked)
            arrays.close()
    except DAMAGE as error:
        raise _unreadable(asked, "npz file", error) from error
    return RawFeatures(asked=asked, values=values, unused=unused)


def _member(arrays: np.lib.npyio.NpzFile, name: str, asked: str) -> NDArray[Any]:
    try:
        return np.asarray(arrays[name])
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise pickled(asked, f"array {name!r}") from error


def pickled(asked: str, what: str) -> DatasetError:
    """Return the error about an array of Python objects, which could run code when read."""
    return DatasetError(
        asked,
        found=f"{what} holds pickled Python objects, which are never read",
        fix="write text as np.array(names, dtype=str) and numbers as float32",
    )


def _unreadable(asked: str, what: str, error: Exception) -> DatasetError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if "pickled" in reason:
        return pickled(asked, "the file")
    return DatasetError(
        asked, found=f"no whole {what} ({reason})", fix="check the path, or write the file again"
    )


def read_safetensors(path: Path, sidecar: Path | None, asked: str) -> RawFeatures:
    """Read the tensors of a safetensors file and the text that belongs to them.

    Text is a JSON list of strings under its name in the file's metadata, or a list under its name
    in a JSON file beside it. bfloat16 becomes float32, which is exact.

    Args:
        path: The file.
        sidecar: The JSON file, where there is one.
        asked: The beginning of a message about the file.

    Raises:
        DatasetError: The file is damaged, has a type of number that is not understood, or one name
            stands in two places.
    """
    try:
        with safe_open(path, framework="numpy") as tensors:
            texts = dict(tensors.metadata() or {})
            names = list(tensors.keys())
            types = {name: tensors.get_slice(name).get_dtype() for name in names}
            chosen, unused = roles.roles_of(asked, [*names, *_text_names(texts)])
            values = {
                role: _tensor(path, tensors, name, types[name], asked)
                for role, name in chosen.items()
                if name in types
            }
    except (OSError, SafetensorError) as error:
        raise _unreadable(asked, "safetensors file", error) from error
    for role, name in chosen.items():
        if name not in types:
            values[role] = _list_of(asked, name, texts[name])
    if sidecar is not None:
        values |= _from_json(sidecar, asked, set(values))
    return RawFeatures(asked=asked, values=values, unused=unused)


def _text_names(texts: dict[str, str]) -> list[str]:
    return [name for name in texts if roles.role_of(name) in _TEXTS]


def _tensor(path: Path, tensors: Any, name: str, kind: str, asked: str) -> NDArray[Any]:  # noqa: ANN401
    if kind not in _TYPES:
        raise DatasetError(
            asked,
            found=f"tensor {name!r} of type {kind}",
            fix="save it as float32, float16 or bfloat16",
        )
    if kind != "BF16":
        return np.asarray(tensors.get_tensor(name))
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        start, end = json.loads(stream.read(length))[name]["data_offsets"]
        stream.seek(8 + length + start)
        halves = np.frombuffer(stream.read(end - start), dtype="<u2")
    shape = tensors.get_slice(name).get_shape()
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)


def _list_of(asked: str, name: str, text: str) -> Any:  # noqa: ANN401
    """Return the list that a metadata entry holds as JSON, or a layout as it is."""
    if roles.role_of(name) == roles.LAYOUT:
        return np.array(text)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return _checked_list(asked, name, value)


def _checked_list(asked: str, name: str, value: object) -> Any:  # noqa: ANN401
    kinds = {type(entry) for entry in value} if isinstance(value, list) else set()
    if isinstance(value, list) and len(kinds) == 1 and kinds <= {str, int}:
        return value
    raise DatasetError(
        asked,
        found=f"{name!r} that is no JSON list of text",
        fix='write it as a list such as ["a.avi", "b.avi"], with json.dumps in metadata',
    )


def _from_json(path: Path, asked: str, present: set[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{asked}, with {path.name}",
            found=f"no valid JSON ({error})",
            fix="write it again, or take it away",
        ) from error
    if not isinstance(content, dict):
        raise DatasetError(
            f"{asked}, with {path.name}",
            found="JSON that is no object",
            fix='write {"video_ids": [...], "classes": [...]}',
        )
    chosen, _ = roles.roles_of(f"{asked}, with {path.name}", content)
    twice = [name for role, name in chosen.items() if role in present]
    if twice:
        raise DatasetError(
            asked,
            found=f"{listing(twice)} both in the file and in {path.name}",
            fix="keep one of them",
        )
    return {
        role: np.array(content[name])
        if role == roles.LAYOUT
        else _checked_list(asked, name, content[name])
        for role, name in chosen.items()
    }
