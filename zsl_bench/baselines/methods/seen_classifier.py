"""Learning on seen videos by gradient descent: what ``conse``, ``devise`` and the gate share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from zsl_bench.baselines.methods.inputs import Centring
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.methods.base import SeenVideos

    Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How parameters are moved.

    Attributes:
        learning_rate: Of Adam, at its highest.
        weight_decay: Added to the gradient as the weight times this.
        batch_size: Videos a step; all of them where there are no more.
        steps: How many.
        warm_up: First steps, in which the rate rises in equal parts.
        decay: Steps after those in which the rate falls to 0 along half a cosine; 0 leaves it.
        clip: Largest length of the gradient; 0 leaves it.
        check_every: Steps between two looks at held-out videos.
        patience: Looks in a row that may find no lower loss.
    """

    learning_rate: float
    weight_decay: float
    batch_size: int
    steps: int
    warm_up: int = 0
    decay: int = 0
    clip: float = 0.0
    check_every: int = 10
    patience: int = 3

    def rate(self, step: int) -> float:
        """Return the share of the learning rate at a step, counted from 0."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        if not self.decay:
            return 1.0
        progress = min((step - self.warm_up) / self.decay, 1.0)
        return 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Video vectors with their classes, as torch reads them.

    Attributes:
        rows: ``(N, D)`` float32.
        labels: ``(N,)`` int64.
    """

    rows: Tensor
    labels: Tensor

    @classmethod
    def of(cls, rows: Matrix, labels: NDArray[np.int64]) -> Self:
        """Copy them."""
        return cls(
            rows=torch.from_numpy(rows.astype(np.float32)), labels=torch.from_numpy(labels.copy())
        )

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return some of them."""
        mask = torch.from_numpy(chosen)
        return Examples(rows=self.rows[mask], labels=self.labels[mask])


def held_out_videos(labels: NDArray[np.int64], *, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose seen videos to hold out, at random; every class keeps a video to learn from.

    Args:
        labels: ``(N,)`` classes.
        share: Of all videos; fewer where the classes are too small for it.
        seed: Of the draw.

    Returns:
        ``(N,)``, which videos are held out.
    """
    order = np.random.default_rng([seed, 10]).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    spare = np.delete(order, first)
    held_out = np.zeros(len(labels), dtype=np.bool_)
    held_out[spare[: round(share * len(labels))]] = True
    return held_out


def descend(
    parameters: Sequence[Tensor],
    loss: Callable[[Tensor], Tensor],
    videos: int,
    plan: Descent,
    generator: torch.Generator,
) -> Iterator[int]:
    """Move parameters by Adam, and yield the number of steps made after each.

    Args:
        parameters: Tensors that want a gradient; changed in place.
        loss: Scalar loss of the videos at some positions.
        videos: How many videos there are.
        plan: How to move them.
        generator: Order of the videos; each is seen once before one is seen again.

    Raises:
        ModelError: The loss is not finite.
    """
    optimiser = torch.optim.Adam(parameters, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    batches = _batches(videos, plan.batch_size, generator)
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * plan.rate(step)
        optimiser.zero_grad()
        now = loss(next(batches))
        if not bool(now.isfinite()):
            raise ModelError(
                "training on seen videos",
                found=f"a loss that is not finite after {step + 1} steps",
                fix="lower learning_rate",
            )
        now.backward()  # type: ignore[no-untyped-call]
        if plan.clip:
            torch.nn.utils.clip_grad_norm_(parameters, plan.clip)
        optimiser.step()
        yield step + 1


def ranking_loss(scores: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Return the sum over wrong classes of ``max(0, margin - s_y + s_j)``, its mean over a batch.

    Args:
        scores: ``(B, C)``.
        labels: ``(B,)`` columns of the true classes.
        margin: By how much the true class should lead.
    """
    own = scores.gather(1, labels[:, None])
    short = (margin - own + scores).clamp(min=0)
    wrong = torch.ones_like(short).scatter(1, labels[:, None], 0.0)
    return (short * wrong).sum(dim=1).mean()


def train_to_best(
    parameters: Sequence[Tensor],
    logits: Callable[[Tensor], Tensor],
    examples: tuple[Examples, Examples],
    plan: Descent,
    generator: torch.Generator,
) -> None:
    """Fit a softmax classifier and leave the parameters of the lowest loss on held-out videos.

    Args:
        parameters: Tensors that want a gradient; changed in place.
        logits: ``(N, D)`` video vectors to ``(N, C)`` logits, of the parameters as they are.
        examples: Videos to learn from, and held-out ones; without those every step is made.
        plan: How to move the parameters and when to stop.
        generator: Order of the videos.
    """
    learned, held_out = examples

    def loss(rows: Tensor) -> Tensor:
        return cross_entropy(logits(learned.rows[rows]), learned.labels[rows])

    best, kept, waited = math.inf, [one.detach().clone() for one in parameters], 0
    for step in descend(parameters, loss, len(learned), plan, generator):
        if not len(held_out) or step % plan.check_every:
            continue
        with torch.no_grad():
            now = float(cross_entropy(logits(held_out.rows), held_out.labels))
        if now < best:
            best, kept, waited = now, [one.detach().clone() for one in parameters], 0
            continue
        waited += 1
        if waited >= plan.patience:
            break
    if math.isfinite(best):
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenClassifier:
    """A linear softmax classifier of seen classes.

    Attributes:
        centring: Measured on seen training videos.
        weights: ``(D, C)`` float32.
        bias: ``(C,)`` float32.
        scale: What logits are multiplied by.
    """

    centring: Centring
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: float

    @classmethod
    def of(cls, seen: SeenVideos, *, scale: float, held_out: float, plan: Descent) -> Self:
        """Train one from zero weights.

        Args:
            seen: Videos of seen classes.
            scale: What logits are multiplied by.
            held_out: Share of the videos that says when to stop.
            plan: How to train it.
        """
        centring = Centring.of(seen.videos)
        examples = Examples.of(centring.rows(seen.videos), seen.labels)
        kept_out = held_out_videos(seen.labels, share=held_out, seed=seen.seed)
        classes = len(seen.class_vectors)
        weights = torch.zeros(seen.videos.dim, classes, requires_grad=True)
        bias = torch.zeros(classes, requires_grad=True)
        train_to_best(
            (weights, bias),
            lambda rows: scale * (rows @ weights + bias),
            (examples.take(~kept_out), examples.take(kept_out)),
            plan,
            torch.Generator().manual_seed(seen.seed),
        )
        return cls(
            centring=centring,
            weights=weights.detach().numpy(),
            bias=bias.detach().numpy(),
            scale=scale,
        )

    def probabilities(self, rows: Matrix) -> Matrix:
        """Return the softmax over the seen classes, ``(N, C)``.

        Args:
            rows: ``(N, D)`` centred video vectors of unit length.
        """
        return softmax(self.scale * (rows @ self.weights.astype(np.float64) + self.bias))


def softmax(logits: Matrix) -> Matrix:
    """Return the softmax of each row."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Matrix = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _batches(videos: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    if videos <= size:
        everything = torch.arange(videos)
        while True:
            yield everything
    while True:
        yield from torch.split(torch.randperm(videos, generator=generator), size)
