"""The paper's model behind the plug-in interface: a network and the word vectors it points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zsl_bench.baselines.inference import FastNetwork
from zsl_bench.errors import WordVectorError
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.classes import ClassSet
    from zsl_bench.device import Acceleration
    from zsl_bench.model import ModelCard
    from zsl_bench.wordvectors import ClassVectors, WordVectors


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What a network is, apart from its weights.

    Attributes:
        family: ``e2e`` (trained end to end) or ``frozen`` (only the linear layer was trained).
        network: ``r2plus1d_18``, ``r3d_18``, ``c3d`` or ``r2plus1d_tiny``.
        dim: Length of the output, the size of the word vectors.
        backbone: torchvision weights that the backbone started from, such as
            ``R2Plus1D_18_Weights.KINETICS400_V1``; None for none of torchvision's.
    """

    family: str
    network: str
    dim: int
    backbone: str | None = None


class BaselineModel:
    """A network of the paper that points at word vectors: ``e2e`` and ``frozen`` alike.

    Args:
        network: The network; it is put in evaluation mode.
        config: What it is.
        card: What it has seen and wants to be handed.
        vectors: Word vectors, or what ``load_word_vectors`` takes; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.
        source: Where the weights come from, such as a path or a commit on the Hub.
    """

    def __init__(
        self,
        network: ZeroShotNetwork,
        *,
        config: NetworkConfig,
        card: ModelCard,
        vectors: WordVectors | str | Path | None = None,
        allow_approximate: bool = False,
        source: str = "",
    ) -> None:
        self.network = network.eval()
        self.config = config
        self.card = card
        self.vectors = vectors
        self.allow_approximate = allow_approximate
        self.source = source
        self._fast: FastNetwork | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.head.weight.device

    def to(self, device: torch.device | str) -> BaselineModel:
        """Move the network to a device and return the model, no longer accelerated."""
        self._fast = None
        self.network.to(device)
        return self

    def eval(self) -> BaselineModel:
        """Put the network in evaluation mode and return the model."""
        self.network.eval()
        return self

    def accelerate(self, options: Acceleration, /) -> None:
        """Embed clips by a faster copy of the network as it is now, or by itself again.

        The copy is used without gradients and in evaluation mode, until a weight changes.
        """
        fast = options.inference == "fast"
        self._fast = FastNetwork(self.network, options) if fast else None

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's weights by key."""
        return self.network.state_dict()

    def class_vectors(self, classes: ClassSet, /) -> ClassVectors:
        """Return the class vectors with their source and the words that had none.

        Raises:
            WordVectorError: A word has no vector and that is not allowed, or the vectors are of
                another size than the network's output.
        """
        made = class_vectors(classes, self.vectors, allow_approximate=self.allow_approximate)
        if made.matrix.shape[1] != self.config.dim:
            raise WordVectorError(
                f"class vectors of {classes.dataset} from {made.source}",
                found=f"vectors of length {made.matrix.shape[1]}",
                fix=f"give vectors of length {self.config.dim}, the output of {self.card.name}",
            )
        return made

    def embed_classes(self, classes: ClassSet, /) -> Tensor:
        """Return the class vectors ``(C, dim)``, float32, of unit length, on the model's device.

        Raises:
            WordVectorError: As :meth:`class_vectors` does.
        """
        return torch.from_numpy(self.class_vectors(classes).matrix.copy()).to(self.device)

    def embed_clips(self, clips: Tensor, /) -> Tensor:
        """Return one vector a clip, ``(B, dim)``, before unit length.

        Args:
            clips: ``(B, T, 3, H, W)``, RGB levels 0 to 255, uint8 or floating point.
        """
        fast = self._fast if self._fast and self._fast.stands_for(self.network) else None
        vectors: Tensor = (fast or self.network)(clips)
        return vectors

    def features(self, clips: Tensor, /) -> Tensor:
        """Return the vectors before the linear layer, ``(B, F)``, of clips ``(B, T, 3, H, W)``."""
        return self.network.features(clips)
