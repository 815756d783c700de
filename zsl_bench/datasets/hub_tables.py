"""Rows of a data set on the Hub: which files a part needs, and what their tables say.

The ``datasets`` library tells the configurations, the parts and the columns; it gets a folder that
has only the files of the listing, so that it neither fetches anything nor finds code to run.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.hub_columns import Columns, choose_columns, values_of
from zsl_bench.datasets.scan import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.files import cache_dir, check_writable
from zsl_bench.hub import fetch_listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.hub import HubListing, Transfer

_CARD = "README.md"
_TABLES = frozenset((".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".tar"))
_SHOWN = VIDEO_SUFFIXES | IMAGE_SUFFIXES | _TABLES
_ROWS_AT_ONCE = 8
_NOT_TABLES = frozenset(("dataset_infos.json", "dataset_info.json"))


@dataclass(frozen=True, kw_only=True)
class HubRow:
    """One row of a part.

    Attributes:
        number: Its place in the part, from 0.
        label: Name of its class, as the tables have it; None where they have none.
        name: Path of its video as the tables have it, or None.
        content: The video's bytes where the tables hold them, else None.
        source: The file of the video where the tables name one, else None.
    """

    number: int
    label: str | None
    name: str | None
    content: bytes | None = None
    source: Path | None = None


@dataclass(frozen=True, kw_only=True)
class HubPart:
    """One part, such as ``test``, of one configuration of a data set on the Hub.

    Attributes:
        repo: The repository's files.
        config: Name of the configuration.
        split: Name of the part.
        files: The paths that it needs.
        names: The classes' names in their order where the tables declare them, else None.
    """

    repo: HubListing
    config: str
    split: str
    files: tuple[str, ...]
    names: tuple[str, ...] | None = None


class HubTables:
    """The tables of one part, to be read row by row."""

    def __init__(self, part: HubPart, builder: Any, view: Path) -> None:  # noqa: ANN401
        self.part = part
        self._builder = builder
        self._view = view

    def fetch(self, progress: Transfer | None = None) -> None:
        """Fetch the files that the part needs, unless they are there."""
        snapshot = fetch_listed(self.part.repo.only(set(self.part.files)), progress=progress)
        for path in self.part.files:
            shown = self._view / path
            shown.unlink(missing_ok=True)
            _link(snapshot.path / path, shown)

    def columns(self, label_column: str | None) -> Columns:
        """Choose the columns of videos and labels, and leave all others unread.

        Raises:
            DatasetError: There are none, or not the one asked for.
        """
        with _explained(self.part.repo):
            features = self._stream().features
        first = next(self._read(), None) if features is None else None
        columns = choose_columns(str(self.part.repo), features or first or {}, label_column)
        _read_little(self._builder.config, columns)
        return columns

    def count(self) -> int | None:
        """Return the number of rows where the files tell it without being read, else None."""
        if not all(path.endswith(".parquet") for path in self.part.files):
            return None
        from pyarrow import parquet

        counts = (parquet.read_metadata(self._view / path).num_rows for path in self.part.files)
        return int(sum(counts))

    def rows(self, columns: Columns, progress: Transfer | None = None) -> Iterator[HubRow]:
        """Yield the rows in their order; files that the tables name are fetched first."""
        places = self._places(columns, progress) if columns.is_path else {}
        for number, row in enumerate(self._read()):
            label, name, content = values_of(row, columns)
            source = places.get(name or "")
            if source is None and content is None and name and Path(name).is_absolute():
                source = Path(name)
                name = self._relative(source)
            yield HubRow(number=number, label=label, name=name, content=content, source=source)

    def _relative(self, file: Path) -> str:
        view = self._view.resolve()
        if not file.is_relative_to(view) and not file.is_relative_to(self._view):
            raise DatasetError(
                f"tables of {self.part.repo}",
                found=f"the path {str(file)!r}, which leads out of the repository",
                fix="name another repository",
            )
        return Path(os.path.relpath(file, view)).as_posix()

    def _places(self, columns: Columns, progress: Transfer | None) -> dict[str, Path]:
        """Fetch the files that a column of paths names; return where each is."""
        known = {file.path for file in self.part.repo.files}
        folders = {str(PurePosixPath(path).parent) for path in self.part.files}
        found: dict[str, str] = {}
        for row in self._read():
            name = values_of(row, columns)[1]
            choices = [name or "", *(f"{folder}/{name}" for folder in sorted(folders))]
            path = next((choice for choice in choices if choice in known), None)
            if name and path is not None:
                found[name] = path
        if not found:
            raise DatasetError(
                f"videos of {self.part.repo}",
                found=f"paths in the column {columns.media!r}, none of them in the repository",
                fix="name a repository that has the videos, too",
            )
        snapshot = fetch_listed(self.part.repo.only(set(found.values())), progress=progress)
        return {name: snapshot.path / path for name, path in found.items()}

    def _stream(self) -> Any:  # noqa: ANN401
        stream = self._builder.as_streaming_dataset(split=self.part.split)
        return stream.decode(False) if stream.features else stream

    def _read(self) -> Iterator[dict[str, Any]]:
        with _explained(self.part.repo):
            rows = iter(self._stream())
        while True:
            with _explained(self.part.repo):
                row = next(rows, None)
            if row is None:
                return
            yield row


def _read_little(config: Any, columns: Columns) -> None:  # noqa: ANN401
    """Have Parquet files read by these columns only, and few rows ahead: videos are large."""
    if hasattr(config, "columns"):
        config.columns = list(columns.top_level)
        config.batch_size = _ROWS_AT_ONCE
    if hasattr(config, "fragment_scan_options"):
        from pyarrow.dataset import ParquetFragmentScanOptions

        config.fragment_scan_options = ParquetFragmentScanOptions(pre_buffer=False)


@contextmanager
def open_tables(
    repo: HubListing,
    *,
    config: str | None,
    split: str | None,
    progress: Transfer | None = None,
) -> Iterator[HubTables]:
    """Find out which files a part of a data set needs; nothing but its card is fetched.

    Args:
        repo: The repository's files.
        config: The configuration, None for the default one.
        split: The part, None where there is only one.
        progress: Told the bytes.

    Raises:
        DatasetError: There is no such configuration or part, several to choose from, or no table
            and no video in the repository.
    """
    datasets = _library(repo)
    folder = cache_dir() / "hub"
    check_writable(folder)
    with TemporaryDirectory(dir=folder, prefix=".view-") as name, _quiet(datasets):
        view = Path(name) / "view"
        view.mkdir()
        _fill(repo, view, progress)
        with _explained(repo):
            builder = _builder(repo, view, config, datasets)
            part = _part(repo, view, builder, split)
        yield HubTables(part, builder, view)


def _fill(repo: HubListing, view: Path, progress: Transfer | None) -> None:
    """Make empty files of the repository's names; the card is real, as it tells the parts."""
    card = repo.only({_CARD})
    if card.files:
        shutil.copyfile(fetch_listed(card, progress=progress).path / _CARD, view / _CARD)
        _check_card(repo, view / _CARD)
    for file in repo.files:
        path = PurePosixPath(file.path)
        if path.suffix.casefold() in _SHOWN and path.name not in _NOT_TABLES:
            (view / path).parent.mkdir(parents=True, exist_ok=True)
            (view / path).touch()


def _check_card(repo: HubListing, card: Path) -> None:
    """Refuse a card whose files lie elsewhere."""
    from huggingface_hub import DatasetCard

    with _explained(repo):
        configs = DatasetCard.load(card, ignore_metadata_errors=True).data.to_dict().get("configs")
    for text in _texts(configs):
        if "://" in text or text.startswith(("/", "~")) or ".." in text.split("/"):
            raise DatasetError(
                f"card of {repo}",
                found=f"the data files {text!r}, which are none of the repository",
                fix="name another repository",
            )


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _builder(repo: HubListing, view: Path, config: str | None, datasets: Any) -> Any:  # noqa: ANN401
    known = datasets.get_dataset_config_names(str(view))
    if config is not None and config not in known:
        raise DatasetError(
            f"configuration {config!r} of {repo}",
            found="none of that name",
            fix=near_matches(config, known),
        )
    if config is None and len(known) > 1 and "default" not in known:
        raise DatasetError(
            f"data set {repo}",
            found=f"{len(known):,} configurations: {listing(known)}",
            fix="say which one",
        )
    return datasets.load_dataset_builder(
        str(view), config if len(known) > 1 else None, cache_dir=str(view.parent / "cache")
    )


def _library(repo: HubListing) -> Any:  # noqa: ANN401
    try:
        import datasets
    except ImportError as error:
        raise DatasetError(
            f"videos of {repo}",
            found="the package datasets is not installed",
            fix="pip install 'zsl-bench[hub-data]'",
        ) from error
    return datasets


def _part(repo: HubListing, view: Path, builder: Any, split: str | None) -> HubPart:  # noqa: ANN401
    parts = {str(name): files for name, files in (builder.config.data_files or {}).items()}
    chosen = _chosen(repo, list(parts), split)
    builder.config.data_files = type(builder.config.data_files)({chosen: parts[chosen]})
    view = view.resolve()
    return HubPart(
        repo=repo,
        config=builder.config.name,
        split=chosen,
        files=tuple(Path(file).resolve().relative_to(view).as_posix() for file in parts[chosen]),
    )


def _chosen(repo: HubListing, parts: Sequence[str], split: str | None) -> str:
    if split is None and len(parts) == 1:
        return parts[0]
    if split is None:
        raise DatasetError(
            f"data set {repo}",
            found=f"the parts {listing(parts)}",
            fix="say which one with --split",
        )
    if split not in parts:
        raise DatasetError(
            f"part {split!r} of {repo}", found="none of that name", fix=near_matches(split, parts)
        )
    return split


@contextmanager
def _explained(repo: HubListing) -> Iterator[None]:
    try:
        yield
    except _failures() as error:
        raise DatasetError(
            f"tables of {repo}",
            found=f"the datasets library cannot read them ({error})",
            fix="for archives run zsl-bench download data NAME --from hub:ORG/NAME and index them",
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    from datasets.exceptions import DatasetsError

    usual = (OSError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError)
    return (*usual, DatasetsError)


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:  # noqa: ANN401
    """Silence the library: what it says is told in one line here."""
    logger = logging.getLogger("datasets")
    level = logger.level
    shown = not datasets.are_progress_bars_disabled()
    if shown:
        datasets.disable_progress_bars()
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            datasets.enable_progress_bars()


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:
        name.symlink_to(file)
