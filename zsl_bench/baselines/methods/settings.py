"""Settings of a method as texts, such as those of a command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zsl_bench.model import parse_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


def typed_settings(given: Sequence[str]) -> dict[str, Any]:
    """Return settings whose values are JSON where they can be read as such, else text.

    Args:
        given: Each ``NAME=VALUE``.

    Raises:
        ModelError: A text is not of that form, or a name comes twice.
    """
    typed: dict[str, Any] = {}
    for name, text in parse_settings(given).items():
        try:
            typed[name] = json.loads(text)
        except ValueError:
            typed[name] = text
    return typed
