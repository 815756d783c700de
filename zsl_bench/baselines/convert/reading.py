"""Reading a checkpoint: its tensors, its options and its accuracy, and nothing that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.baselines.convert.stand_ins import STAND_INS, OptionsStandIn, plain, text_of
from zsl_bench.errors import WeightsError, listing
from zsl_bench.files import sha256_file
from zsl_bench.state_files import is_whole, read_tensors, unpickle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_STATE, _OPTIONS, _ACCURACY = _READ = "state_dict", "opt", "accuracy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        path: The file.
        sha256: Its SHA-256.
        state: Tensors by key, on the CPU, as the file names them.
        options: The options of the training that it stores, as JSON holds them; None for none.
        accuracy: The accuracy that it stores, as JSON holds it; None for none.
        ignored: Other entries of the file, such as an optimiser's.
    """

    path: Path
    sha256: str
    state: Mapping[str, Tensor]
    options: Mapping[str, Any] | None = None
    accuracy: Any = None
    ignored: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint in the released format, a plain state dict, or a safetensors file.

    Which of them it is shows in its content, not in its name. Of the classes that a pickle may name
    only tensors, ordered dictionaries, devices, ``argparse.Namespace`` and numpy numbers are read,
    the last two as plain data; a file that names any other is refused.

    Args:
        path: The file.

    Raises:
        WeightsError: The file is missing or damaged, holds code, or holds no state dict.
    """
    asked = f"convert {path}"
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise WeightsError(asked, found=found, fix="give the checkpoint's file")
    if _is_safetensors(path):
        state, note = read_tensors(path)
        if note is not None:
            raise WeightsError(
                asked, found="weights of zsl-bench already", fix="load them as path:FILE"
            )
        return Checkpoint(path=path, sha256=sha256_file(path), state=_checked(state, asked))
    content = unpickle(path, asked=asked, stand_ins=STAND_INS)
    if not isinstance(content, dict):
        raise WeightsError(
            asked,
            found=f"a {type(content).__name__}",
            fix="give a checkpoint with a state_dict, or a state dict",
        )
    if _STATE not in content:
        return Checkpoint(path=path, sha256=sha256_file(path), state=_checked(content, asked))
    return Checkpoint(
        path=path,
        sha256=sha256_file(path),
        state=_checked(content[_STATE], asked),
        options=_options(content.get(_OPTIONS), asked),
        accuracy=plain(content.get(_ACCURACY)),
        ignored=tuple(text_of(str(key)) for key in content if key not in _READ),
    )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(9)
    return start[8:9] == b"{" and start[7:8] == b"\0"


def _checked(state: object, asked: str) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not state:
        raise WeightsError(
            asked, found="no state dict", fix="give a checkpoint with one, or a state dict"
        )
    others = [str(key)[:80] for key, item in state.items() if type(item) not in _TENSORS]
    if others:
        raise WeightsError(
            asked,
            found=f"entries that are no tensors, and no state_dict: {listing(others)}",
            fix="give a checkpoint with a state_dict, or a state dict",
        )
    strange = [str(key)[:80] for key, item in state.items() if not is_whole(item)]
    if strange:
        raise WeightsError(
            asked, found=f"tensors without values of their own: {listing(strange)}", fix="save anew"
        )
    unprintable = [str(key)[:80] for key in state if not str(key).isprintable()]
    if unprintable:
        raise WeightsError(
            asked, found=f"keys that are no plain text: {listing(unprintable)}", fix="save anew"
        )
    return {str(key): item.detach() for key, item in state.items()}


_TENSORS = (torch.Tensor, torch.nn.Parameter)


def _options(value: object, asked: str) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, (dict, OptionsStandIn)):
        raise WeightsError(
            asked, found=f"options that are a {type(value).__name__}", fix="give a table of options"
        )
    options: dict[str, Any] = plain(value)
    return options
