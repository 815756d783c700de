"""Videos and manifests: which files are evaluated, under which labels, checked and hashed."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import ClassSet
from zsl_bench.errors import ClassSetError, DatasetError, listing, near_matches
from zsl_bench.files import read_json, sha256_json, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

KIND = "zsl-bench manifest"
SCHEMA = 1
_MEND = "make the manifest again from the folder"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One row of a manifest: a video, or a part of one.

    Attributes:
        id: Name of the row, unique in its manifest and the same in every copy of the data set.
        label: Official name of the class.
        path: Where the file lies below the manifest's root, with ``/`` on every system.
        group: The source that the clip was cut from; clips of one group are not independent.
        start: Second at which the row begins, None for the beginning of the file.
        end: Second at which the row ends, None for the end of the file.
        frames: Number of frames, None where nobody has counted them.
    """

    id: str
    label: str
    path: str
    group: str
    start: float | None = None
    end: float | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        """Check the texts, that the path stays below the root, and the times."""
        for field in ("id", "label", "path", "group"):
            text = getattr(self, field)
            if not isinstance(text, str) or not text or not _is_plain(text):
                raise DatasetError(
                    f"{field} of video {self.id!r}",
                    found=f"{text!r}",
                    fix="give text that is not empty and can be written as UTF-8",
                )
        _check_path(self.path)
        _check_times(self)

    @property
    def _row(self) -> list[object]:
        times = (None if time is None else float(time) + 0.0 for time in (self.start, self.end))
        return [self.id, self.label, *times]


def _is_plain(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _check_path(path: str) -> None:
    parts = path.split("/")
    unsafe = "" in parts or "." in parts or ".." in parts
    if "\\" in path or ":" in path:
        windows = PureWindowsPath(path)
        unsafe = unsafe or bool(windows.anchor) or ".." in windows.parts
    if unsafe:
        raise DatasetError(
            f"video path {path!r}",
            found="it could lead out of the data set's folder",
            fix="give a path below the root, without a leading /, '.' or '..'",
        )


def _check_times(video: Video) -> None:
    start = 0.0 if video.start is None else video.start
    end = math.inf if video.end is None else video.end
    if not 0 <= start < end or video.end == math.inf:
        raise DatasetError(
            f"times of video {video.id!r}",
            found=f"start {video.start}, end {video.end}",
            fix="give seconds with 0 <= start < end",
        )
    if video.frames is not None and video.frames < 0:
        raise DatasetError(
            f"frames of video {video.id!r}", found=str(video.frames), fix="give a count or None"
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The videos of one data set under one split, as found in one folder.

    Rows are kept sorted by id, so that the order in which a folder was read never matters.

    Attributes:
        dataset: Name of the data set, such as ``ucf101``.
        classes: Its classes; every label is one of them.
        split: Which list of videos this is, such as ``all``, ``testlist01`` or ``split1-test``.
        root: The folder that the rows' paths start from.
        videos: The rows, unreadable ones included.
        expected: For each class how many videos the data set has under this split, or None where
            no official list is known.
        missing: Ids that the official list names and the folder lacks.
        extra: Video files of the folder that the official list does not name; they are no rows.
        unreadable: Pairs of a row's id and the reason why its file cannot be read.
        notes: What else a person should know, one sentence each.
        overlapping: Ids of segments that share time with a segment of another label.
        preparation: For files that ``zsl-bench prepare`` made, how, and from which manifest; None
            for the originals.
    """

    dataset: str
    classes: ClassSet
    split: str
    root: Path
    videos: tuple[Video, ...]
    expected: Mapping[str, int] | None = None
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    overlapping: tuple[str, ...] = ()
    preparation: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Sort the rows and check ids, labels, and the lists beside them."""
        object.__setattr__(self, "videos", tuple(sorted(self.videos, key=lambda v: v.id)))
        for field in ("missing", "extra", "unreadable", "overlapping"):
            object.__setattr__(self, field, tuple(sorted(getattr(self, field))))
        if not self.videos:
            raise DatasetError(self._asked, found="no videos", fix="check the folder and the split")
        self._check_ids()
        self._check_labels()

    @property
    def _asked(self) -> str:
        return f"manifest of {self.dataset} ({self.split})"

    def _check_ids(self) -> None:
        counts = Counter(video.id for video in self.videos)
        if len(counts) < len(self.videos):
            twice = [f"{i!r}" for i, count in counts.items() if count > 1]
            raise DatasetError(
                self._asked, found=f"ids given twice: {listing(twice)}", fix="keep one row of each"
            )
        absent = [i for i in self.missing if i in counts]
        unreadable = (i for i, _ in self.unreadable)
        strangers = [i for i in (*unreadable, *self.overlapping) if i not in counts]
        if absent or strangers:
            raise DatasetError(
                self._asked,
                found=f"ids both present and missing, or unreadable without a row: "
                f"{listing(absent + strangers)}",
                fix=_MEND,
            )

    def _check_labels(self) -> None:
        names = set(self.classes.names)
        for label in [video.label for video in self.videos] + list(self.expected or ()):
            if label not in names:
                raise DatasetError(
                    self._asked,
                    found=f"label {label!r}, which is no class of {self.classes.dataset}",
                    fix=near_matches(label, names),
                )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.videos)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over data set, split and rows (id, label, start, end), in hex.

        Copies of one data set agree on it, wherever they lie, however their folders and files are
        spelt, and whether or not anybody has counted their frames. Prepared files are no copies:
        how they were made is part of their digest.
        """
        rows = [video._row for video in self.videos]
        body: dict[str, object] = {"dataset": self.dataset, "split": self.split, "rows": rows}
        if self.preparation is not None:
            body["preparation"] = dict(self.preparation)
        return sha256_json(body)

    @property
    def is_partial(self) -> bool:
        """Whether a listed video is missing or, without an official list, a class has no video."""
        if self.expected is not None:
            return bool(self.missing)
        return 0 in self.counts().values()

    def counts(self) -> dict[str, int]:
        """Return the number of rows of every class, in class order, zeros included."""
        found = Counter(video.label for video in self.videos)
        return {name: found[name] for name in self.classes.names}

    def only(
        self,
        ids: Collection[str],
        *,
        split: str | None = None,
        expected: Mapping[str, int] | None = None,
    ) -> Manifest:
        """Return the manifest of some of the videos.

        Args:
            ids: Ids of the videos to keep, those at hand and those missing.
            split: Name of the list that they make; None to keep the name.
            expected: For each class how many videos that list has.

        Raises:
            DatasetError: None of the videos is at hand.
        """
        return replace(
            self,
            split=self.split if split is None else split,
            videos=tuple(video for video in self.videos if video.id in ids),
            expected=expected,
            missing=tuple(video for video in self.missing if video in ids),
            unreadable=tuple(pair for pair in self.unreadable if pair[0] in ids),
            overlapping=tuple(video for video in self.overlapping if video in ids),
        )

    def resolve(self, video: Video) -> Path:
        """Return the file of a row.

        The path is joined without looking at the disk and never leaves the root. A link that lies
        below the root is followed by whoever opens the file, wherever it points: links are put
        there by the folder's owner, not by the manifest.

        Raises:
            DatasetError: The path would leave the root.
        """
        _check_path(video.path)
        root = os.path.abspath(self.root)  # noqa: PTH100 - must not follow links
        joined = Path(os.path.normpath(Path(root) / video.path))
        if not joined.is_relative_to(root):
            raise DatasetError(
                f"video path {video.path!r}", found=f"it leaves {self.root}", fix=_MEND
            )
        return joined

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain JSON values, with its digest and a hash of the whole.

        The hash leaves the root out, so that a folder may be moved and the file edited to follow.

        Raises:
            DatasetError: The root's name cannot be written as UTF-8.
        """
        root = Path(self.root).absolute().as_posix()
        if not _is_plain(root):
            raise DatasetError(
                self._asked, found="a folder whose name is not UTF-8", fix="rename the folder"
            )
        body = {
            "kind": KIND,
            "schema": SCHEMA,
            "dataset": self.dataset,
            "split": self.split,
            "digest": self.digest,
            "classes": asdict(self.classes),
            "expected": None if self.expected is None else dict(self.expected),
            "missing": list(self.missing),
            "extra": list(self.extra),
            "unreadable": [list(pair) for pair in self.unreadable],
            "notes": list(self.notes),
            "videos": [
                {key: value for key, value in vars(video).items() if value is not None}
                for video in self.videos
            ],
        }
        if self.overlapping:
            body["overlapping"] = list(self.overlapping)
        if self.preparation is not None:
            body["preparation"] = dict(self.preparation)
        return {"root": root, "sha256": sha256_json(body), **body}

    @classmethod
    def from_json(cls, value: object, *, root: Path | None = None) -> Manifest:
        """Rebuild a manifest from what ``to_json`` gave.

        Args:
            value: The JSON object.
            root: Folder of the videos, where it is not the one that the manifest names.

        Raises:
            DatasetError: It is no manifest, of an unknown schema, or changed since it was made.
        """
        if not isinstance(value, dict) or value.get("kind") != KIND:
            raise DatasetError("read a manifest", found="something else", fix=_MEND)
        if value.get("schema") != SCHEMA:
            raise DatasetError(
                "read a manifest",
                found=f"schema {value.get('schema')!r}, this version knows {SCHEMA}",
                fix=f"update zsl-bench, or {_MEND}",
            )
        body = {key: entry for key, entry in value.items() if key not in ("root", "sha256")}
        if sha256_json(body) != value.get("sha256"):
            raise DatasetError(
                "read a manifest", found="its content does not fit its sha256", fix=_MEND
            )
        try:
            manifest = cls._from_body(body, Path(value["root"]) if root is None else root)
        except (KeyError, TypeError, ValueError, AttributeError, ClassSetError) as error:
            raise DatasetError(
                "read a manifest", found=f"a field is absent or odd ({error})", fix=_MEND
            ) from error
        if manifest.digest != body["digest"]:
            raise DatasetError("read a manifest", found="its rows do not fit its digest", fix=_MEND)
        return manifest

    @classmethod
    def _from_body(cls, body: dict[str, Any], root: Path) -> Manifest:
        table = body["classes"]
        classes = ClassSet(
            dataset=table["dataset"],
            version=table["version"],
            names=tuple(table["names"]),
            words=tuple(tuple(words) for words in table["words"]),
            labels=tuple(table["labels"]),
            aliases=tuple(tuple(aliases) for aliases in table["aliases"]),
            rules=table["rules"],
            source=table["source"],
        )
        return cls(
            dataset=body["dataset"],
            classes=classes,
            split=body["split"],
            root=root,
            videos=tuple(Video(**row) for row in body["videos"]),
            expected=body["expected"],
            missing=tuple(body["missing"]),
            extra=tuple(body["extra"]),
            unreadable=tuple((i, reason) for i, reason in body["unreadable"]),
            notes=tuple(body["notes"]),
            overlapping=tuple(body.get("overlapping", ())),
            preparation=body.get("preparation"),
        )

    def save(self, path: str | Path) -> None:
        """Write the manifest as a JSON file, whole or not at all.

        Raises:
            ResultError: The file cannot be written.
        """
        write_json(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | Path, *, root: str | Path | None = None) -> Manifest:
        """Read a manifest file and check its hashes.

        Args:
            path: The file.
            root: Folder of the videos, where it is not the one that the file names.

        Raises:
            ResultError: The file is missing or not JSON.
            DatasetError: It is no manifest, or changed since it was made; the file is named.
        """
        value = read_json(Path(path), what="manifest")
        try:
            return cls.from_json(value, root=None if root is None else Path(root))
        except DatasetError as error:
            raise DatasetError(f"{error.asked} {path}", found=error.found, fix=error.fix) from error
