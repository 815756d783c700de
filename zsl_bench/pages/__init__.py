"""Self-contained HTML pages: no network, no other file; a click on a heading sorts its table."""

from __future__ import annotations

from zsl_bench.pages.render import Cell, PageTable, number_cell, picture_source, render_page

__all__ = ["Cell", "PageTable", "number_cell", "picture_source", "render_page"]
