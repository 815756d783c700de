"""Training configurations as TOML: the bundled ones, a user's own, and single settings changed."""

from __future__ import annotations

import tomllib
import types
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from zsl_bench.baselines.training.config import (
    AuditSettings,
    ClipSettings,
    DataSettings,
    FrozenSettings,
    ModelSettings,
    OptimiserSettings,
    RunSettings,
    TrainConfig,
    ValidationSettings,
)
from zsl_bench.errors import ModelError, ZslBenchError, near_matches
from zsl_bench.files import asset_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Section = TypeVar("_Section")
_NONE = "none"
_TYPES = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}

_SECTIONS = {
    "model": ModelSettings,
    "data": DataSettings,
    "audit": AuditSettings,
    "clips": ClipSettings,
    "optimiser": OptimiserSettings,
    "validation": ValidationSettings,
    "frozen": FrozenSettings,
    "run": RunSettings,
}


def bundled_configs() -> tuple[str, ...]:
    """Return the names of the configurations that come with the package, sorted."""
    return tuple(sorted(path.stem for path in asset_path("configs").glob("*.toml")))


def load_config(reference: str | Path, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration.

    Args:
        reference: A bundled name such as ``e2e-kinetics700-tp1``, or a TOML file.
        overrides: Settings such as ``data.path=videos/k700`` or ``optimiser.epochs=10``; the value
            is read as TOML, or as text where it is none.

    TOML has no null: ``"none"`` stands for it in the fields that may be None.

    Raises:
        ZslBenchError: There is no such configuration, or a field is unknown or malformed.

    Example:
        >>> load_config("e2e-kinetics700-tp1").optimiser.milestones
        (60, 120)
    """
    asked = f"training configuration {reference}"
    if str(reference) in bundled_configs():
        path = asset_path("configs", f"{reference}.toml")
    else:
        path = Path(reference)
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            asked,
            found="no such file or bundled configuration",
            fix=near_matches(str(reference), bundled_configs()),
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ModelError(
            asked, found=f"no readable TOML ({error})", fix="mend the file, or copy a bundled one"
        ) from error
    content.setdefault("name", path.stem)
    for override in overrides:
        _override(content, override, asked)
    return config_from_json(content, asked=asked)


def config_from_json(content: Mapping[str, Any], *, asked: str) -> TrainConfig:
    """Build a configuration from parsed TOML or JSON.

    Args:
        content: The tables by name.
        asked: What is being read, for messages.

    Raises:
        ZslBenchError: A field is unknown, missing or of another type.
    """
    known = (*(f.name for f in fields(TrainConfig)),)
    made: dict[str, Any] = {}
    for key, value in content.items():
        if key not in known:
            raise ModelError(asked, found=f"unknown field {key!r}", fix=near_matches(key, known))
        made[key] = (
            _section(_SECTIONS[key], value, key, asked)
            if key in _SECTIONS
            else _checked(value, str, key, asked)
        )
    for key in ("name", "data"):
        if key not in made:
            raise ModelError(asked, found=f"no {key}", fix="add it, or copy a bundled one")
    try:
        return TrainConfig(**made)
    except ZslBenchError as error:
        if error.asked.startswith("training configuration"):
            raise
        raise ModelError(f"{asked}: {error.asked}", found=error.found, fix=error.fix) from error


def _override(content: dict[str, Any], override: str, asked: str) -> None:
    name, equals, text = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or (dot and not key):
        raise ModelError(
            asked, found=f"override {override!r}", fix="write it as section.field=value"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    if not dot:
        content[section] = value
        return
    table = content.setdefault(section, {})
    if not isinstance(table, dict):
        raise ModelError(asked, found=f"{section} is no table", fix=f"write [{section}]")
    table[key] = value


def _section(kind: type[_Section], table: object, name: str, asked: str) -> _Section:
    if not isinstance(table, dict):
        raise ModelError(asked, found=f"{name} is no table", fix=f"write it as [{name}]")
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise ModelError(
                asked, found=f"unknown field {name}.{key}", fix=near_matches(key, hints)
            )
        values[key] = _checked(value, hints[key], f"{name}.{key}", asked)
    try:
        return kind(**values)
    except TypeError as error:
        required = (f.name for f in fields(kind) if f.default is MISSING)  # type: ignore[arg-type]
        lacking = [name for name in required if name not in values]
        raise ModelError(
            asked, found=f"[{name}] lacks a field", fix=f"give {', '.join(lacking)}"
        ) from error


def _checked(value: object, hint: Any, name: str, asked: str) -> object:  # noqa: ANN401
    """Return a value as a field of that type holds it, or say what is wrong with it."""
    if get_origin(hint) in (Union, types.UnionType):
        if value is None or value == _NONE:
            return None
        (hint,) = (kind for kind in get_args(hint) if kind is not types.NoneType)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise ModelError(
                asked, found=f"{name} = {value!r}", fix=near_matches(str(value), choices)
            )
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ModelError(asked, found=f"{name} = {value!r}", fix="give a list in brackets")
        return tuple(_checked(item, get_args(hint)[0], name, asked) for item in value)
    return _checked_plain(value, hint, name, asked)


def _checked_plain(value: object, kind: type, name: str, asked: str) -> object:
    is_bool = isinstance(value, bool)
    if kind is float and isinstance(value, int) and not is_bool:
        return float(value)
    if not isinstance(value, kind) or is_bool is not (kind is bool):
        raise ModelError(asked, found=f"{name} = {value!r}", fix=f"give {_TYPES[kind]}")
    return value
