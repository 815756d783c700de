"""Values that a source states: literals, constants, clip specs and class sets; nothing is run."""

from __future__ import annotations

import ast
from dataclasses import fields
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import load_class_set
from zsl_bench.errors import ZslBenchError
from zsl_bench.model_listing.names import imported_name, look_up
from zsl_bench.model_listing.source_files import BrokenSourceError
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import DataclassInstance

    from zsl_bench.model_listing.names import Scope


class NotLiteralError(Exception):
    """A value is known only when the code runs."""


def value_of(expression: ast.AST, scope: Scope) -> Any:  # noqa: ANN401
    """Return the value of an expression that states it.

    Raises:
        NotLiteralError: It takes running the code to know.
        BrokenSourceError: Running the code raises an error of this package.
    """
    reader = _READERS.get(type(expression))
    if reader is None:
        raise NotLiteralError
    return reader(expression, scope)


def is_ours(expression: ast.AST, scope: Scope, name: str) -> bool:
    """Say whether an expression names something of this package, however it is imported."""
    full = imported_name(expression, scope)
    return full.startswith("zsl_bench.") and full.rpartition(".")[2] == name


def keywords_of(call: ast.Call, scope: Scope) -> dict[str, Callable[[], Any]]:
    """Return readers of a call's keyword arguments, those of a stated mapping among them.

    Raises:
        NotLiteralError: A mapping is handed over that is not stated.
    """
    found: dict[str, Callable[[], Any]] = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            found[keyword.arg] = partial(value_of, keyword.value, scope)
            continue
        mapping = _mapping_of(value_of(keyword.value, scope))
        found |= {name: partial(_itself, value) for name, value in mapping.items()}
    return found


def _itself(value: Any) -> Any:  # noqa: ANN401
    return value


def refuse_unknown(names: Iterable[str], kind: type[DataclassInstance]) -> None:
    """Refuse keyword arguments that a dataclass does not take.

    Raises:
        BrokenSourceError: There is one.
    """
    known = {field.name for field in fields(kind)}
    for name in names:
        if name not in known:
            raise BrokenSourceError(f"{kind.__name__} takes no {name!r}")


def _constant(expression: ast.Constant, _scope: Scope) -> Any:  # noqa: ANN401
    return expression.value


def _sequence(expression: ast.Tuple | ast.List, scope: Scope) -> tuple[Any, ...]:
    return tuple(value_of(item, scope) for item in expression.elts)


def _mapping(expression: ast.Dict, scope: Scope) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, item in zip(expression.keys, expression.values, strict=True):
        value = value_of(item, scope)
        found |= _mapping_of(value) if key is None else _pair(value_of(key, scope), value)
    return found


def _pair(key: Any, value: Any) -> dict[Any, Any]:  # noqa: ANN401
    try:
        return {key: value}
    except TypeError as error:  # it cannot be a key
        raise NotLiteralError from error


def _mapping_of(value: Any) -> dict[Any, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise NotLiteralError
    return value


def _formatted(expression: ast.JoinedStr, scope: Scope) -> str:
    parts = []
    for part in expression.values:
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None or part.conversion != -1:
                raise NotLiteralError
            parts.append(str(value_of(part.value, scope)))
        else:
            parts.append(str(value_of(part, scope)))
    return "".join(parts)


def _named(expression: ast.AST, scope: Scope) -> Any:  # noqa: ANN401
    bound = look_up(expression, scope)
    if bound is None:
        raise NotLiteralError
    return value_of(bound.node, bound.scope)


def _sum(expression: ast.BinOp, scope: Scope) -> Any:  # noqa: ANN401
    left, right = value_of(expression.left, scope), value_of(expression.right, scope)
    if isinstance(left, str) and isinstance(right, str) and isinstance(expression.op, ast.Add):
        return left + right
    if isinstance(left, tuple) and isinstance(right, tuple) and isinstance(expression.op, ast.Add):
        return (*left, *right)
    raise NotLiteralError


def _called(expression: ast.Call, scope: Scope) -> Any:  # noqa: ANN401
    if is_ours(expression.func, scope, "ClipSpec") and not expression.args:
        given = keywords_of(expression, scope)
        refuse_unknown(given, ClipSpec)
        values = {name: read() for name, read in given.items()}
        return _made(lambda: ClipSpec(**values))
    if is_ours(expression.func, scope, "load_class_set") and not expression.keywords:
        texts = [value_of(argument, scope) for argument in expression.args]
        if 1 <= len(texts) <= 2 and all(isinstance(text, str) for text in texts):
            return _made(lambda: load_class_set(*texts))
    raise NotLiteralError


def _made(make: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return make()
    except ZslBenchError as error:
        raise BrokenSourceError(str(error)) from error


_READERS: Mapping[type, Callable[[Any, Scope], Any]] = MappingProxyType(
    {
        ast.Constant: _constant,
        ast.Tuple: _sequence,
        ast.List: _sequence,
        ast.Dict: _mapping,
        ast.JoinedStr: _formatted,
        ast.Name: _named,
        ast.Attribute: _named,
        ast.BinOp: _sum,
        ast.Call: _called,
    }
)
