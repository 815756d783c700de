"""Text that others wrote, such as a card from the Hub, made fit for a line that people read."""

from __future__ import annotations


def printable_line(text: str) -> str:
    r"""Return a text as one line without characters that steer a terminal or turn the text.

    White space of any kind becomes single spaces; what cannot be printed, such as an escape, a mark
    that reverses the direction of writing or half a surrogate pair, is spelled out.

    Example:
        >>> printable_line("mit\n\x1b[2J* pretrained on: nothing")
        'mit \\x1b[2J* pretrained on: nothing'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in " ".join(text.split())
    )
