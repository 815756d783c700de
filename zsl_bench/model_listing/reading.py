"""Model cards, read from the source of a loader; nothing is imported or run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError, near_matches, one_line
from zsl_bench.model import ModelCard
from zsl_bench.model_listing.names import (
    Bound,
    Imported,
    attribute,
    class_scope,
    dotted_parts,
    function_scope,
    is_dynamic,
    look_up,
    module_scope,
)
from zsl_bench.model_listing.source_files import BrokenSourceError, find_source
from zsl_bench.model_listing.values import (
    NotLiteralError,
    is_ours,
    keywords_of,
    refuse_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zsl_bench.model import TrainingData
    from zsl_bench.model_listing.names import Function, Scope
    from zsl_bench.video import ClipSpec

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEEPEST = 12
_LONGEST = 200
_RETURN_SELF = frozenset({"cpu", "cuda", "eval", "float", "half", "requires_grad_", "to", "train"})
_ANY_CALL = ast.parse("called(*anything)", mode="eval").body
_PLACEHOLDER = "unread"
_CHECKED_TOGETHER = frozenset({"clip", "policy"})
_TEXTS = ("name", "policy", "licence", "description")


class Unread(Enum):
    """Why a field of a card is not known from the source."""

    WHEN_LOADED = "when loaded"
    FROM_WEIGHTS = "from its weights"


@dataclass(frozen=True, kw_only=True)
class ReadCard:
    """What the source states of a card; each field may be unread.

    Attributes:
        name: The card's name, which results carry.
        clip: What the model wants to be handed.
        policy: Default clip policy.
        trained_on: Classes of the labelled training data, as in a card.
        pretrained_on: Classes of the pretraining data, as in a card.
        licence: Licence of the weights.
        description: One line; the first line of the loader's docstring where the card is unread.
    """

    name: str | Unread = Unread.WHEN_LOADED
    clip: ClipSpec | Unread = Unread.WHEN_LOADED
    policy: str | Unread = Unread.WHEN_LOADED
    trained_on: TrainingData | Unread = Unread.WHEN_LOADED
    pretrained_on: TrainingData | Unread = Unread.WHEN_LOADED
    licence: str | Unread = Unread.WHEN_LOADED
    description: str | Unread = Unread.WHEN_LOADED


def read_card(loads: str) -> ReadCard:
    """Read the card of what ``package.module:attribute`` loads from its source.

    Understood are a class with ``card = ModelCard(...)``, a function that holds or returns such a
    call or makes such a class, and a module-level object, with literals, constants, ``ClipSpec``
    and ``load_class_set`` as values. What takes running the code to know stays unread.

    Raises:
        BrokenSourceError: The module or the attribute is not there, a file does not parse, an
            import is not installed, or the card is one that would be refused; or reading met what
            it has no other answer to.
    """
    module, _, name = loads.partition(":")
    if not name:
        raise BrokenSourceError(f"{loads!r} names no loader; spell it package.module:attribute")
    try:
        return _read(module, name)
    except BrokenSourceError:
        raise
    except RecursionError:
        return ReadCard()
    except Exception as error:  # a stranger's source may hold anything; other models still count
        found = one_line(f"{type(error).__name__}: {error}")[:_LONGEST]
        raise BrokenSourceError(f"its source cannot be read: {found}") from error


def _read(module: str, name: str) -> ReadCard:
    source = find_source(module)
    if source is None:
        return ReadCard()
    loader = _loader(Bound(node=source.tree, scope=module_scope(source)), name)
    if loader is None:
        return ReadCard()
    site = _card_call(loader)
    stated = _stated(site) if site else ReadCard()
    return _described_by(loader, stated) if isinstance(stated.description, Unread) else stated


def _loader(module: Bound, dotted: str) -> Bound | None:
    """Find the loader.

    Raises:
        BrokenSourceError: It is not there, for sure.
    """
    names = module.scope.names
    first, *rest = dotted.split(".")
    if first not in names and not is_dynamic(module.scope.source):
        public = [
            name
            for name, what in names.items()
            if not name.startswith("_") and not (isinstance(what, Imported) and not what.name)
        ]
        where = module.scope.source.module
        raise BrokenSourceError(f"no {first!r} in {where}; {near_matches(first, public)}")
    bound = attribute(module, first)
    for part in rest:
        bound = attribute(bound, part) if bound else None
    return bound


def _described_by(loader: Bound, card: ReadCard) -> ReadCard:
    documented = (*_FUNCTIONS, ast.ClassDef)
    text = ast.get_docstring(loader.node) if isinstance(loader.node, documented) else None
    values = {field.name: getattr(card, field.name) for field in fields(card)}
    return ReadCard(**values | {"description": text.splitlines()[0]}) if text else card


def _card_call(bound: Bound, depth: int = 0, call: Bound | None = None) -> Bound | None:
    """Follow a loader, class, object or expression to the call that makes its card."""
    node, scope = bound.node, bound.scope
    if depth > _DEEPEST:
        return None
    if isinstance(node, ast.ClassDef):
        return _of_class(bound, call, depth + 1)
    if isinstance(node, _FUNCTIONS):
        return _of_function(node, function_scope(node, scope, call), depth + 1)
    if isinstance(node, ast.Call):
        return _of_call(node, scope, depth + 1)
    if dotted_parts(node):
        found = look_up(node, scope)
        return _card_call(found, depth + 1) if found else None
    return None


def _of_call(call: ast.Call, scope: Scope, depth: int) -> Bound | None:
    here = Bound(node=call, scope=scope)
    if is_ours(call.func, scope, "ModelCard"):
        return here
    made_by = look_up(call.func, scope)
    if made_by is not None:
        return _card_call(made_by, depth, here)
    if dotted_parts(call.func)[-1:] == ("partial",) and call.args:
        first, *others = call.args
        later = ast.Call(func=first, args=others, keywords=call.keywords)
        return _card_call(Bound(node=later, scope=scope), depth)
    if isinstance(call.func, ast.Attribute) and call.func.attr in _RETURN_SELF:
        return _card_call(Bound(node=call.func.value, scope=scope), depth)
    return None


def _of_function(function: Function, scope: Scope, depth: int) -> Bound | None:
    """Find the one card that a function makes, returns, or has in a class that it makes."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    cards = [call for call in calls if is_ours(call.func, scope, "ModelCard")]
    if cards or _assigns_card(function):
        return Bound(node=cards[0], scope=scope) if len(cards) == 1 else None
    returned = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    return _only(_of_returned(value, function, scope, depth) for value in returned)


def _of_returned(value: ast.expr, function: Function, scope: Scope, depth: int) -> Bound | None:
    """Follow what a function returns; a name may be bound again to the same object."""
    if not isinstance(value, ast.Name) or scope.names.get(value.id, value) is not None:
        return _card_call(Bound(node=value, scope=scope), depth)
    given = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id == value.id for each in node.targets)
    ]
    made = [one for one in given if not _is_itself(one, value.id)]
    return _only(_card_call(Bound(node=one, scope=scope), depth) for one in made)


def _is_itself(value: ast.expr, name: str) -> bool:
    """Say whether a value is a name's own object, such as ``model.to(device)`` for ``model``."""
    called = value.func if isinstance(value, ast.Call) else None
    if not isinstance(called, ast.Attribute) or called.attr not in _RETURN_SELF:
        return False
    return dotted_parts(called.value) == (name,)


def _of_class(bound: Bound, call: Bound | None, depth: int) -> Bound | None:
    """Find the card in a class's body, in what its methods give ``self.card``, or in its bases."""
    definition = bound.node
    assert isinstance(definition, ast.ClassDef)  # noqa: S101
    inner = class_scope(definition, bound.scope)
    card = inner.names.get("card")
    given = list(_given_to_self(definition, bound.scope, call))
    if given:
        return _only(_card_call(one, depth) for one in given)
    if isinstance(card, Bound):
        return _card_call(card, depth)
    if "card" in inner.names:
        return None
    handed = Bound(node=_ANY_CALL, scope=bound.scope) if "__init__" in inner.names else call
    for base in definition.bases:
        above = look_up(base, bound.scope)
        found = _card_call(above, depth, handed) if above else None
        if found is not None:
            return found
    return None


def _given_to_self(definition: ast.ClassDef, scope: Scope, call: Bound | None) -> Iterator[Bound]:
    """Yield what methods assign to ``self.card``."""
    for method in definition.body:
        if not isinstance(method, _FUNCTIONS):
            continue
        made = call if method.name == "__init__" else Bound(node=_ANY_CALL, scope=scope)
        for value in _assigns_card(method):
            yield Bound(node=value, scope=function_scope(method, scope, made))


def _assigns_card(function: Function) -> list[ast.expr]:
    """Return what a function assigns to an attribute ``card`` of anything."""
    return [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Attribute) and each.attr == "card" for each in node.targets)
    ]


def _only(found: Iterable[Bound | None]) -> Bound | None:
    """Return the one call that all lead to."""
    calls = list(found)
    different = {id(call.node) if call else None for call in calls}
    return calls[0] if len(different) == 1 else None


def _stated(site: Bound) -> ReadCard:
    """Return what a call of ``ModelCard`` states.

    Raises:
        BrokenSourceError: The call would be refused.
    """
    assert isinstance(site.node, ast.Call)  # noqa: S101
    try:
        given = keywords_of(site.node, site.scope)
    except NotLiteralError:
        return ReadCard()
    if site.node.args:
        raise BrokenSourceError("ModelCard takes its fields by name")
    refuse_unknown(given, ModelCard)
    if "name" not in given:
        raise BrokenSourceError("ModelCard lacks a name")
    return _checked({name: _value_or_unread(read) for name, read in given.items()})


def _value_or_unread(read: Any) -> Any:  # noqa: ANN401
    try:
        return read()
    except NotLiteralError:
        return Unread.WHEN_LOADED


def _checked(given: Mapping[str, Any]) -> ReadCard:
    """Make a real card of what is known, so that what it would refuse shows."""
    unread = {name for name, value in given.items() if isinstance(value, Unread)}
    left_out = unread | (_CHECKED_TOGETHER if unread & _CHECKED_TOGETHER else set())
    known = {name: value for name, value in given.items() if name not in left_out}
    try:
        card = ModelCard(**{"name": _PLACEHOLDER, **known})
    except ZslBenchError as error:
        raise BrokenSourceError(str(error)) from error
    except (TypeError, AttributeError) as error:
        raise BrokenSourceError(f"its card: {error}") from error
    for name in _TEXTS:
        if not isinstance(known.get(name, ""), str):
            raise BrokenSourceError(f"its card: {name} is no text")
    kept = {name: value for name, value in given.items() if name in left_out}
    values = {field.name: getattr(card, field.name) for field in fields(ReadCard)}
    return ReadCard(**values | {name: kept[name] for name in values.keys() & kept.keys()})
