"""Models of videos and texts: one vector each, or a text's vector that depends on the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

from zsl_bench.adapters.common import encode_texts
from zsl_bench.adapters.prompted import EmbeddingModel, PromptedModel

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.classes import ClassSet


class VideoTextModel(EmbeddingModel):
    """A model of whole clips and texts; ``images`` of its encoders takes scaled clips."""

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``.

        Args:
            clips: ``(B, T, 3, S, S)``, RGB levels 0 to 255.
        """
        return self.encoders.images(self.scale(clips)).float()


class XClipModel(PromptedModel):
    """X-CLIP, which scores: the vector of a class depends on the clip.

    A clip's patches prompt the vector of every class text, and the score is the cosine of the two
    times the network's scale. Where a prompt set has several templates, the texts' vectors are
    averaged before they are prompted; with one it is the network's own ``logits_per_video``.

    Args:
        network: The network of transformers, ``XCLIPModel``.
        encoders: ``texts`` gives the vectors of texts before they are prompted; mean and deviation
            are those of the pixels. ``images`` brings scaled clips to the network's size.
        card: What it wants to be handed and has seen, with scores ``logits``.
        prompts: The templates around the class labels.
        source: Where the weights come from.
    """

    _texts: tuple[tuple[str, ...], Tensor] | None = None

    def to(self, device: torch.device | str) -> Self:
        """Move the network to a device and return the model."""
        self._texts = None
        return super().to(device)

    def score(self, clips: Tensor, classes: ClassSet, /) -> Tensor:
        """Return one logit a clip and class, ``(B, C)`` float32.

        The cosines are computed in float32, under autocast as well.

        Args:
            clips: ``(B, T, 3, S, S)``, RGB levels 0 to 255.
            classes: The classes; their texts are encoded once and kept for the next call.
        """
        pixels = self.encoders.images(self.scale(clips))
        videos, patches = self._videos(pixels)
        texts = self._class_texts(classes.labels).expand(len(clips), -1, -1)
        texts = texts + self.network.prompts_generator(texts, patches)
        with torch.autocast(clips.device.type, enabled=False):
            videos = torch.nn.functional.normalize(videos.float(), dim=-1)
            texts = torch.nn.functional.normalize(texts.float(), dim=-1)
            scale = self.network.logit_scale.float().exp()
            return torch.einsum("bd,bcd->bc", videos, scale * texts)

    def _videos(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors of clips ``(B, D)`` and what their patches prompt with, ``(B, P, D)``.

        Args:
            pixels: Scaled clips ``(B, T, 3, S, S)``.
        """
        network, count = self.network, len(pixels)
        seen = network.vision_model(pixel_values=pixels.flatten(0, 1))
        frames = network.visual_projection(seen.pooler_output)
        videos = network.mit(frames.view(count, pixels.shape[1], -1)).pooler_output
        patches = network.prompts_visual_layernorm(seen.last_hidden_state[:, 1:])
        patches = patches @ network.prompts_visual_projection
        patches = patches.view(count, pixels.shape[1], -1, videos.shape[-1]).mean(dim=1)
        return videos, patches

    def _class_texts(self, labels: tuple[str, ...]) -> Tensor:
        """Return the vectors of the classes before a clip prompts them, ``(C, D)``."""
        if self._texts is None or self._texts[0] != labels:
            texts = [self.prompts.texts(template, labels) for template in self.prompts.templates]
            vectors = [encode_texts(each, self.encoders.texts) for each in texts]
            self._texts = (labels, torch.stack(vectors).mean(dim=0))
        return self._texts[1]
