"""Image-text models such as CLIP as video models: the vectors of a clip's frames are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zsl_bench.adapters.prompted import EmbeddingModel

if TYPE_CHECKING:
    from torch import Tensor


class ImageTextModel(EmbeddingModel):
    """A model of images and texts; ``images`` of its encoders takes scaled frames."""

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, D)``: the mean of its frames' unit vectors.

        Args:
            clips: ``(B, T, 3, S, S)``, RGB levels 0 to 255.
        """
        vectors = self.encoders.images(self.scale(clips.flatten(0, 1))).float()
        unit = torch.nn.functional.normalize(vectors, dim=-1)
        return unit.view(*clips.shape[:2], -1).mean(dim=1)
