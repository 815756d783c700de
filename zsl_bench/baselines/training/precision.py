"""Half precision that can be trusted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


def exact_time_convolutions(network: nn.Module) -> None:
    """Compute convolutions over time in float32 even under autocast.

    On a CPU the bfloat16 gradient of the weights of a convolution over time reads memory that
    nobody wrote where the clip is down to two time steps, as it is in the last stage of every
    network of the paper (seen with torch 2.15: infinite or wrong values in most runs).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d) and module.kernel_size[0] > 1:
            module.forward = partial(_in_float32, module)  # type: ignore[method-assign]


def _in_float32(convolution: nn.Conv3d, inputs: Tensor) -> Tensor:
    with torch.autocast(inputs.device.type, enabled=False):
        output: Tensor = nn.Conv3d.forward(convolution, inputs.float())
        return output
