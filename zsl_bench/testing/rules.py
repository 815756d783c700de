"""The rules of the plug-in interface, each a function of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from zsl_bench.device import is_accelerating
from zsl_bench.errors import ModelError, ZslBenchError, listing
from zsl_bench.model import ModelCard, check_is_model, gives_scores
from zsl_bench.model_digest import state_digest
from zsl_bench.testing.ruling import Seen, rule_maker
from zsl_bench.testing.trial import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from zsl_bench.testing.trial import Observed, Trial

    Rule: TypeAlias = Callable[[Trial], None]

TOLERANCE = 1e-4
"""Relative difference that two ways of computing one vector may have."""
REPEAT_TOLERANCE = 1e-6
"""The same for two equal calls on a CPU."""
FAST_TOLERANCE = 1e-5
"""The same for a model's faster form and its reference."""

_COPIES = 3
_BOUNDS = {"cosine": (-1.0, 1.0), "probabilities": (0.0, 1.0)}


def _name(trial: Trial) -> str:
    card = getattr(trial.model, "card", None)
    name = card.name if isinstance(card, ModelCard) else type(trial.model).__name__
    return f"model {name!r}"


_rule = rule_maker(_name, let_through=(ZslBenchError,))


@_rule
def interface_is_met(trial: Trial) -> None:
    """The model has a card and embeds classes and clips, or scores clips."""
    try:
        check_is_model(trial.model, type(trial.model).__name__)
    except ModelError as error:
        raise Seen(error.found, error.fix) from error


@_rule
def card_is_complete(trial: Trial) -> None:
    """The card says in a line what the model is, and under which licence its weights are."""
    card: ModelCard = trial.model.card
    empty = [name for name in ("description", "licence") if not getattr(card, name).strip()]
    if empty:
        raise Seen(f"no {' and no '.join(empty)}", "fill it in; 'unknown' is an answer")


@_rule
def shapes_are_right(trial: Trial) -> None:
    """There is one row of floating-point numbers a clip and a class, all of one length."""
    columns = _matrix(trial.batch, BATCH).shape[1]
    _matrix(trial.singles[0], 1)
    count = len(trial.classes)
    if gives_scores(trial.model):
        if columns != count:
            raise Seen(f"{columns} scores a clip for {count} classes", "return one score a class")
        return
    length = _matrix(trial.embedded, count).shape[1]
    if length != columns:
        raise Seen(
            f"clip vectors of length {columns}, class vectors of length {length}",
            "embed both into one space",
        )


@_rule
def device_is_kept(trial: Trial) -> None:
    """What the model returns is on the device that it was asked to use."""
    import torch

    asked = torch.device(trial.device)
    for observed in _observations(trial):
        actual = observed.output.device
        if actual.type != asked.type or (asked.index or 0) != (actual.index or 0):
            raise Seen(f"{actual} where {asked} was asked", "compute where the clips are")


@_rule
def values_are_finite(trial: Trial) -> None:
    """Noise, black and white clips and every class give finite numbers; no class vector is 0."""
    for observed, what in ((trial.batch, "noise"), (_extremes(trial), "black and white clips")):
        if not np.isfinite(_numpy(observed)).all():
            raise Seen(f"numbers that are not finite for {what}", "guard divisions and logarithms")
    if gives_scores(trial.model):
        return
    lengths = np.linalg.norm(_numpy(trial.embedded), axis=1)
    bad = [
        name
        for name, length in zip(trial.classes.names, lengths, strict=True)
        if not 0 < length < np.inf
    ]
    if bad:
        raise Seen(f"zero or infinite vectors for {listing(bad)}", "give each class a direction")


@_rule
def scores_are_of_their_kind(trial: Trial) -> None:
    """Scores that are called cosines lie from -1 to 1, those called probabilities from 0 to 1."""
    kind = trial.model.card.scores
    if kind not in _BOUNDS or not gives_scores(trial.model):
        return
    scores = _numpy(trial.batch)
    least, most = _BOUNDS[kind]
    if scores.min() < least - TOLERANCE or scores.max() > most + TOLERANCE:
        raise Seen(
            f"scores from {scores.min():.3g} to {scores.max():.3g} called {kind}",
            "let the card's scores say logits, or return what it says",
        )


@_rule
def gradients_stay_off(trial: Trial) -> None:
    """Without gradients around it, the model records none and leaves them off."""
    for observed in _observations(trial):
        if observed.grad_enabled or observed.output.requires_grad:
            raise Seen("an output that records gradients", "do not switch gradients on")


@_rule
def input_is_untouched(trial: Trial) -> None:
    """The clips are only read."""
    if trial.batch.input_changed or trial.singles[0].input_changed:
        raise Seen("clips changed by the call", "use operations that are not in place")


@_rule
def random_state_is_untouched(trial: Trial) -> None:
    """No global random generator is moved."""
    for observed in _observations(trial):
        if observed.random_changed:
            raise Seen(
                f"another state of {listing(observed.random_changed)}",
                "draw from a generator of the model's own, with a fixed seed",
            )


@_rule
def calls_repeat(trial: Trial) -> None:
    """Two calls with the same clips or classes give the same numbers."""
    tolerance = REPEAT_TOLERANCE if trial.device == "cpu" else TOLERANCE
    fix = "switch dropout and other chance off"
    again = trial.run(trial.clips[:1])
    _expect_equal(_numpy(again), _numpy(trial.singles[0]), "two calls", fix, tolerance)
    if not gives_scores(trial.model):
        rows = _numpy(trial.embed(trial.classes))
        _expect_equal(rows, _numpy(trial.embedded), "two calls", fix, tolerance)


@_rule
def batches_equal_singles(trial: Trial) -> None:
    """A batch of four clips equals four batches of one."""
    singles = np.concatenate([_numpy(observed) for observed in trial.singles])
    fix = "treat each clip by itself: batch norm in evaluation mode, no mean over the batch"
    _expect_equal(_numpy(trial.batch), singles, "batch and single clips", fix)


@_rule
def batch_mates_do_not_matter(trial: Trial) -> None:
    """A clip between a black and a white one gives what it gives alone."""
    fix = "let no clip look at the others of its batch"
    _expect_equal(
        _numpy(_extremes(trial))[1:2], _numpy(trial.singles[0]), "with and without mates", fix
    )


@_rule
def copies_score_as_one(trial: Trial) -> None:
    """A video of several copies of one clip scores as that one clip."""
    copies = _numpy(trial.run(trial.clips[:1].repeat_interleave(_COPIES, dim=0)))
    single = _numpy(trial.singles[0])
    if trial.model.card.pooling == "mean-of-unit" and not gives_scores(trial.model):
        copies, single = _unit(copies), _unit(single)
    pooled = copies.mean(axis=0, keepdims=True)
    _expect_equal(pooled, single, "copies and one clip", "give equal clips equal rows")


@_rule
def classes_permute(trial: Trial) -> None:
    """Reversing the classes reverses the rows of their vectors, or the columns of their scores."""
    order = list(reversed(range(len(trial.classes))))
    _expect_by_class(trial, order, "reversed classes")


@_rule
def classes_subset(trial: Trial) -> None:
    """Every second class gives the rows that these classes have among all.

    Probabilities are compared after scaling them to a sum of 1 over the fewer classes.
    """
    order = list(range(0, len(trial.classes), 2))
    _expect_by_class(trial, order, "a subset of the classes")


@_rule
def faster_form_agrees(trial: Trial) -> None:
    """A faster form gives the reference's numbers, keeps the weights and can be undone."""
    if not is_accelerating(trial.model):
        return
    before = _state(trial)
    trial.accelerate("reference")
    reference = _numpy(trial.run(trial.clips))
    trial.accelerate("fast")
    fast = _numpy(trial.run(trial.clips))
    changed = _state(trial) != before
    trial.accelerate("reference")
    undone = _numpy(trial.run(trial.clips))
    if changed or _state(trial) != before:
        raise Seen("another state_dict()", "accelerate a copy, and leave the weights alone")
    fix = "take only steps that give the same numbers in fp32"
    _expect_equal(fast, reference, "fast and reference", fix, FAST_TOLERANCE)
    tolerance = REPEAT_TOLERANCE if trial.device == "cpu" else TOLERANCE
    fix = "let accelerate with inference='reference' undo what 'fast' did"
    _expect_equal(undone, reference, "reference before and after fast", fix, tolerance)


RULES: tuple[Rule, ...] = (
    interface_is_met,
    card_is_complete,
    shapes_are_right,
    device_is_kept,
    values_are_finite,
    scores_are_of_their_kind,
    gradients_stay_off,
    input_is_untouched,
    random_state_is_untouched,
    calls_repeat,
    batches_equal_singles,
    batch_mates_do_not_matter,
    copies_score_as_one,
    classes_permute,
    classes_subset,
    faster_form_agrees,
)
"""Every rule, in the order in which they are checked."""


def _expect_by_class(trial: Trial, order: Sequence[int], what: str) -> None:
    chosen = trial.classes.select(trial.classes.names[i] for i in order)
    fix = "embed or score each class by its own name and words"
    if not gives_scores(trial.model):
        rows = _numpy(trial.embed(chosen))
        _expect_equal(rows, _numpy(trial.embedded)[order], what, fix)
        return
    scores, among_all = _numpy(trial.run(trial.clips[:1], chosen)), _numpy(trial.singles[0])
    expected = among_all[:, order]
    if trial.model.card.scores == "probabilities":
        scores, expected = (x / x.sum(axis=1, keepdims=True) for x in (scores, expected))
    _expect_equal(scores, expected, what, fix)


def _expect_equal(
    seen: np.ndarray, expected: np.ndarray, what: str, fix: str, tolerance: float = TOLERANCE
) -> None:
    if seen.shape != expected.shape:
        raise Seen(f"{what}: shapes {seen.shape} and {expected.shape}", fix)
    lengths = np.maximum(np.linalg.norm(expected, axis=1), np.finfo(np.float32).tiny)
    difference = float((np.linalg.norm(seen - expected, axis=1) / lengths).max())
    if not difference <= tolerance:
        raise Seen(f"{what} differ by {difference:.2g} of a vector's length", fix)


def _state(trial: Trial) -> str:
    state_dict = getattr(trial.model, "state_dict", None)
    return state_digest(state_dict()) if callable(state_dict) else ""


def _extremes(trial: Trial) -> Observed:
    import torch

    clip = trial.clips[:1]
    return trial.run(torch.cat([torch.zeros_like(clip), clip, torch.full_like(clip, 255)]))


def _observations(trial: Trial) -> tuple[Observed, ...]:
    return (trial.batch,) if gives_scores(trial.model) else (trial.batch, trial.embedded)


def _matrix(observed: Observed, rows: int) -> Tensor:
    import torch

    output = observed.output
    if not isinstance(output, torch.Tensor):
        raise Seen(f"a {type(output).__name__}", "return a torch tensor")
    if output.ndim != 2 or len(output) != rows or not output.is_floating_point():
        kind = str(output.dtype).removeprefix("torch.")
        raise Seen(
            f"{kind} of shape {tuple(output.shape)}", f"return floating point of shape ({rows}, D)"
        )
    return output


def _numpy(observed: Observed) -> np.ndarray:
    values: np.ndarray = observed.output.detach().double().cpu().numpy()
    return values


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
