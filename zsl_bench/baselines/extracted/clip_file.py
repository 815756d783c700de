"""Files of clip features: one safetensors file with arrays, names and what the backbone has seen.

The arrays are ``features`` ``(N, T, D)``, ``lengths`` ``(N,)`` and ``labels`` ``(N,)``; everything
else is JSON in the file's metadata. Features are read through a memory map.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from zsl_bench.baselines.extracted.record import (
    BackboneRecord,
    classes_from_json,
    classes_to_json,
)
from zsl_bench.classes import ClassSet, class_set_from_names
from zsl_bench.errors import DatasetError, listing
from zsl_bench.files import atomic_write
from zsl_bench.verdict import Declared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KEY = "zsl_bench_clips"
FORMAT = 1
TYPES = ("float32", "float16")
_CODES = {"float32": "F32", "float16": "F16"}
_AGAIN = "extract the features again"


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFile:
    """Clip features of N videos of one data set, with their classes and their origin.

    Attributes:
        source: Name of the file.
        features: ``(N, T, D)`` float16 or float32, perhaps a memory map; what lies behind a
            video's length has no meaning.
        lengths: ``(N,)`` int64, clips of each video.
        labels: ``(N,)`` int64, positions among ``classes``.
        classes: The data set's classes.
        ids: For each video its id in the manifest.
        groups: For each video the source that it was cut from.
        backbone: The model that made the features; None where the file does not say.
        run: What the features depend on beside it: manifest, clip policy, decoder, precision.
        unreadable: Pairs of a video's id and the reason why it has no row.
        versions: Versions of the packages that computed them.
    """

    source: str
    features: NDArray[np.floating]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: ClassSet
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    backbone: BackboneRecord | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    unreadable: tuple[tuple[str, str], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that arrays, names and classes fit each other; features are not read."""
        shape = self.features.shape
        if len(shape) != 3 or 0 in shape or self.features.dtype.name not in TYPES:
            raise self._error(f"features of shape {shape} and type {self.features.dtype}")
        for what, values in (
            ("lengths", self.lengths), ("labels", self.labels), ("ids", self.ids),
            ("groups", self.groups),
        ):  # fmt: skip
            if len(values) != shape[0]:
                raise self._error(f"{len(values)} {what} for {shape[0]} videos")
        for what, numbers, least, most in (
            ("lengths", self.lengths, 1, shape[1]),
            ("labels", self.labels, 0, len(self.classes) - 1),
        ):  # fmt: skip
            if numbers.ndim != 1 or numbers.min() < least or numbers.max() > most:
                raise self._error(f"{what} that are not all from {least} to {most}")
        if len(set(self.ids)) < len(self.ids):
            raise self._error("a video id twice")

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.lengths)

    @property
    def declared(self) -> Declared:
        """What the backbone declares to have seen; undeclared where the file names none."""
        if self.backbone is None:
            return Declared()
        card = self.backbone.card
        return Declared(trained_on=card.trained_on, pretrained_on=card.pretrained_on)

    def rows_of(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of the videos of some classes, in the file's order."""
        wanted = np.array([self.classes.index(name) for name in names])
        rows: NDArray[np.intp] = np.flatnonzero(np.isin(self.labels, wanted))
        return rows

    def _error(self, found: str) -> DatasetError:
        return DatasetError(f"clip features {self.source}", found=found, fix=_AGAIN)


def write_clip_file(path: Path, content: ClipFile, rows: Iterable[NDArray[np.float32]]) -> None:
    """Write a file of clip features, a video at a time.

    Args:
        path: The file, which appears whole or not at all.
        content: Everything but the numbers: of its features only shape and type count.
        rows: For each video its ``(length, D)`` features; zeros are written behind them.

    Raises:
        ResultError: The file cannot be written.
        DatasetError: A row does not fit, is not finite in the type chosen, or one is lacking.
    """
    count, most, size = content.features.shape
    kind = content.features.dtype
    arrays = {"lengths": content.lengths, "labels": content.labels}
    with atomic_write(path) as stream:
        stream.write(_header(content, arrays))
        for array in arrays.values():
            stream.write(np.ascontiguousarray(array, dtype="<i8").tobytes())
        written = 0
        for row, length in zip(rows, content.lengths.tolist(), strict=False):
            block = np.zeros((most, size), dtype=kind)
            if row.shape != (length, size):
                raise _misfit(path, f"features of shape {row.shape} for {content.ids[written]}")
            with np.errstate(over="ignore"):
                block[:length] = row
            if not np.isfinite(block).all():
                raise DatasetError(
                    f"write clip features {path}",
                    found=f"numbers of {content.ids[written]} that {kind} cannot hold",
                    fix="write float32",
                )
            stream.write(block.astype(kind.newbyteorder("<"), copy=False).tobytes())
            written += 1
        if written != count:
            raise _misfit(path, f"features of {written} videos, not {count}")


def _misfit(path: Path, found: str) -> DatasetError:
    return DatasetError(f"write clip features {path}", found=found, fix=_AGAIN)


def _header(content: ClipFile, arrays: Mapping[str, NDArray[np.int64]]) -> bytes:
    kind, shape = content.features.dtype, content.features.shape
    entries: dict[str, Any] = {
        "__metadata__": {KEY: json.dumps(_about(content), ensure_ascii=False)}
    }
    end = 0
    for name, array in arrays.items():
        offsets = [end, end + 8 * len(array)]
        entries[name] = {"dtype": "I64", "shape": [len(array)], "data_offsets": offsets}
        end = offsets[1]
    entries["features"] = {
        "dtype": _CODES[kind.name],
        "shape": list(shape),
        "data_offsets": [end, end + math.prod(shape) * kind.itemsize],
    }
    text = json.dumps(entries, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _about(content: ClipFile) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "classes": classes_to_json(content.classes),
        "ids": list(content.ids),
        "groups": list(content.groups),
        "backbone": None if content.backbone is None else content.backbone.to_json(),
        "run": dict(content.run),
        "unreadable": [list(pair) for pair in content.unreadable],
        "versions": dict(content.versions),
    }


def read_clip_file(path: Path) -> ClipFile:
    """Read a file of clip features; the features stay on disk until they are used.

    A file of one's own needs the three arrays, and the JSON list ``classes`` of class names in its
    metadata. Without the record that ``zsl-bench extract`` writes, its backbone is unknown.

    Raises:
        DatasetError: The file is missing, damaged, or its parts do not fit each other.
    """
    asked = f"clip features {path}"
    try:
        with safe_open(path, framework="numpy") as tensors:
            texts = dict(tensors.metadata() or {})
            shape = tuple(tensors.get_slice("features").get_shape())
            kind = tensors.get_slice("features").get_dtype()
            lengths, labels = tensors.get_tensor("lengths"), tensors.get_tensor("labels")
    except OSError as error:
        raise DatasetError(
            asked, found=error.strerror or str(error), fix="check the path"
        ) from error
    except SafetensorError as error:
        raise DatasetError(
            asked,
            found=f"no whole file of features, lengths and labels ({error})",
            fix=_AGAIN,
        ) from error
    types = {code: name for name, code in _CODES.items()}
    for what, known in (
        (f"features of type {kind}", kind in types),
        *((f"{name} of shape {numbers.shape} and type {numbers.dtype}", _is_whole(numbers))
          for name, numbers in (("lengths", lengths), ("labels", labels))),
    ):  # fmt: skip
        if not known:
            raise DatasetError(
                asked, found=what, fix="write float16 or float32, and one whole number a video"
            )
    features = _mapped(path, shape, types[kind])
    about = _read_about(texts, len(lengths), asked)
    return ClipFile(
        source=path.name,
        features=features,
        lengths=lengths.astype(np.int64),
        labels=labels.astype(np.int64),
        **about,
    )


def _is_whole(numbers: NDArray[Any]) -> bool:
    return numbers.ndim == 1 and numbers.dtype.kind in "iu"


def _mapped(path: Path, shape: tuple[int, ...], kind: str) -> NDArray[np.floating]:
    if 0 in shape:
        return np.zeros(shape, dtype=kind)
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        start, _ = json.loads(stream.read(length))["features"]["data_offsets"]
    little = np.dtype(kind).newbyteorder("<")
    return np.memmap(path, dtype=little, mode="r", offset=8 + length + start, shape=shape)


def _read_about(texts: Mapping[str, str], videos: int, asked: str) -> dict[str, Any]:
    name = KEY if KEY in texts else "classes"
    try:
        about = json.loads(texts.get(name, "null"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(asked, found=f"{name} that is no JSON", fix=_AGAIN) from error
    if name == "classes":
        return _bare(about, videos, asked)
    kinds = {"ids": list, "groups": list, "run": dict, "unreadable": list, "versions": dict}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DatasetError(
            asked, found="another format of clip features", fix="update zsl-bench, or " + _AGAIN
        )
    wrong = [key for key, kind in kinds.items() if not isinstance(about.get(key), kind)]
    if not wrong and not all(isinstance(p, list) and len(p) == 2 for p in about["unreadable"]):
        wrong.append("pairs of unreadable videos and reasons")
    if wrong:
        raise DatasetError(asked, found=f"no {listing(wrong)}", fix=_AGAIN)
    record = about.get("backbone")
    return {
        "classes": classes_from_json(about.get("classes"), asked=asked),
        "ids": tuple(map(str, about["ids"])),
        "groups": tuple(map(str, about["groups"])),
        "backbone": None if record is None else BackboneRecord.from_json(record, asked=asked),
        "run": about["run"],
        "unreadable": tuple((str(name), str(why)) for name, why in about["unreadable"]),
        "versions": about["versions"],
    }


def _bare(names: object, videos: int, asked: str) -> dict[str, Any]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(
            asked,
            found="no class names",
            fix="extract the features with zsl-bench extract, or add the JSON list 'classes' to "
            "the file's metadata",
        )
    ids = tuple(f"video/{number:06d}" for number in range(videos))
    classes = class_set_from_names(
        names, dataset="given", source="class names of a file of clip features"
    )
    return {"classes": classes, "ids": ids, "groups": ids}
