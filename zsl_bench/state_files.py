"""Reading weights from files, strictly and without running code that a file may carry."""

from __future__ import annotations

import json
import pickle
import re
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch.serialization import safe_globals

from zsl_bench.errors import WeightsError, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

METADATA_KEY = "zsl_bench"
PICKLE_SUFFIXES = (".pt", ".pth", ".tar", ".pkl")
SUFFIXES = (".safetensors", *PICKLE_SUFFIXES)
_PARALLEL = "module."
_MOST_REPEATED = 1 << 30
_DAMAGES = (
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,
    AssertionError,
    struct.error,
    zipfile.BadZipFile,
)
_NAMED_CODE = re.compile(r"GLOBAL (\S+)")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read every tensor of a safetensors file, and what this package wrote beside them.

    Args:
        path: The file.

    Returns:
        The tensors by key, on the CPU and independent of the file; the parsed JSON under
        ``zsl_bench`` in the file's metadata, or None.

    Raises:
        WeightsError: The file is missing, damaged or cut short.
    """
    asked = f"weights {path}"
    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            tensors = {key: opened.get_tensor(key).clone() for key in opened.keys()}  # noqa: SIM118
            note = (opened.metadata() or {}).get(METADATA_KEY)
        return tensors, None if note is None else json.loads(note)
    except OSError as error:
        raise _unreadable(asked, error) from error
    except (SafetensorError, ValueError, RecursionError) as error:
        raise WeightsError(
            asked,
            found=f"no whole safetensors file ({error})",
            fix="fetch or save it again",
        ) from error


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Read a state dict of tensors from a PyTorch pickle, never running code.

    A ``module.`` before every key, as data-parallel training leaves it, is taken off.

    Raises:
        WeightsError: The file is missing or damaged, holds code, or is no plain state dict.
    """
    asked = f"weights {path}"
    value = unpickle(path, asked=asked)
    if not isinstance(value, dict) or not value:
        raise WeightsError(
            asked, found=f"a {type(value).__name__}, no state dict", fix="save model.state_dict()"
        )
    others = [str(key) for key, item in value.items() if not isinstance(item, torch.Tensor)]
    hollow = [str(key) for key, item in value.items() if not others and not is_whole(item)]
    if hollow:
        raise WeightsError(
            asked, found=f"tensors without values of their own: {listing(hollow)}", fix="save anew"
        )
    if others:
        raise WeightsError(
            asked,
            found=f"a checkpoint rather than a plain state dict: {listing(others)} are no tensors",
            fix="save only its state dict",
        )
    return strip_parallel({str(key): tensor for key, tensor in value.items()})


def unpickle(
    path: Path, *, asked: str, stand_ins: Mapping[str, Callable[..., object]] | None = None
) -> object:
    """Read a PyTorch pickle of tensors and plain data, never running code.

    Args:
        path: The file; its tensors come to the CPU, wherever they were.
        asked: What is being read, for the message.
        stand_ins: What is made instead of a class or function that the file names, by its full
            name, such as ``argparse.Namespace``. What neither stands here nor is known to
            PyTorch as harmless is refused.

    Raises:
        WeightsError: The file is missing or damaged, or holds code.
    """
    try:
        with warnings.catch_warnings(), safe_globals(_named(stand_ins or {})):
            for said in ("Detected pickle protocol", "Validating sparse tensor"):
                warnings.filterwarnings("ignore", said, UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except pickle.UnpicklingError as error:
        raise WeightsError(
            asked,
            found=_why_not_unpickled(error),
            fix="give a state dict of tensors or safetensors",
        ) from error
    except OSError as error:
        raise _unreadable(asked, error) from error
    except _DAMAGES as error:
        raise WeightsError(
            asked,
            found=f"nothing that can be read safely ({_short(error)})",
            fix="fetch it again, or save it as safetensors",
        ) from error


def _named(stand_ins: Mapping[str, Callable[..., object]]) -> list[Callable[..., object] | Any]:
    return [(made, name) for name, made in stand_ins.items()]


def strip_parallel(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the ``module.`` that data-parallel training puts before keys."""
    if all(key.startswith(_PARALLEL) for key in state):
        return {key.removeprefix(_PARALLEL): tensor for key, tensor in state.items()}
    return dict(state)


def is_whole(tensor: Tensor) -> bool:
    """Return whether a tensor is in memory with a value for each of its elements.

    A view of few values under a shape of more than 1 GiB, which a small file can hold, is not.
    """
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    size = tensor.numel() * tensor.element_size()
    return size <= max(tensor.untyped_storage().nbytes(), _MOST_REPEATED)


def fill_network(network: nn.Module, state: Mapping[str, Tensor], *, asked: str) -> None:
    """Give an empty network its weights, every key accounted for.

    Args:
        network: A network whose weights are on the ``meta`` device; it takes over the tensors.
        state: Tensors by key.
        asked: What is being loaded into what, for the message.

    Raises:
        WeightsError: A key is missing, unexpected, of another shape or type, or not finite.
    """
    wanted = network.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    unlike = [
        f"{key} {_describe(state[key])} for {_describe(tensor)}"
        for key, tensor in wanted.items()
        if key in state and _describe(state[key]) != _describe(tensor)
    ]
    problems = [
        f"{len(keys)} {kind} ({listing(keys, limit=3)})"
        for kind, keys in (
            ("keys missing", missing),
            ("unexpected keys", unexpected),
            ("keys of another shape or type", unlike),
        )
        if keys
    ]
    if problems:
        raise WeightsError(
            asked, found=", ".join(problems), fix="give weights of this very network"
        )
    bad = [key for key, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise WeightsError(
            asked, found=f"values that are not finite in {listing(bad, limit=3)}", fix="train again"
        )
    network.load_state_dict(
        {key: tensor.contiguous() for key, tensor in state.items()}, assign=True
    )


def _unreadable(asked: str, error: OSError) -> WeightsError:
    return WeightsError(asked, found=error.strerror or str(error), fix="check the path")


def _describe(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {'x'.join(map(str, tensor.shape)) or 'scalar'}"


def _why_not_unpickled(error: pickle.UnpicklingError) -> str:
    named = _NAMED_CODE.search(str(error))
    return f"it contains code{f' ({named[1]})' if named else ' or is damaged'}; refused"


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
