"""Checkpoints: what a run needs to go on, on disk whole or not at all.

A checkpoint is a folder of ``model.safetensors``, ``optimiser.safetensors`` and ``state.json``. The
last holds the SHA-256 of the others. The folder is written beside its place under a hidden name,
synced and then renamed, so that what has a checkpoint's name is complete. Nothing is pickled.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from zsl_bench.errors import ResultError, WeightsError, ZslBenchError, listing
from zsl_bench.files import (
    atomic_write,
    read_json,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_json,
)
from zsl_bench.state_files import read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

SCHEMA = 1
MODEL_FILE = "model.safetensors"
OPTIMISER_FILE = "optimiser.safetensors"
STATE_FILE = "state.json"
_STEP, _BEST = "step", "best"
_FILES = {_STEP: (MODEL_FILE, OPTIMISER_FILE), _BEST: (MODEL_FILE,)}
_NAME = re.compile(r"(step|best)-(\d{9,})(?:\.(\d+))?", re.ASCII)
_SAVING, _REMOVING = ".saving-", ".removing-"
_KEYS = {"schema", "position", "sha256", "state", "state_sha256"}


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a run has come.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished in the current epoch.
        total: Optimiser steps done in all.
    """

    epoch: int
    step: int
    total: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A checkpoint as read, every file of it checked.

    Attributes:
        path: Its folder.
        position: How far the run had come.
        model: The state dict.
        optimiser: What :func:`optimiser_tensors` gave; empty for a best checkpoint.
        state: Whatever else the run keeps, as JSON.
    """

    path: Path
    position: Position
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    state: dict[str, Any]


@dataclass(frozen=True, order=True)
class _Entry:
    """A folder with a checkpoint's name, ordered by age; ``again`` counts saves of one step."""

    total: int
    again: int
    path: Path = field(compare=False)


class CheckpointStore:
    """The checkpoints of one run, written by one process.

    Args:
        folder: Where they are; made at the first save.
        keep: How many stay.

    Attributes:
        notes: After :meth:`latest` or :meth:`best`, one line for every checkpoint passed over.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self.notes: tuple[str, ...] = ()
        for stale in self._hidden():
            shutil.rmtree(stale, ignore_errors=True)

    def save(
        self,
        position: Position,
        *,
        model: Mapping[str, Tensor],
        optimiser: Mapping[str, Tensor],
        state: Mapping[str, Any],
    ) -> Path:
        """Save a checkpoint, then remove the ones that it makes needless.

        The newest ``keep`` up to this position stay. Later ones are left from a run that did not go
        on from them, because they were damaged, and go too.

        Args:
            position: How far the run has come.
            model: The state dict.
            optimiser: See :func:`optimiser_tensors`.
            state: Whatever else the run needs to go on, as JSON without NaN.

        Returns:
            Its folder.

        Raises:
            ResultError: There is no space or no permission; the earlier checkpoints stay whole.
        """
        tensors = {MODEL_FILE: model, OPTIMISER_FILE: optimiser}
        return self._save(_STEP, position, tensors, state, keep=self.keep)

    def save_best(
        self, position: Position, *, model: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> Path:
        """Save the best weights so far.

        As many before them stay as a run may go back to: one for each checkpoint that is kept.

        Raises:
            ResultError: There is no space or no permission; the ones before stay whole.
        """
        return self._save(_BEST, position, {MODEL_FILE: model}, state, keep=self.keep + 1)

    def forget_best_after(self, total: int) -> None:
        """Remove best weights of steps behind a checkpoint that the run goes back to."""
        for entry in self._entries(_BEST):
            if entry.total > total:
                shutil.rmtree(entry.path, ignore_errors=True)

    def latest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None; :attr:`notes` names those passed over."""
        return self._newest(_STEP)

    def best(self) -> Checkpoint | None:
        """Return the newest whole checkpoint of the best weights, or None."""
        return self._newest(_BEST)

    def _save(
        self,
        kind: str,
        position: Position,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        *,
        keep: int,
    ) -> Path:
        again = [e.again for e in self._entries(kind) if e.total == position.total]
        suffix = f".{max(again) + 1}" if again else ""
        place = self.folder / f"{kind}-{position.total:09d}{suffix}"
        with _told(place):
            self.folder.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(dir=self.folder, prefix=_SAVING))
            try:
                _write(staged, position, tensors, state)
                staged.chmod(self.folder.stat().st_mode & 0o777)
                staged.replace(place)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
            _sync_folder(self.folder)
        self._remove(kind, upto=place, keep=keep)
        return place

    def _remove(self, kind: str, *, upto: Path, keep: int) -> None:
        entries = self._entries(kind)
        newest = next(e for e in entries if e.path == upto)
        kept = [e for e in entries if e.total < newest.total][-keep + 1 :] if keep > 1 else []
        for entry in entries:
            if entry is newest or entry in kept:
                continue
            hidden = self.folder / f"{_REMOVING}{entry.path.name}"
            with _told(upto):
                entry.path.replace(hidden)
            shutil.rmtree(hidden, ignore_errors=True)

    def _newest(self, kind: str) -> Checkpoint | None:
        notes: list[str] = []
        found = None
        for entry in reversed(self._entries(kind)):
            try:
                found = _read(entry, _FILES[kind])
                break
            except ZslBenchError as damage:
                file = Path(damage.asked).name
                notes.append(f"checkpoint {entry.path.name} passed over: {file}: {damage.found}")
        self.notes = tuple(notes)
        return found

    def _entries(self, kind: str) -> list[_Entry]:
        """Return the folders with a checkpoint's name, oldest first."""
        found = []
        for path in self._paths():
            match = _NAME.fullmatch(path.name)
            if match is not None and match[1] == kind:
                found.append(_Entry(int(match[2]), int(match[3] or 0), path))
        return sorted(found)

    def _hidden(self) -> list[Path]:
        return [p for p in self._paths() if p.name.startswith((_SAVING, _REMOVING))]

    def _paths(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors, such as ``exp_avg/head.weight``.

    Args:
        optimiser: Any whose state of a parameter is tensors, such as Adam.
        parameters: The parameters that it trains, by name.

    Returns:
        The tensors by kind and parameter; empty before the first step.
    """
    return {
        f"{kind}/{name}": tensor
        for name, parameter in parameters.items()
        for kind, tensor in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(
    optimiser: torch.optim.Adam,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Give Adam the state that :func:`optimiser_tensors` returned.

    Args:
        optimiser: A fresh Adam over ``parameters``.
        parameters: The parameters that it trains, by name.
        tensors: The state; empty for that before the first step.

    Raises:
        WeightsError: A tensor is missing, unexpected, or of another shape or type; the optimiser
            is as before.
    """
    if not tensors:
        optimiser.state.clear()
        return
    made = {
        name: _fresh_state(parameter, _group_of(optimiser, parameter))
        for name, parameter in parameters.items()
    }
    wanted = {f"{kind}/{name}": t for name, state in made.items() for kind, t in state.items()}
    _check_tensors(wanted, tensors)
    for key, tensor in wanted.items():
        tensor.copy_(tensors[key])
    optimiser.state.clear()
    for name, parameter in parameters.items():
        optimiser.state[parameter] = made[name]


def _fresh_state(parameter: nn.Parameter, group: Mapping[str, Any]) -> dict[str, Tensor]:
    on_device = group["capturable"] or group["fused"]
    step = torch.zeros((), dtype=torch.float32, device=parameter.device if on_device else "cpu")
    kinds = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
    return {"step": step, **{kind: torch.zeros_like(parameter.detach()) for kind in kinds}}


def _group_of(optimiser: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Any]:
    for group in optimiser.param_groups:
        if any(parameter is trained for trained in group["params"]):
            return group
    raise WeightsError(
        "restore the optimiser",
        found="a parameter that it does not train",
        fix="hand over the parameters that it was made with",
    )


def _check_tensors(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    unlike = [
        key
        for key, tensor in wanted.items()
        if key in given and (given[key].shape, given[key].dtype) != (tensor.shape, tensor.dtype)
    ]
    problems = [
        f"{len(keys)} {kind} ({listing(sorted(keys), limit=3)})"
        for kind, keys in (
            ("tensors missing", wanted.keys() - given.keys()),
            ("unexpected tensors", given.keys() - wanted.keys()),
            ("tensors of another shape or type", unlike),
        )
        if keys
    ]
    if problems:
        raise WeightsError(
            "restore the optimiser",
            found=", ".join(problems),
            fix="resume with the network that the checkpoint was made with",
        )


def _write(
    folder: Path,
    position: Position,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
) -> None:
    digests = {}
    for name, content in tensors.items():
        data = save({key: t.detach().cpu().contiguous() for key, t in content.items()})
        digests[name] = sha256_bytes(data)
        with atomic_write(folder / name) as stream:
            stream.write(data)
    note = {"schema": SCHEMA, "position": asdict(position), "sha256": digests, "state": dict(state)}
    write_json(folder / STATE_FILE, {**note, "state_sha256": sha256_json(note["state"])})
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ResultError) as error:
        raise ResultError(
            f"save checkpoint {place}",
            found=error.found if isinstance(error, ResultError) else (error.strerror or str(error)),
            fix="free some space and go on with --resume; earlier checkpoints are whole",
        ) from error


def _read(entry: _Entry, files: tuple[str, ...]) -> Checkpoint:
    note = _note(entry, files)
    for name in files:
        if _digest(entry.path / name) != note["sha256"][name]:
            raise _damaged(entry.path / name, "not the file that was saved (SHA-256 differs)")
    tensors = {name: read_tensors(entry.path / name)[0] for name in files}
    return Checkpoint(
        path=entry.path,
        position=Position(**note["position"]),
        model=tensors[MODEL_FILE],
        optimiser=tensors.get(OPTIMISER_FILE, {}),
        state=note["state"],
    )


def _note(entry: _Entry, files: tuple[str, ...]) -> dict[str, Any]:
    """Return what ``state.json`` holds, or say why it is none that this module wrote."""
    path = entry.path / STATE_FILE
    value = read_json(path, what="state")
    if not isinstance(value, dict) or set(value) != _KEYS or not isinstance(value["state"], dict):
        raise _damaged(path, "not the state of a checkpoint")
    if value["schema"] != SCHEMA:
        raise _damaged(path, f"schema {value['schema']!r}, which this version does not read")
    if sha256_json(value["state"]) != value["state_sha256"]:
        raise _damaged(path, "changed since it was saved (SHA-256 differs)")
    position, digests = value["position"], value["sha256"]
    if (
        not isinstance(position, dict)
        or set(position) != {"epoch", "step", "total"}
        or not all(type(number) is int and number >= 0 for number in position.values())
        or position["total"] != entry.total
    ):
        raise _damaged(path, "no position of this step")
    if not isinstance(digests, dict) or set(digests) != set(files):
        raise _damaged(path, f"names other files than {' and '.join(files)}")
    return value


def _digest(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error


def _damaged(path: Path, found: str) -> ResultError:
    return ResultError(str(path), found=found, fix="resume from an earlier checkpoint")
