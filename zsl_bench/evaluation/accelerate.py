"""A model made ready for many batches: accelerated, compiled, and measured for its memory."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from zsl_bench.device import (
    LEAST_BATCH,
    Acceleration,
    choose_batch_size,
    exact_fp32,
    fitting_batch_size,
    is_accelerating,
    is_out_of_memory,
)
from zsl_bench.errors import ModelError
from zsl_bench.model import guarded, is_scoring

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.settings import Settings
    from zsl_bench.model import Model, ZeroShotModel
    from zsl_bench.video import ClipSpec

_Made = TypeVar("_Made")


def accelerate(model: Model, settings: Settings, device: torch.device) -> None:
    """Tell a model that can be accelerated how it is about to be run.

    Raises:
        ModelError: The model's code fails.
    """
    asked = f"accelerate() of {model.card.name}"
    if is_accelerating(model):
        options = Acceleration(
            inference=settings.inference,
            precision=settings.precision,
            device=device.type,
            compiled=settings.compile,
        )
        guarded(partial(model.accelerate, options), asked)


def forward_of(
    model: Model, classes: ClassSet, *, precision: str, device: torch.device, compiled: bool = False
) -> Callable[[Tensor], Tensor]:
    """Return the model as one function of clips, without gradients and in the precision asked.

    Args:
        model: The model.
        classes: The classes, for a model that scores them itself.
        precision: ``fp32``, or ``bf16`` for autocast.
        device: Where the model is.
        compiled: Compile the function; it is fastest where all batches are equally large.
    """
    import torch

    call, asked = _call_of(model, classes)
    run = _compiled(call, device, asked) if compiled else _guarded(call, asked)

    def forward(clips: Tensor) -> Tensor:
        autocast = precision == "bf16"
        context = torch.autocast(device.type, dtype=torch.bfloat16) if autocast else nullcontext()
        with torch.no_grad(), context:
            return run(clips)

    return forward


def _call_of(model: Model, classes: ClassSet) -> tuple[Callable[[Tensor], Tensor], str]:
    if is_scoring(model):

        def score(clips: Tensor) -> Tensor:
            return model.score(clips, classes)

        return score, f"score of {model.card.name}"
    return cast("ZeroShotModel", model).embed_clips, f"embed_clips of {model.card.name}"


def _guarded(call: Callable[[Tensor], Tensor], asked: str) -> Callable[[Tensor], Tensor]:
    return lambda clips: guarded(partial(call, clips), asked)


def _compiled(
    call: Callable[[Tensor], Tensor], device: torch.device, asked: str
) -> Callable[[Tensor], Tensor]:
    """Return a function compiled by ``torch.compile``, on CUDA with graphs.

    A graph writes every output to the same place, so what it returns is copied. Where it fails, the
    model is run as it is: if that fails too, it is told instead.
    """
    import torch

    graphs = device.type == "cuda"
    mode = "reduce-overhead" if graphs else "default"
    compiling = partial(torch.compile, call, dynamic=False, mode=mode)
    fast = _compiling(compiling, asked)

    def run(clips: Tensor) -> Tensor:
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        plain = partial(guarded, partial(call, clips), asked)
        output: object = _compiling(partial(fast, clips), asked, plain)
        copied = output.clone() if graphs and isinstance(output, torch.Tensor) else output
        return cast("Tensor", copied)

    return run


def _compiling(
    step: Callable[[], _Made], asked: str, plain: Callable[[], object] | None = None
) -> _Made:
    """Run a step of compiling; a failure that the plain model does not share says so."""
    try:
        return guarded(step, asked)
    except ModelError as error:
        if error.__cause__ is None or is_out_of_memory(error):
            raise
        if plain is not None:
            plain()
        fix = "leave --compile out"
        raise ModelError(f"compile {asked}", found=error.found, fix=fix) from error.__cause__


def batch_size_of(
    forward: Callable[[Tensor], Tensor],
    spec: ClipSpec,
    *,
    precision: str,
    device: torch.device,
    measured: bool = True,
) -> int:
    """Return how many clips go through a model at once: on CUDA measured, else by the machine.

    Where the card does not hold two clips, it is the least batch, which is then run in halves.

    Args:
        forward: The model, not compiled.
        spec: The clips that it wants.
        precision: ``fp32`` or ``bf16``.
        device: Where it is.
        measured: Measure where that can be done; several processes leave it out, since they must
            agree and their cards may differ.

    Raises:
        ModelError: The model fails for another reason than a lack of memory.
    """
    if device.type != "cuda" or not measured:
        pixels = spec.frames * spec.size**2
        return choose_batch_size(device.type, pixels=pixels)
    import torch

    try:
        with exact_fp32(precision):
            one, two = (
                guarded(partial(_peak, forward, spec, clips, device), f"measure {clips} clips")
                for clips in (1, 2)
            )
    except ModelError as error:
        if not is_out_of_memory(error):
            raise
        torch.cuda.empty_cache()
        return LEAST_BATCH
    memory = torch.cuda.get_device_properties(device).total_memory
    return fitting_batch_size(one=one, two=two, memory=memory)


def _peak(
    forward: Callable[[Tensor], Tensor], spec: ClipSpec, count: int, device: torch.device
) -> int:
    """Return the bytes that a batch of clips takes on a CUDA card at its peak, the clips included.

    The second of two runs is measured: the first may make what stays.
    """
    import torch

    shape = (count, spec.frames, 3, spec.size, spec.size)
    before = 0
    for _ in range(2):
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        forward(torch.zeros(shape, dtype=getattr(torch, spec.dtype), device=device))
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - before)
