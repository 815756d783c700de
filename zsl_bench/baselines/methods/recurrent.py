"""What recurrent methods share: scaled sequences, seeds, training with class-wise checks."""

from __future__ import annotations

import math
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zsl_bench.baselines.methods.validation import HELD_OUT, class_folds, mean_class_accuracy
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from zsl_bench.baselines.methods.base import FittedMethod, SeenVideos
    from zsl_bench.baselines.methods.inputs import ClipFeatures

Selection = Literal["keep", "refit", "last"]
SELECTIONS: tuple[Selection, ...] = ("keep", "refit", "last")
"""Which network is taken; see :class:`Plan`."""
BATCH = 128
"""Videos that go through a recurrent network at once when they are scored."""
_NETWORK = "network."


@dataclass(frozen=True, kw_only=True, eq=False)
class Sequences:
    """Clips of videos as a recurrent network reads them.

    Attributes:
        steps: ``(N, T, F)`` float32, zero behind a video's length.
        lengths: ``(N,)`` int64, clips of each video.
    """

    steps: Tensor
    lengths: Tensor

    @property
    def inside(self) -> Tensor:
        """``(N, T)`` bool, which steps are there."""
        return torch.arange(self.steps.shape[1]) < self.lengths[:, None]

    def take(self, rows: Tensor) -> Sequences:
        """Return some of the videos, no longer than the longest of them."""
        lengths = self.lengths[rows]
        return Sequences(steps=self.steps[rows, : int(lengths.max())], lengths=lengths)

    def with_steps(self, steps: Tensor) -> Sequences:
        """Return other numbers of the same videos."""
        return Sequences(steps=steps, lengths=self.lengths)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """What was measured on clips of seen training videos (METHODS: one deviation for all numbers).

    Attributes:
        mean: ``(D,)`` float64, over all clips.
        deviation: Standard deviation over all numbers of all clips, 1 where they are all alike.
    """

    mean: NDArray[np.float64]
    deviation: float

    @classmethod
    def of(cls, seen: ClipFeatures) -> Self:
        """Measure it on the seen training videos."""
        clips = int(seen.lengths.sum())
        mean = seen.lengths @ seen.means() / clips
        squares = sum(
            float(np.einsum("ntd,ntd->", part, part, dtype=np.float64))
            for part in (chunk.clips for chunk in seen.chunks())
        )
        square = squares / (clips * seen.dim)
        variance = square - float(np.square(mean).mean())
        return cls(mean=mean, deviation=math.sqrt(variance) if variance > 1e-12 * square else 1.0)

    def sequences(self, videos: ClipFeatures) -> Sequences:
        """Return scaled clips, no longer than the longest video."""
        clips = videos.clips[:, : int(videos.lengths.max())]
        scaled = (clips - self.mean.astype(np.float32)) / np.float32(self.deviation)
        return as_sequences(scaled, videos.lengths)


class Learner(Protocol):
    """A network that is being trained."""

    @property
    def network(self) -> nn.Module:
        """The network."""
        ...

    def advance(self, done: int) -> float:
        """Take one step more and return its loss.

        Args:
            done: Steps taken before.
        """
        ...

    def fitted(self, steps: int) -> FittedMethod:
        """Return the method as it is after some steps; it shares the network."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to train, and which network to take.

    Attributes:
        steps: Steps at most.
        check_every: Steps between two checks on held-out seen classes.
        selection: ``keep`` takes the network with the best accuracy on held-out seen classes, which
            has never learned from them; ``refit`` learns anew from all seen classes, for as many
            steps; ``last`` holds nothing out and takes all steps.
        held_out: Share of the seen classes that is held out.
        patience: Checks without a better accuracy after which to stop; 0 never stops.
    """

    steps: int
    check_every: int
    selection: Selection
    held_out: float = HELD_OUT
    patience: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Best:
    steps: int
    accuracy: float
    state: dict[str, Any]


def trained(
    seen: SeenVideos, make: Callable[[SeenVideos], Learner], plan: Plan
) -> tuple[Learner, int]:
    """Train a network, and choose its number of steps on seen classes alone.

    Where fewer than two classes could be learned from or be held out, nothing is held out. The
    first of equally good checks wins. The global random state of torch is left alone.

    Args:
        seen: Videos of seen classes.
        make: Starts a network on some videos; called with a seeded random state.
        plan: How long, and which network to take.

    Returns:
        The network, and how many steps it took.

    Raises:
        ModelError: The loss is not finite.
    """
    fold = None
    if plan.selection != "last":
        fold = next(class_folds(seen, held_out=plan.held_out, rounds=1), None)
    if fold is None:
        return _run(seen, make, plan.steps)
    with seeded(seen.seed):
        learner = make(fold.learned)
        best = _best(learner, fold.held_out, plan)
    if plan.selection == "refit":
        return _run(seen, make, best.steps)
    learner.network.load_state_dict(best.state)
    return learner, best.steps


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside, and give torch its own random state back after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def run_recurrent(layer: nn.RNNBase, sequences: Sequences) -> Tensor:
    """Run a recurrent layer, from the last step there is where it runs backwards.

    Args:
        layer: GRU or LSTM with ``batch_first``.
        sequences: ``(N, T, F)`` with N of at least 1.

    Returns:
        ``(N, T, H)``, zero behind a video's length.
    """
    steps, lengths = sequences.steps, sequences.lengths
    if int(lengths.min()) == steps.shape[1]:
        outputs: Tensor = layer(steps)[0]
        return outputs
    packed = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=steps.shape[1])[0]


def masked_mean(values: Tensor, sequences: Sequences) -> Tensor:
    """Return the mean over the steps that are there: ``(N, T, K)`` to ``(N, K)``."""
    kept = values.masked_fill(~sequences.inside[:, :, None], 0)
    return kept.sum(dim=1) / sequences.lengths[:, None]


def as_sequences(clips: NDArray[np.float32], lengths: NDArray[np.int64]) -> Sequences:
    """Return ``(N, T, F)`` float32 numbers as torch has them, cleared behind each length."""
    counts = torch.from_numpy(np.ascontiguousarray(lengths))
    steps = torch.from_numpy(np.ascontiguousarray(clips))
    sequences = Sequences(steps=steps, lengths=counts)
    return sequences.with_steps(steps.masked_fill(~sequences.inside[:, :, None], 0))


def as_tensor(vectors: NDArray[np.float64]) -> Tensor:
    """Return class vectors as float32."""
    return torch.from_numpy(vectors.astype(np.float32))


def batches(videos: ClipFeatures, size: int = BATCH) -> Iterator[ClipFeatures]:
    """Yield the videos, few enough at a time for a recurrent network."""
    return videos.chunks(size)


def network_arrays(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the weights of a network by name, for saving."""
    return {
        f"{_NETWORK}{name}": value.detach().numpy().copy()
        for name, value in network.state_dict().items()
    }


def restore_network(network: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put saved weights into a network.

    Raises:
        ValueError: They are those of another network.
    """
    state = {
        name.removeprefix(_NETWORK): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(_NETWORK)
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError("weights of another network") from error


def _run(
    seen: SeenVideos, make: Callable[[SeenVideos], Learner], steps: int
) -> tuple[Learner, int]:
    with seeded(seen.seed):
        learner = make(seen)
        for done in range(steps):
            _advance(learner, done)
    return learner, steps


def _best(learner: Learner, held_out: SeenVideos, plan: Plan) -> _Best:
    best, worse = _Best(steps=0, accuracy=-1.0, state={}), 0
    for step in range(1, plan.steps + 1):
        _advance(learner, step - 1)
        if step % plan.check_every and step < plan.steps:
            continue
        now = _checked(learner, held_out, step)
        worse = 0 if now.accuracy > best.accuracy else worse + 1
        best = best if worse else now
        if plan.patience and worse >= plan.patience:
            break
    return best


def _checked(learner: Learner, held_out: SeenVideos, steps: int) -> _Best:
    fitted = learner.fitted(steps)
    scores = [fitted.scored(part, held_out.class_vectors) for part in batches(held_out.videos)]
    accuracy = mean_class_accuracy(np.concatenate(scores), held_out.labels)
    return _Best(steps=steps, accuracy=accuracy, state=deepcopy(dict(learner.network.state_dict())))


def _advance(learner: Learner, done: int) -> None:
    loss = learner.advance(done)
    if not math.isfinite(loss):
        raise ModelError(
            f"train {learner.fitted(done).spec.name}",
            found=f"a loss that is not finite after {done + 1} steps",
            fix="lower learning_rate",
        )
