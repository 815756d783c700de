"""Image-text models such as CLIP as video models: the vectors of a clip's frames are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zsl_bench.adapters.common import PixelScale, embed_labels, embed_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

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


class ImageTextModel:
    """A model of images and texts behind the plug-in interface.

    Args:
        network: The network that both encoders belong to.
        encoders: Its two halves.
        card: What it wants to be handed and has seen.
        prompts: The templates around the class labels.
        source: Where the weights come from.
    """

    def __init__(
        self,
        network: nn.Module,
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
        self._encoders = encoders
        self._scale = PixelScale(encoders.mean, encoders.std)

    def to(self, device: torch.device | str) -> ImageTextModel:
        """Move the network to a device and return the model."""
        self.network.to(device)
        self._scale.to(device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's weights by key."""
        return self.network.state_dict()

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class, ``(C, D)``, float32, of unit length.

        The labels go into the templates; the unit vectors of a class's texts are averaged.
        """
        return embed_texts(classes, self.prompts, self._encoders.texts)

    def embed_labels(self, classes: ClassSet, /) -> Tensor:
        """Return one vector a class from its label alone, without templates, ``(C, D)``."""
        return embed_labels(classes, self._encoders.texts)

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``: the mean of its frames' unit vectors.

        Args:
            clips: ``(B, T, 3, S, S)``, RGB levels 0 to 255.
        """
        vectors = self._encoders.images(self._scale(clips.flatten(0, 1))).float()
        unit = torch.nn.functional.normalize(vectors, dim=-1)
        return unit.view(*clips.shape[:2], -1).mean(dim=1)
