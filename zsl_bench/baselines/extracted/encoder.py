"""A model seen as what makes clip features, without its classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from zsl_bench.baselines.extracted.record import EMBED_CLIPS, FEATURES
from zsl_bench.errors import ModelError
from zsl_bench.model_digest import source_digest, weights_identity

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.model import Model, ModelCard


class ClipEncoder:
    """The features of clips by a model, as the network was written and not its faster form.

    A model that has a method ``features(clips)`` is asked for these, the vectors before its last
    layer; any other for the outputs of ``embed_clips``.

    Args:
        model: The model.

    Attributes:
        output: ``features`` or ``embed_clips``.
        card: The model's card; what the features depend on beside its weights is in the settings.
        weights: What identifies the model's weights, and its code.
        source: Where the weights come from.

    Raises:
        ModelError: The model has neither method.
    """

    def __init__(self, model: Model) -> None:
        own = getattr(model, FEATURES, None)
        is_layer = isinstance(own, torch.nn.Module)
        self.output = FEATURES if callable(own) and not is_layer else EMBED_CLIPS
        if not callable(getattr(model, self.output, None)):
            raise ModelError(
                f"clip features of {model.card.name}",
                found="a model that scores clips and gives no vectors",
                fix="give a model with features(clips) or embed_clips(clips)",
            )
        self.model = model
        self.weights = {**weights_identity(model), "code": source_digest(model)}
        self.source: str | None = getattr(model, "source", None)
        settings = {
            **model.card.settings,
            "output": self.output,
            "backbone_code": self.weights["code"],
        }
        self.card: ModelCard = replace(model.card, pooling="mean", settings=settings)

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one feature a clip, ``(B, D)``, of clips ``(B, T, 3, H, W)``."""
        vectors: Tensor = getattr(self.model, self.output)(clips)
        return vectors

    def state_dict(self) -> dict[str, Tensor]:
        """Return the model's weights by key; none where it shows none."""
        own = getattr(self.model, "state_dict", None)
        return own() if callable(own) else {}

    def eval(self) -> ClipEncoder:
        """Put the model in evaluation mode where it has one."""
        if callable(getattr(self.model, "eval", None)):
            self.model.eval()  # type: ignore[union-attr]
        return self

    def to(self, device: torch.device | str) -> ClipEncoder:
        """Move the model to a device where it can be moved."""
        if callable(getattr(self.model, "to", None)):
            self.model.to(device)  # type: ignore[union-attr]
        return self
