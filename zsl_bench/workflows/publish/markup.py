"""Text from cards and results made fit for Markdown: it says what it says and marks nothing up."""

from __future__ import annotations

import re

from zsl_bench.errors import one_line

_SPECIAL = re.compile(r"[\\`\[\]|]")
_FIRST = re.compile(r"[#*+=~_-]")


def plain(text: str) -> str:
    r"""Return a text as one line of Markdown without a link, a tag, a comment or the end of a cell.

    Example:
        >>> plain("a | [b](c)\n<!-- d -->")
        'a \\| \\[b\\](c) &lt;!-- d --&gt;'
    """
    line = one_line(text).replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", line)


def paragraph(text: str) -> str:
    """Return a text as a paragraph: no heading, list or rule, whatever it begins with."""
    line = plain(text)
    return f"\\{line}" if _FIRST.match(line) else line


def fenced(text: str) -> str:
    """Return a text of several lines for a block between fences, which it cannot end."""
    lines = (f"{_indent(line)}{one_line(line)}" for line in text.strip().splitlines())
    whole = "\n".join(lines).replace("```", "'''")
    return whole.replace("<!--", "<! --").replace("-->", "-- >")


def _indent(line: str) -> str:
    line = line.expandtabs()
    return " " * (len(line) - len(line.lstrip()))
