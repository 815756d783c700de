"""What models of texts and images or videos share behind the plug-in interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from zsl_bench.adapters.common import PixelScale, embed_labels, embed_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.prompts import PromptSet


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """The two halves of an image-text model.

    Attributes:
        images: Normalised frames ``(N, 3, S, S)`` to vectors ``(N, D)``.
        texts: Texts to vectors ``(N, D)``, on the network's device.
        mean: Mean of the three colours, of levels from 0 to 1.
        std: Their deviation.
    """

    images: Callable[[Tensor], Tensor]
    texts: Callable[[list[str]], Tensor]
    mean: Sequence[float]
    std: Sequence[float]


class PromptedModel:
    """A network of two encoders, the templates around class labels, and a card.

    Args:
        network: The network that both encoders belong to, as the library makes it.
        encoders: Its two halves.
        card: What it wants to be handed and has seen.
        prompts: The templates around the class labels.
        source: Where the weights come from.
    """

    def __init__(
        self,
        network: Any,  # noqa: ANN401
        encoders: Encoders,
        *,
        card: ModelCard,
        prompts: PromptSet,
        source: str,
    ) -> None:
        self.network = network.eval()
        self.card = card
        self.prompts = prompts
        self.source = source
        self.encoders = encoders
        self.scale = PixelScale(encoders.mean, encoders.std)

    def to(self, device: torch.device | str) -> Self:
        """Move the network to a device and return the model."""
        self.network.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's weights by key."""
        state: dict[str, Tensor] = self.network.state_dict()
        return state


class EmbeddingModel(PromptedModel):
    """A model whose class vectors depend on the class texts alone."""

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length.

        The labels go into the templates; the unit vectors of a class's texts are averaged.
        """
        return embed_texts(classes, self.prompts, self.encoders.texts)

    def embed_labels(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class from its label alone, without templates, ``(C, D)``."""
        return embed_labels(classes, self.encoders.texts)
