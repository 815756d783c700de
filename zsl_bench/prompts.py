"""Prompt sets: named templates around a class label, bundled or from a file of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError, listing
from zsl_bench.files import read_asset, read_json

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "{label}"
_FORM = f'write {{"my-set": ["a video of {PLACE}."]}}, or a text file with one template a line'


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Templates whose text vectors are averaged.

    Attributes:
        name: Name of the set.
        templates: Each with ``{label}`` where the class label goes.
        source: Where the templates come from.
    """

    name: str
    templates: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        """Refuse a set without templates, and a template without a place for the label."""
        asked = f"prompt set {self.name!r}"
        if not self.templates:
            raise ResultError(asked, found="no templates", fix="give at least one")
        bare = [template for template in self.templates if PLACE not in template]
        if bare:
            raise ResultError(
                asked, found=f"no {PLACE} in {bare[0]!r}", fix=f"write {PLACE} where the class goes"
            )
        if len(set(self.templates)) < len(self.templates):
            twice = next(t for t in self.templates if self.templates.count(t) > 1)
            raise ResultError(asked, found=f"template {twice!r} twice", fix="give it once")

    def texts(self, template: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return what one template makes of the labels."""
        return tuple(template.replace(PLACE, label) for label in labels)


def bundled_prompts() -> tuple[PromptSet, ...]:
    """Return the prompt sets that come with the package."""
    return tuple(
        PromptSet(name=name, templates=tuple(entry["templates"]), source=entry["source"])
        for name, entry in read_asset("prompts.json")["sets"].items()
    )


def load_prompts(path: Path | None = None) -> tuple[PromptSet, ...]:
    """Return the bundled prompt sets, and those of a file behind them.

    Args:
        path: A JSON object with a list of templates for each name, or a text file with one
            template a line, which is one set named after the file.

    Raises:
        ResultError: The file is missing or malformed, or names a bundled set.
    """
    bundled = bundled_prompts()
    if path is None:
        return bundled
    own = _read(path)
    taken = sorted({each.name for each in bundled} & {each.name for each in own})
    if taken:
        raise ResultError(
            f"prompt file {path}",
            found=f"{listing(taken)}, the name of a bundled set",
            fix="call it something else",
        )
    return (*bundled, *own)


def _read(path: Path) -> tuple[PromptSet, ...]:
    if path.suffix.lower() != ".json":
        return (PromptSet(name=path.stem, templates=_lines(path), source=path.name),)
    data: Any = read_json(path, what="prompt file")
    well_formed = isinstance(data, dict) and all(
        isinstance(value, list) and all(isinstance(t, str) for t in value)
        for value in data.values()
    )
    if not well_formed or not data:
        raise ResultError(f"prompt file {path}", found="another form of JSON", fix=_FORM)
    return tuple(
        PromptSet(name=name, templates=tuple(templates), source=path.name)
        for name, templates in data.items()
    )


def _lines(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = "no UTF-8 text"
        if isinstance(error, OSError):
            found = (error.strerror or str(error)).lower()
        raise ResultError(f"prompt file {path}", found=found, fix=_FORM) from error
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
