"""The files of a repository on the Hub at one commit, with the hashes that the Hub has of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import DatasetError, WeightsError, listing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from zsl_bench.errors import ZslBenchError

DATASET, MODEL = "dataset", "model"
"""The kinds of repositories, as the Hub calls them."""
DATA_SUFFIXES = frozenset(
    (
        *(".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg"),
        *(".mpeg", ".ts", ".flv", ".wmv", ".3gp", ".ogv"),
        *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".jp2"),
        *(".zip", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".zst"),
        *(".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".md", ".yaml", ".yml"),
    )
)
"""How the names of data files end; nothing else is fetched, so that no code comes along."""
_PART = re.compile(r"(?P<whole>.+\.[A-Za-z0-9]+)\.(?:part-?)?\d{1,4}")
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class HubFile:
    """A file as the Hub lists it.

    Attributes:
        path: Its path in the repository, with ``/``.
        size: Bytes.
        sha256: SHA-256 of its content where it is stored as a large file (LFS), else None.
        blob: Its git blob id (a SHA-1 over length and content) where it is small, else None.
    """

    path: str
    size: int
    sha256: str | None = None
    blob: str | None = None

    @property
    def is_data(self) -> bool:
        """Whether its name ends like that of a data file, or of a numbered part of one."""
        name = PurePosixPath(self.path).name
        part = _PART.fullmatch(name)
        return PurePosixPath(part["whole"] if part else name).suffix.casefold() in DATA_SUFFIXES

    def fits(self, path: Path) -> bool:
        """Return whether a file on the disk has the content that the Hub has a hash of."""
        if path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return _digest(path, hashlib.sha256()) == self.sha256
        header = hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)
        return _digest(path, header) == self.blob


@dataclass(frozen=True, kw_only=True)
class HubListing:
    """The files of a repository at one commit.

    Attributes:
        repo: ``org/repo``.
        commit: The commit, 40 hex digits.
        files: Its files, sorted by path.
        kind: ``dataset`` or ``model``.
    """

    repo: str
    commit: str
    files: tuple[HubFile, ...]
    kind: str = DATASET

    def __str__(self) -> str:
        """Return the reference that gives these very files again."""
        return f"hub:{self.repo}@{self.commit}"

    @property
    def error(self) -> type[ZslBenchError]:
        """What is raised about it."""
        return error_of(self.kind)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def select(self, patterns: Sequence[str] | None = None) -> HubListing:
        """Keep the data files, and of these the ones that fit a pattern.

        Args:
            patterns: Such as ``data/test-*`` or ``*.zip``, where ``*`` stands for any text; None
                for all.

        Raises:
            DatasetError: No file is left.
        """
        data = tuple(file for file in self.files if file.is_data)
        kept = tuple(file for file in data if patterns is None or _fits(file.path, patterns))
        if not kept:
            names = data or self.files
            raise DatasetError(
                f"data files of {self}" + (f" named {listing(patterns)}" if patterns else ""),
                found=f"{len(names):,} other files ({listing(file.path for file in names)})"
                if names
                else "no files",
                fix="choose from these" if data else "name another repository",
            )
        return replace(self, files=kept)

    def named(self, patterns: Sequence[str]) -> HubListing:
        """Keep the files that fit a pattern, such as ``model.safetensors`` or ``*.json``.

        Raises:
            WeightsError: No file is left; or another error, for a data set.
        """
        kept = tuple(file for file in self.files if _fits(file.path, patterns))
        if not kept:
            raise self.error(
                str(self),
                found=f"no file named {listing(patterns)}",
                fix=f"name another repository; it has {listing(f.path for f in self.files)}"
                if self.files
                else "name another repository; this one is empty",
            )
        return replace(self, files=kept)

    def only(self, paths: Collection[str]) -> HubListing:
        """Keep the files of these paths."""
        return replace(self, files=tuple(file for file in self.files if file.path in paths))

    def left_out(self) -> str | None:
        """Return a sentence about the files that are no data, or None where all are."""
        kinds = Counter(
            PurePosixPath(file.path).suffix or PurePosixPath(file.path).name
            for file in self.files
            if not file.is_data
        )
        if not kinds:
            return None
        shown = listing(f"{kind} {count:,}" for kind, count in kinds.most_common())
        return f"left out, no data files: {kinds.total():,} ({shown})"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            **({} if self.kind == DATASET else {"kind": self.kind}),
            "repo": self.repo,
            "commit": self.commit,
            "files": [asdict(file) for file in self.files],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> HubListing:
        """Rebuild it from what ``to_json`` gave."""
        return cls(
            repo=value["repo"],
            commit=value["commit"],
            kind=value.get("kind", DATASET),
            files=tuple(HubFile(**file) for file in value["files"]),
        )


def check_paths(repo: HubListing) -> None:
    """Refuse paths that could lead out of the folder that the files go to.

    Raises:
        DatasetError: A path is absolute or has ``..``; it is named. For weights a WeightsError.
    """
    for file in repo.files:
        parts = file.path.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\\" in file.path or "\0" in file.path:
            raise repo.error(
                f"files of {repo}",
                found=f"the path {file.path!r}, which could lead out of the folder",
                fix="name another repository",
            )


def error_of(kind: str) -> type[ZslBenchError]:
    """Return what is raised about a repository of a kind."""
    return WeightsError if kind == MODEL else DatasetError


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _digest(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
