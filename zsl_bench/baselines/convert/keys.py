"""What becomes of every key: the released spellings, ours, and how they are brought together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from zsl_bench.baselines.networks import empty_network, identify_network
from zsl_bench.errors import WeightsError, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from zsl_bench.baselines.convert.reading import Checkpoint

MAPPED, FILLED, DROPPED = "mapped", "filled", "dropped"
MISSING, UNEXPECTED, UNLIKE = "missing", "unexpected", "other shape"
PROBLEMS = (MISSING, UNEXPECTED, UNLIKE)
_BACKBONE, _HEAD, _COUNTER = "backbone.", "head.", "num_batches_tracked"
_PARALLEL, _CONTAINER, _REGRESSOR = "module.", "model.", "regressor."
_CHILDREN = ("stem", "layer1", "layer2", "layer3", "layer4")
_NUMBERED = re.compile(r"model\.([0-4])\.")
_TORCHVISION = tuple(f"{child}." for child in _CHILDREN)
_C3D = re.compile(r"(conv[1-5][ab]?|fc6)\.(weight|bias)")
_UNUSED = {"fc7.": "fc7 has no part in the features", "fc8.": "the classifier has no part in them"}
_CLASSIFIER = {"fc.": "the classifier of the pretraining is not used"}


@dataclass(frozen=True, kw_only=True)
class KeyReport:
    """What became of a key.

    Attributes:
        outcome: ``mapped``, ``filled`` (a batch-norm counter that old files lack), ``dropped``,
            or a problem: ``missing``, ``unexpected`` or ``other shape``.
        source: The key in the file; None where the file lacks it.
        target: The key in what is written; None where there is none.
        found: Type and shape in the file, such as ``float32 64x3x3x7x7``.
        wanted: Type and shape that the network has there.
        why: Why it is not simply mapped.
    """

    outcome: str
    source: str | None = None
    target: str | None = None
    found: str | None = None
    wanted: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyPlan:
    """A network, and what becomes of every key of a file for it.

    Attributes:
        network: Name of the network.
        dim: Length of its output.
        is_backbone: Whether the file holds a backbone alone, without the linear layer.
        keys: What becomes of each key, in the network's order, then what is left over.
        state: The tensors under our keys; whole only where there is no problem.
    """

    network: str
    dim: int
    is_backbone: bool
    keys: tuple[KeyReport, ...]
    state: Mapping[str, Tensor]

    def of(self, *outcomes: str) -> tuple[KeyReport, ...]:
        """Return the keys of some outcomes."""
        return tuple(key for key in self.keys if key.outcome in outcomes)


def our_key(key: str) -> tuple[str | None, str]:
    """Return our name of a key and, where it is to be dropped, None and the reason.

    Args:
        key: As the file has it; a leading ``module.`` is taken off. The released networks hold
            torchvision's children in a sequence, ``model.0`` to ``model.4``, or by name, and the
            linear layer as ``regressor``; C3D's layers stand at the top.
    """
    while key.startswith(_PARALLEL):
        key = key.removeprefix(_PARALLEL)
    if key.startswith(_REGRESSOR):
        return _HEAD + key.removeprefix(_REGRESSOR), ""
    if numbered := _NUMBERED.match(key):
        return f"{_BACKBONE}{_CHILDREN[int(numbered[1])]}.{key[numbered.end() :]}", ""
    key = key.removeprefix(_CONTAINER)
    for start, why in {**_UNUSED, **_CLASSIFIER}.items():
        if key.startswith(start):
            return None, why
    if key.startswith(_TORCHVISION) or _C3D.fullmatch(key):
        return _BACKBONE + key, ""
    return key, ""


def plan_keys(checkpoint: Checkpoint, *, network: str | None = None) -> KeyPlan:
    """Decide what becomes of every key of a checkpoint.

    Args:
        checkpoint: What was read.
        network: The network that it is for; None for the one with which it shares most tensors.

    Returns:
        The plan, problems included.

    Raises:
        ModelError: There is no network of that name.
        WeightsError: The keys are of no known network, or two of them are one.
    """
    asked = f"convert {checkpoint.path}"
    sources, dropped = _renamed(checkpoint.state, asked)
    state = {target: checkpoint.state[source] for target, source in sources.items()}
    if not any(key.startswith((_BACKBONE, _HEAD)) for key in state):
        raise WeightsError(
            asked,
            found=f"keys of no known network, such as {next(iter(checkpoint.state))[:80]!r}",
            fix="give a released checkpoint, a state dict of one, or torchvision or C3D weights",
        )
    best, dim = identify_network(state, asked=asked)
    if dim < 1:
        raise WeightsError(asked, found="a linear layer without outputs", fix="fetch it again")
    name = network or best
    is_backbone = checkpoint.options is None and not any(key.startswith(_HEAD) for key in state)
    wanted = {
        key: tensor
        for key, tensor in empty_network(name, dim=dim).state_dict().items()
        if not (is_backbone and key.startswith(_HEAD))
    }
    compared = [_compared(key, state.get(key), tensor) for key, tensor in wanted.items()]
    reports = [replace(key, source=sources.get(str(key.target))) for key in compared]
    left = [
        KeyReport(outcome=UNEXPECTED, source=sources[key], found=_shape(state[key]))
        for key in state
        if key not in wanted
    ]
    return KeyPlan(
        network=name,
        dim=dim,
        is_backbone=is_backbone,
        keys=(*reports, *left, *dropped),
        state=_filled(state, reports),
    )


def _renamed(state: Mapping[str, Tensor], asked: str) -> tuple[dict[str, str], list[KeyReport]]:
    sources: dict[str, str] = {}
    dropped = []
    for source, tensor in state.items():
        target, why = our_key(source)
        if target is None:
            found = _shape(tensor)
            dropped.append(KeyReport(outcome=DROPPED, source=source, found=found, why=why))
        elif target in sources:
            both = listing((sources[target], source))
            raise WeightsError(asked, found=f"{both} for one tensor", fix="give one of them")
        else:
            sources[target] = source
    return sources, dropped


def _compared(key: str, found: Tensor | None, wanted: Tensor) -> KeyReport:
    report = KeyReport(outcome=MAPPED, target=key, wanted=_shape(wanted))
    if found is None:
        if key.endswith(_COUNTER):
            return replace(report, outcome=FILLED, why="a counter that old files lack, set to 0")
        return replace(report, outcome=MISSING)
    report = replace(report, found=_shape(found))
    if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
        return replace(report, outcome=UNLIKE)
    if found.dtype != wanted.dtype:
        return replace(report, why=f"cast to {str(wanted.dtype).removeprefix('torch.')}")
    return report


def _filled(state: Mapping[str, Tensor], reports: Iterable[KeyReport]) -> dict[str, Tensor]:
    made = {}
    for report in reports:
        key = str(report.target)
        if report.outcome == FILLED:
            made[key] = torch.tensor(0)
        elif report.outcome == MAPPED:
            is_float = state[key].is_floating_point()
            made[key] = state[key].to(torch.float32 if is_float else torch.int64).contiguous()
    return made


def _shape(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
