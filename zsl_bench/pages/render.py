"""From a template of the package to a page that needs nothing else.

Whatever comes from a file is escaped by the template engine. A page carries a content security
policy that lets it load nothing and run only the script it was made with.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_LEAST = -1e308
_KINDS = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        order: The number it is sorted by; None sorts by the text.
        tone: ``good``, ``bad``, ``doubt`` or empty: how it is marked, beside what it says.
        link: Where it leads, such as ``#confusion``; empty for nowhere.
        title: What is shown over it.
        strong: Whether it is set in bold.
        detail: A second, fainter line; it is not sorted by.
    """

    text: str
    order: float | None = None
    tone: str = ""
    link: str = ""
    title: str = ""
    strong: bool = False
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table that sorts by a click on a heading.

    Attributes:
        header: Headings.
        rows: Cells, as texts or :class:`Cell`; numbers sort as numbers.
        name: Id of the table, for links and filters.
        caption: A line above it; empty for none.
        link: Where the caption leads, such as ``#protocol-half``; empty for nowhere.
        filters: Headings of columns for which a choice of their texts is offered.
        search: Whether a field filters the rows by any text in them.
        below: Heading of the column whose numbers must lie below the page's number field, the
            template's macro ``below``; it needs filters or the search field.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    name: str = ""
    caption: str = ""
    link: str = ""
    filters: tuple[str, ...] = ()
    search: bool = False
    below: str = ""


def number_cell(value: float | None, *, digits: int = 1, scale: float = 100.0) -> Cell:
    """Return a cell of a number, as percent unless ``scale`` says otherwise; a dash for None."""
    if value is None:
        return Cell(text="-", order=_LEAST)
    return Cell(text=f"{scale * value:.{digits}f}", order=value)


def picture_source(content: bytes, kind: str) -> str:
    """Return a picture as the source of an image.

    Args:
        content: The file's bytes.
        kind: ``svg``, ``png`` or ``jpg``.
    """
    return f"data:{_KINDS[kind]};base64,{base64.b64encode(content).decode()}"


def render_page(template: str, **content: Any) -> str:  # noqa: ANN401
    """Fill a template.

    Args:
        template: Its file name below ``assets/pages``; it extends ``base.html.j2``, which wants
            ``title``.
        **content: What it shows. Texts are escaped.

    Returns:
        HTML. It holds no time and no path of this machine but those in the content.
    """
    return _environment().get_template(template).render(**content) + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["celltext"] = lambda cell: cell.text if isinstance(cell, Cell) else cell
    script, style = _asset("page.js"), _asset("page.css")
    environment.globals.update(
        script=script,
        style=style,
        script_hash=_csp_hash(script),
        style_hash=_csp_hash(style),
        is_cell=lambda value: isinstance(value, Cell),
    )
    return environment


def _asset(name: str) -> str:
    return files("zsl_bench").joinpath("assets", "pages", name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
