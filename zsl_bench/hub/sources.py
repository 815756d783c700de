"""Where the known data sets come from: official pages, terms, and mirrors on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from zsl_bench.errors import DatasetError, near_matches
from zsl_bench.files import read_asset

_ASSET = "data_sources.json"


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file that the authors offer.

    Attributes:
        name: What it is called.
        holds: What is in it.
        size: Its size as a source states it, or None.
        url: Where it is, or None where the page asks for a form first.
    """

    name: str
    holds: str
    size: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A copy on the Hub, made by somebody else than the authors.

    Attributes:
        repo: ``org/repo``.
        revision: The commit that is known; None where only the name is.
        holds: What is in it, and what is not.
        form: ``archives`` to be unpacked, or ``embedded`` in Parquet tables.
        licence: What its card says.
        patterns: Which of its files belong to the data set, None for all.
        splits: Names of its splits, where it is ``embedded``.
        size: Its size as a source states it, or None.
        evidence: Where its existence and contents are stated.
    """

    repo: str
    revision: str | None
    holds: str
    form: str
    licence: str
    evidence: str
    patterns: tuple[str, ...] | None = None
    splits: tuple[str, ...] = ()
    size: str | None = None

    @property
    def reference(self) -> str:
        """The reference to it, with ``hub:``."""
        return f"hub:{self.repo}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where a data set comes from.

    Attributes:
        dataset: Its name here.
        title: Its name.
        page: The official page.
        files: What the authors offer.
        terms: Licence or terms, as the authors state them.
        citation: The paper to cite.
        unpack: How to unpack what the authors offer.
        index: The command that makes a manifest of it.
        notes: What else a person should know, one sentence each.
        mirrors: Copies on the Hub.
    """

    dataset: str
    title: str
    page: str
    files: tuple[DataFile, ...]
    terms: str
    citation: str
    unpack: str
    index: str
    notes: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()


def known_sources() -> tuple[str, ...]:
    """Return the names of the data sets whose sources are known."""
    return tuple(_table())


def data_source(dataset: str) -> DataSource:
    """Return where a data set comes from.

    Raises:
        DatasetError: Nothing is known of it; near names are suggested.

    Example:
        >>> data_source("hmdb51").page
        'https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/'
    """
    table = _table()
    if dataset not in table:
        raise DatasetError(
            f"source of {dataset!r}",
            found="no data set of that name is known here",
            fix=near_matches(dataset, table),
        )
    entry = table[dataset]
    return DataSource(
        dataset=dataset,
        **{
            **entry,
            "files": tuple(DataFile(**file) for file in entry["files"]),
            "notes": tuple(entry.get("notes", ())),
            "mirrors": tuple(_mirror(mirror) for mirror in entry.get("mirrors", ())),
        },
    )


def _mirror(entry: dict[str, Any]) -> Mirror:
    patterns = entry.get("patterns")
    return Mirror(
        **{
            **entry,
            "patterns": None if patterns is None else tuple(patterns),
            "splits": tuple(entry.get("splits", ())),
        }
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    sources: dict[str, dict[str, Any]] = read_asset(_ASSET)["sources"]
    return sources
