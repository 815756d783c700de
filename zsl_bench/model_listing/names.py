"""What the names in a source stand for: assignments, definitions, imports, arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from zsl_bench.model_listing.source_files import BrokenSourceError, Source, find_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BOUND = ("self", "cls")
_DYNAMIC = frozenset({"exec", "globals", "setattr"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """Where names are looked up.

    Attributes:
        source: The module.
        names: What each name stands for; None where that cannot be read.
        outer: Where a name that is not here is looked up next.
    """

    source: Source
    names: dict[str, Bound | Imported | None] = field(default_factory=dict)
    outer: Scope | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Bound:
    """A piece of source and the scope in which it stands; a module where the node is its tree."""

    node: ast.AST
    scope: Scope


@dataclass(frozen=True, kw_only=True)
class Imported:
    """An imported module, or a name in one.

    Attributes:
        module: The module's dotted name.
        name: The name in it; empty for the module itself.
    """

    module: str
    name: str = ""

    @property
    def dotted(self) -> str:
        """The full name, such as ``zsl_bench.ModelCard``."""
        return f"{self.module}.{self.name}" if self.name else self.module


def module_scope(source: Source) -> Scope:
    """Return the scope of a module."""
    return _filled(Scope(source=source), source.tree.body)


def class_scope(definition: ast.ClassDef, scope: Scope) -> Scope:
    """Return the scope of a class's body."""
    return _filled(Scope(source=scope.source, outer=scope), definition.body)


def function_scope(function: Function, scope: Scope, call: Bound | None = None) -> Scope:
    """Return the scope of a function's body.

    Args:
        function: The function.
        scope: Where it is defined.
        call: The call whose arguments its parameters hold; None where nothing is known but that
            ``options`` may be handed over.
    """
    inner = Scope(source=scope.source, outer=scope)
    inner.names.update(_arguments(function.args, scope, call))
    return _filled(inner, function.body)


def is_dynamic(source: Source) -> bool:
    """Say whether a module may have names that its assignments and definitions do not show."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global) or (isinstance(node, ast.Name) and node.id in _DYNAMIC):
            return True
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            return True
    return "__getattr__" in module_scope(source).names


def imported_name(expression: ast.AST, scope: Scope) -> str:
    """Return the full name of an imported thing, such as ``zsl_bench.ModelCard``, or nothing."""
    parts = dotted_parts(expression)
    found = _find(parts[0], scope) if parts else None
    if not isinstance(found, Imported):
        return ""
    return ".".join((found.dotted, *parts[1:]))


def look_up(expression: ast.AST, scope: Scope) -> Bound | None:
    """Return what a name or a dotted name stands for, followed through imports of its package."""
    parts = dotted_parts(expression)
    if not parts:
        return None
    bound = _followed(_find(parts[0], scope), scope)
    for part in parts[1:]:
        if bound is None:
            return None
        bound = attribute(bound, part)
    return bound


def attribute(bound: Bound, name: str) -> Bound | None:
    """Return what a name in a module or a class stands for."""
    if isinstance(bound.node, ast.Module):
        found = bound.scope.names.get(name)
        module = bound.scope.source.module
        if name not in bound.scope.names or found == Imported(module=module, name=name):
            found = Imported(module=f"{module}.{name}")
        return _followed(found, bound.scope)
    if isinstance(bound.node, ast.ClassDef):
        inner = class_scope(bound.node, bound.scope)
        return _followed(inner.names.get(name), inner)
    return None


def dotted_parts(expression: ast.AST) -> tuple[str, ...]:
    """Return the parts of a dotted name, or nothing for any other expression."""
    if isinstance(expression, ast.Name):
        return (expression.id,)
    if isinstance(expression, ast.Attribute):
        before = dotted_parts(expression.value)
        return (*before, expression.attr) if before else ()
    return ()


def _find(name: str, scope: Scope) -> Bound | Imported | None:
    place: Scope | None = scope
    while place is not None:
        if name in place.names:
            return place.names[name]
        place = place.outer
    return None


def _followed(found: Bound | Imported | None, scope: Scope) -> Bound | None:
    if not isinstance(found, Imported):
        return found
    if found.module.partition(".")[0] != scope.source.module.partition(".")[0]:
        return None
    try:
        source = find_source(found.module)
    except BrokenSourceError:
        return None
    if source is None:
        return None
    module = Bound(node=source.tree, scope=module_scope(source))
    return attribute(module, found.name) if found.name else module


def _filled(scope: Scope, body: Sequence[ast.stmt]) -> Scope:
    """Add what statements bind; a name that is bound twice stands for nothing certain."""
    seen: set[str] = set()
    for name, found in _bindings(body, scope):
        scope.names[name] = None if name in seen or name in scope.names else found
        seen.add(name)
    return scope


def _bindings(
    body: Sequence[ast.stmt], scope: Scope
) -> Iterator[tuple[str, Bound | Imported | None]]:
    for statement in body:
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            yield statement.name, Bound(node=statement, scope=scope)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from _imports(statement, scope.source)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            yield from _assigned(statement, scope)
        else:
            yield from _changed(statement)
            yield from _stored(statement)
            for block in _blocks(statement):
                yield from _bindings(block, scope)


def _changed(statement: ast.stmt) -> Iterator[tuple[str, None]]:
    """Yield a name whose object a statement may change: ``x += y`` or ``x.update(y)``."""
    place: ast.AST | None = None
    if isinstance(statement, ast.AugAssign):
        place = statement.target
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        place = called.value if isinstance(called, ast.Attribute) else None
    if place is not None:
        yield from _base(place)


def _base(place: ast.AST) -> Iterator[tuple[str, None]]:
    while isinstance(place, (ast.Attribute, ast.Subscript)):
        place = place.value
    if isinstance(place, ast.Name):
        yield place.id, None


def _assigned(
    statement: ast.Assign | ast.AnnAssign, scope: Scope
) -> Iterator[tuple[str, Bound | None]]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if statement.value is None:
        return
    for target in targets:
        yield from _unpacked(target, statement.value, scope)


def _unpacked(
    target: ast.expr, value: ast.expr, scope: Scope
) -> Iterator[tuple[str, Bound | None]]:
    if isinstance(target, ast.Name):
        yield target.id, Bound(node=value, scope=scope)
        return
    left, right = (
        each.elts if isinstance(each, (ast.Tuple, ast.List)) else [] for each in (target, value)
    )
    starred = any(isinstance(each, ast.Starred) for each in (*left, *right))
    if starred or not left or len(left) != len(right):
        yield from _stored(target)
        return
    for one, its_value in zip(left, right, strict=True):
        yield from _unpacked(one, its_value, scope)


def _stored(node: ast.AST) -> Iterator[tuple[str, None]]:
    """Yield names that a loop, a ``with`` or an unpacking binds, outside inner blocks."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _stored(child)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, None
    elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
        yield from _base(node)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for clause in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield clause.body


def _imports(
    statement: ast.Import | ast.ImportFrom, source: Source
) -> Iterator[tuple[str, Imported]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, Imported(module=alias.name if alias.asname else top)
        return
    module = _absolute(statement, source)
    for alias in statement.names:
        yield alias.asname or alias.name, Imported(module=module, name=alias.name)


def _absolute(statement: ast.ImportFrom, source: Source) -> str:
    if not statement.level:
        return statement.module or ""
    parts = source.module.split(".")
    kept = len(parts) - statement.level + source.is_package
    return ".".join((*parts[: max(kept, 0)], *filter(None, [statement.module])))


def _arguments(
    arguments: ast.arguments, scope: Scope, call: Bound | None
) -> dict[str, Bound | Imported | None]:
    """Return what parameters hold: what the call hands over, else their defaults."""
    positional = [*arguments.posonlyargs, *arguments.args]
    found: dict[str, Bound | Imported | None] = {
        a.arg: None
        for a in (*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        if a is not None
    }
    defaults = [
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for parameter, default in defaults:
        if default is not None:
            found[parameter.arg] = Bound(node=default, scope=scope)
    if call is not None and isinstance(call.node, ast.Call):
        _hand_over(found, positional, call.node, call.scope)
    return found


def _hand_over(
    found: dict[str, Bound | Imported | None],
    positional: Sequence[ast.arg],
    call: ast.Call,
    scope: Scope,
) -> None:
    """Put a call's arguments in the place of defaults; unpacked ones leave nothing certain."""
    unpacked = any(isinstance(argument, ast.Starred) for argument in call.args)
    if unpacked or any(keyword.arg is None for keyword in call.keywords):
        found.update(dict.fromkeys(found))
        return
    is_method = bool(positional) and positional[0].arg in _BOUND
    for parameter, value in zip(positional[is_method:], call.args, strict=False):
        found[parameter.arg] = Bound(node=value, scope=scope)
    for keyword in call.keywords:
        if keyword.arg in found:
            found[keyword.arg] = Bound(node=keyword.value, scope=scope)
