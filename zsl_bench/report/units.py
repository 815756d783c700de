"""Numbers with their units, as the field prints them."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def percent(value: float | None) -> str:
    """Return an accuracy as the field prints it: percent with one digit."""
    return "-" if value is None else f"{100 * value:.1f}"


def span(interval: dict[str, Any] | None) -> str:
    """Return an interval as percent, such as ``54.2 to 61.7``, or a dash."""
    return "-" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def duration(seconds: float) -> str:
    """Return a duration in its natural unit, such as ``12 s`` or ``3.4 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 video``, ``2 videos``, ``3 classes``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def harmless(value: object) -> object:
    """Return a value for a CSV file; text that a spreadsheet would take for a formula is marked."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def number(value: float) -> str:
    """Return a mean over trials: whole where it is, else with one digit."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
