"""Which columns of a table hold the videos and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.scan import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from zsl_bench.errors import DatasetError, listing, near_matches

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES
_LABELS = (
    *("label", "labels", "label_name", "class", "class_name", "classname", "cls"),
    *("action", "activity", "category", "target"),
)
_PATHS = (
    *("file_name", "video_path", "path", "video", "file", "filename", "filepath", "clip"),
    *("image_path", "image"),
)
_BYTES = ("video", "bytes", "content", "image")
_TEXT = ("string", "large_string")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that are read.

    Attributes:
        media: The column of videos (or images).
        label: The column of labels; None where the folder of a video names its class. A column
            within a column is written with a dot, such as ``json.label``.
        names: Names of the classes by number where labels are numbers with names, else None.
        is_path: Whether the videos' column holds paths of files in the repository.
    """

    media: str
    label: str | None
    names: tuple[str, ...] | None
    is_path: bool

    @property
    def top_level(self) -> tuple[str, ...]:
        """The names of the columns as the table has them."""
        both = (self.media, *(() if self.label is None else (self.label.partition(".")[0],)))
        return tuple(dict.fromkeys(both))


def choose_columns(
    asked: str, features: Mapping[str, Any], label_column: str | None = None
) -> Columns:
    """Choose the columns of videos and labels by their kind and their usual names.

    Args:
        asked: Whose columns they are, for messages.
        features: The kinds of the columns as the ``datasets`` library has them, or a first row.
        label_column: The column of labels, None to look for it.

    Raises:
        DatasetError: No column holds videos, or labels are numbers without names.
    """
    media, is_path = _media(asked, features)
    flat = _flat(features)
    found = [name for name in _LABELS if name in flat]
    found += [name for name in flat if name.partition(".")[2] in _LABELS]
    if label_column is not None and label_column not in flat:
        raise DatasetError(
            f"column {label_column!r} of {asked}",
            found="no such column",
            fix=near_matches(label_column, flat),
        )
    choices = found if label_column is None else [label_column]
    named = next((name for name in choices if _is_named(flat[name])), None)
    if choices and named is None:
        raise DatasetError(
            f"labels of {asked}",
            found=f"the column {choices[0]!r}, which has no names of classes",
            fix=f"name another column: {listing(flat)}",
        )
    names = None if named is None else getattr(flat[named], "names", None)
    return Columns(
        media=media,
        label=named,
        names=None if names is None else tuple(names),
        is_path=is_path,
    )


def values_of(
    row: Mapping[str, Any], columns: Columns
) -> tuple[str | None, str | None, bytes | None]:
    """Return a row's label, the path of its video, and the video's bytes, each None if absent."""
    label = None if columns.label is None else _within(row, columns.label)
    if columns.names is not None and isinstance(label, int):
        label = columns.names[label] if 0 <= label < len(columns.names) else None
    media = row[columns.media]
    path, content = (
        (media.get("path"), media.get("bytes"))
        if isinstance(media, dict)
        else (media, None)
        if isinstance(media, str)
        else (None, media)
    )
    if columns.label is None and path:
        label = PurePosixPath(path).parent.name
    if columns.label is None and not label:
        label = PurePosixPath(str(row.get("__key__", ""))).parent.name
    return (str(label) if label not in (None, "") else None), path, content


def _media(asked: str, features: Mapping[str, Any]) -> tuple[str, bool]:
    held = (
        *(name for name, kind in features.items() if type(kind).__name__ == "Video"),
        *(name for name, kind in features.items() if type(kind).__name__ == "Image"),
        *(name for name, kind in features.items() if _is_pair(kind)),
        *(name for name in _BYTES if _dtype(features.get(name)) in {"binary", "large_binary"}),
    )
    if held:
        return held[0], False
    named = next((name for name in _PATHS if _dtype(features.get(name)) in _TEXT), None)
    if named is None:
        raise DatasetError(
            f"columns of {asked}",
            found=f"none with videos: {listing(features)}" if features else "no rows",
            fix="name a repository with videos, or the part that has them",
        )
    return named, True


def _is_pair(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, dict) and {"bytes", "path"} <= kind.keys()


def _flat(features: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, feature in features.items():
        if isinstance(feature, dict):
            flat |= {f"{name}.{inner}": kind for inner, kind in feature.items()}
        else:
            flat[name] = feature
    return flat


def _is_named(feature: Any) -> bool:  # noqa: ANN401
    return getattr(feature, "names", None) is not None or _dtype(feature) in _TEXT


def _dtype(feature: Any) -> str:  # noqa: ANN401
    if isinstance(feature, str):
        return "string"
    if isinstance(feature, bytes):
        return "binary"
    return str(getattr(feature, "dtype", ""))


def _within(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    outer, _, inner = name.partition(".")
    value = row.get(outer)
    return value.get(inner) if inner and isinstance(value, dict) else value
