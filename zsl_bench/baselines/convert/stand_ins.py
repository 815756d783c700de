"""What stands in for the few classes that released checkpoints name beside tensors.

None of these does more than keep what it is given: no class of another package is made while a
checkpoint is read.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from zsl_bench.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NUMBER_CODE = re.compile(r"b1|[iu][1248]|f[248]")
_MAX_DEPTH, _MAX_ITEMS, _MAX_TEXT = 3, 64, 400


class OptionsStandIn:
    """Options as ``argparse`` leaves them, kept as a table."""

    __slots__ = ("values",)

    values: dict[str, object]

    def __new__(cls) -> Self:
        """Make an empty table."""
        made = super().__new__(cls)
        made.values = {}
        return made

    def __setstate__(self, state: object) -> None:
        """Take the options.

        Raises:
            TypeError: They are no table.
        """
        if not isinstance(state, dict):
            raise TypeError(f"options that are a {type(state).__name__}")
        self.values = {str(name): value for name, value in state.items()}


class TypeStandIn:
    """A numpy type by its code, such as ``f8``."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: object) -> None:
        """Take the byte order."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = str(state[1])

    def read(self, data: bytes) -> list[Any]:
        """Return numbers from their bytes.

        Raises:
            ValueError: They are no numbers.
        """
        if not _NUMBER_CODE.fullmatch(self.code):
            raise ValueError(f"numpy values of type {self.code[:20]!r}")
        numbers: list[Any] = np.frombuffer(data, dtype=np.dtype(self.order + self.code)).tolist()
        return numbers


class ArrayStandIn:
    """A numpy array as a plain list of its values."""

    __slots__ = ("values",)

    values: list[Any]

    def __new__(cls) -> Self:
        """Make an empty list."""
        made = super().__new__(cls)
        made.values = []
        return made

    def __setstate__(self, state: object) -> None:
        """Take the values, in the order in which they are stored.

        Raises:
            ValueError: They are no numbers.
        """
        match state:
            case (_, tuple(), TypeStandIn() as kind, _, bytes() as data):
                self.values = kind.read(data)
            case _:
                raise ValueError("a numpy array that does not hold numbers")


def _scalar(kind: object, data: object = b"") -> object:
    if not isinstance(kind, TypeStandIn) or not isinstance(data, bytes):
        raise TypeError("a numpy number without type and bytes")
    values = kind.read(data)
    if len(values) != 1:
        raise ValueError(f"a numpy number of {len(values)} values")
    return values[0]


def _array(*_: object) -> ArrayStandIn:
    return ArrayStandIn()


STAND_INS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {
        "argparse.Namespace": OptionsStandIn,
        "numpy.dtype": TypeStandIn,
        "numpy.ndarray": ArrayStandIn,
        **{
            f"numpy.{core}.multiarray.{name}": made
            for core in ("core", "_core")
            for name, made in (("scalar", _scalar), ("_reconstruct", _array))
        },
    }
)
"""The stand-ins by the full name of what they stand for."""


def plain(value: object, *, depth: int = 0) -> Any:  # noqa: ANN401
    """Return a value from a checkpoint as JSON holds it; what has no such form is described.

    Long lists and texts are cut short, and so is what is nested deeply.
    """
    if isinstance(value, OptionsStandIn):
        value = value.values
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, ArrayStandIn):
        value = value.values[0] if len(value.values) == 1 else value.values
    if isinstance(value, (dict, list, tuple)):
        return _nested(value, depth)
    return _single(value)


def text_of(value: str) -> str:
    """Return text of a checkpoint in one line that can be printed and stored, cut short."""
    return one_line(value)[:_MAX_TEXT]


def _nested(value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> object:
    if depth >= _MAX_DEPTH:
        return f"a {type(value).__name__} of {len(value)}, not kept"
    if isinstance(value, dict):
        items = list(value.items())[:_MAX_ITEMS]
        return {text_of(str(name)): plain(item, depth=depth + 1) for name, item in items}
    return [plain(item, depth=depth + 1) for item in value[:_MAX_ITEMS]]


def _single(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return text_of(value)
        case torch.device() | torch.dtype():
            return str(value)
        case torch.Tensor():
            return f"a tensor of shape {tuple(value.shape)}, not kept"
        case _:
            return f"a {type(value).__name__}, not kept"
