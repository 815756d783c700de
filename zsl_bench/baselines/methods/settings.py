"""Settings of a method: read from texts, such as those of a command line, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ModelError, near_matches
from zsl_bench.model import parse_settings

if TYPE_CHECKING:
    from dataclasses import Field

LEAST = 1e-12
"""Least number that a regulariser may be: none can be 0, which may leave nothing to invert."""


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


def checked_settings(method: str, config: type[Any], given: object) -> dict[str, Any]:
    """Return settings after a check that they exist and are of the kind of their defaults.

    A setting whose default is None may be of any kind here.

    Args:
        method: Its name.
        config: Dataclass of its settings.
        given: A mapping of some of them, or None.

    Raises:
        ModelError: There is no such setting, or it is of another kind.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ModelError(
            f"settings of method {method}",
            found=f"a {type(given).__name__}",
            fix=f"give a mapping of names to values, or a {config.__name__}",
        )
    known = {field.name: field for field in fields(config)}
    for name, value in given.items():
        if name not in known:
            raise ModelError(
                f"setting {name!r} of method {method}",
                found="no such setting",
                fix=near_matches(str(name), list(known)),
            )
        kind = _kind_that_lacks(known[name], value)
        if kind:
            raise _setting_error(method, name, value, f"give {kind}")
    return dict(given)


def check_settings(
    method: str,
    config: object,
    *,
    whole: Mapping[str, int] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Check settings of a method; one that is None is left out.

    Args:
        method: Its name.
        config: The settings.
        whole: Those that are whole numbers, with the least value of each.
        ranges: Those that are finite numbers, with the least and the greatest value of each.
        choices: Those that are words, with what each may be.

    Raises:
        ModelError: One cannot be used.
    """
    for name, allowed in (choices or {}).items():
        value = getattr(config, name)
        if value not in allowed:
            raise _setting_error(method, name, value, near_matches(str(value), allowed))
    for name, smallest in (whole or {}).items():
        value = getattr(config, name)
        if value is not None and not (_is_whole(value) and value >= smallest):
            raise _setting_error(method, name, value, f"give a whole number from {smallest}")
    for name, (least, most) in (ranges or {}).items():
        value = getattr(config, name)
        if value is not None and not (_is_number(value) and least <= value <= most):
            raise _setting_error(method, name, value, f"give a number from {least:g} to {most:g}")


def _kind_that_lacks(field: Field[Any], value: object) -> str:
    """Return what a value should be and is not; empty where it is."""
    default = field.default
    if field.default_factory is not MISSING:
        default = field.default_factory()
    for kind, words, fits in (
        (bool, "true or false", isinstance(value, bool)),
        (int, "a whole number", _is_whole(value)),
        (float, "a finite number", _is_number(value)),
        (str, "a word", isinstance(value, str)),
        (tuple, "a list", isinstance(value, tuple | list)),
        (Mapping, "a mapping", isinstance(value, Mapping)),
    ):
        if isinstance(default, kind):
            return "" if fits else words
    return ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _setting_error(method: str, name: str, value: object, fix: str) -> ModelError:
    return ModelError(f"setting {name} of method {method}", found=repr(value), fix=fix)
