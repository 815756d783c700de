"""A model on trial: its calls, watched for what they return and what they do on the way."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.classes import ClassSet, class_set_from_names
from zsl_bench.device import Acceleration, exact_fp32
from zsl_bench.model import guarded, is_scoring, scores_videos

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zsl_bench.model import VideoScoringModel

_CLASSES = ("archery", "playing guitar", "riding horse", "swimming", "walking dog")
BATCH = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What a call of the model returned, and what it did on the way.

    Attributes:
        output: What it returned.
        input_changed: Whether it wrote into the clips it was handed.
        random_changed: The random generators whose state it moved.
        grad_enabled: Whether it left gradients switched on.
    """

    output: Any
    input_changed: bool
    random_changed: tuple[str, ...]
    grad_enabled: bool


class Trial:
    """A model under test, with the clips and classes it is tried on.

    As in an evaluation, the model is put in evaluation mode and moved to the device first where it
    has ``eval`` and ``to``, and every call is made without gradients and without rounding to TF32.

    Args:
        model: The model.
        classes: Classes to embed or score; five everyday actions where none are given.
        device: Where the model should run, such as ``cpu`` or ``cuda:0``.

    Raises:
        ModelError: The model's own ``eval`` or ``to`` fails.
    """

    def __init__(
        self,
        *,
        model: Any,  # noqa: ANN401
        classes: ClassSet | None = None,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.classes = classes or class_set_from_names(
            _CLASSES, dataset="check-model", source="zsl_bench.testing"
        )
        self.device = device
        if callable(getattr(model, "eval", None)):
            guarded(model.eval, f"{type(model).__name__}: eval()")
        if callable(getattr(model, "to", None)):
            guarded(lambda: model.to(device), f"{type(model).__name__}: moving it to {device}")

    @cached_property
    def clips(self) -> Tensor:
        """Four different clips of noise, ``(4, T, 3, S, S)``, as the card asks for them."""
        import torch

        spec = self.model.card.clip
        shape = (BATCH, spec.frames, 3, spec.size, spec.size)
        levels = np.random.default_rng(0).random(shape, dtype=np.float32) * 255
        return torch.from_numpy(levels.round().astype(spec.dtype)).to(self.device)

    @cached_property
    def batch(self) -> Observed:
        """One call with the four clips."""
        return self.run(self.clips)

    @cached_property
    def singles(self) -> tuple[Observed, ...]:
        """Four calls with one clip each."""
        return tuple(self.run(clip[None]) for clip in self.clips)

    @cached_property
    def embedded(self) -> Observed:
        """One call with the classes, for a model that embeds them."""
        return self.embed(self.classes)

    def accelerate(self, inference: str) -> None:
        """Tell a model that has a faster form to be ``fast`` or the ``reference``, in fp32."""
        import torch

        kind = torch.device(self.device).type
        self.model.accelerate(Acceleration(inference=inference, device=kind))

    def run(self, clips: Tensor, classes: ClassSet | None = None) -> Observed:
        """Hand clips ``(B, T, 3, S, S)`` to ``embed_clips`` or ``score``.

        To a model that scores whole videos each clip is a video.
        """
        if scores_videos(self.model):
            return self._observe(partial(_score_singly, self.model, classes or self.classes), clips)
        if is_scoring(self.model):
            return self._observe(lambda x: self.model.score(x, classes or self.classes), clips)
        return self._observe(self.model.embed_clips, clips)

    def embed(self, classes: ClassSet) -> Observed:
        """Hand classes to ``embed_classes``."""
        return self._observe(lambda _: self.model.embed_classes(classes), self.clips[:1])

    def _observe(self, call: Callable[[Tensor], Any], clips: Tensor) -> Observed:
        import torch

        handed = clips.clone()
        before = random_states(self.device)
        with torch.no_grad(), exact_fp32("fp32"):
            output = call(handed)
            grad_enabled = torch.is_grad_enabled()
        after = random_states(self.device)
        return Observed(
            output=output,
            input_changed=not torch.equal(handed, clips),
            random_changed=tuple(name for name in before if before[name] != after[name]),
            grad_enabled=grad_enabled,
        )


def _score_singly(model: VideoScoringModel, classes: ClassSet, clips: Tensor) -> Tensor:
    """Score every clip as a video of its own."""
    import torch

    outputs = model.embed_clips(clips)
    features = outputs.float().cpu().numpy()[:, None]
    lengths = np.ones(len(features), dtype=np.int64)
    scores = np.asarray(model.score_videos(features, lengths, classes))
    return torch.from_numpy(scores).to(outputs.device)


def random_states(device: str) -> dict[str, bytes]:
    """Return the state of every global generator that a model might draw from."""
    import torch

    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
    states = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(numpy_state),
        "random": repr(random.getstate()).encode(),
    }
    if torch.device(device).type == "cuda":
        states["torch.cuda"] = torch.cuda.get_rng_state(device).numpy().tobytes()
    return states
