"""The training loss: how far an output is from the word vector of its class (paper Eq. 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import normalize

if TYPE_CHECKING:
    from torch import Tensor


def word_vector_loss(kind: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of a batch.

    Args:
        kind: ``unit-l2``: the batch mean of the squared L2 distance between the output scaled to
            unit length and the unit class vector, 2 (1 - cosine). ``mse-released``: the same over
            the vectors' length, the mean over all numbers that the released code takes.
            ``eq2-raw``: paper Eq. 2 as printed, a sum over the batch without unit outputs.
        outputs: ``(B, D)``, as the network returns them.
        targets: ``(B, D)``, unit class vectors.

    Returns:
        A scalar in float32.
    """
    outputs = outputs.float()
    if kind == "eq2-raw":
        return (outputs - targets).square().sum()
    squared = (normalize(outputs, dim=1) - targets).square().sum(dim=1)
    loss = squared.mean()
    return loss / outputs.shape[1] if kind == "mse-released" else loss
