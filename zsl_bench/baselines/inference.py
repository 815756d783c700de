"""The paper's networks as they are run fastest: the same function, in other arithmetic steps."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.device import Acceleration

_CPU_CLIPS = 1


class FastNetwork(nn.Module):
    """A private copy of a network that gives the same vectors in less time.

    Batch norm is folded into the convolutions before it, tensors lie with channels last, and on a
    CPU convolutions over time or over space alone run as convolutions in two dimensions.

    Args:
        network: The network; neither it nor its weights are touched.
        options: How it will be run.
    """

    def __init__(self, network: ZeroShotNetwork, options: Acceleration) -> None:
        super().__init__()
        made = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        folded = fold_batch_norms(made)
        on_cpu = options.device == "cpu"
        if on_cpu:
            flatten_convolutions(made)
        if on_cpu or (options.device == "cuda" and options.precision == "bf16"):
            _lay_channels_last(made)
        self.network = made
        self._clips = _CPU_CLIPS if on_cpu and folded and not options.compiled else None
        self._made_of = fingerprint(network)

    def stands_for(self, network: nn.Module) -> bool:
        """Say whether a network without gradients would give these vectors now.

        It must be in evaluation mode, and its tensors those of which the copy was made.
        """
        if torch.is_grad_enabled() or any(module.training for module in network.modules()):
            return False
        return fingerprint(network) == self._made_of

    def forward(self, clips: Tensor) -> Tensor:
        """Return one vector a clip, ``(B, dim)``, of clips ``(B, T, 3, H, W)``.

        On a CPU the clips of a network with batch norm run one by one: what a layer leaves behind
        is then small enough to be kept by the allocator, which saves a page fault for every 4 KiB
        of it. C3D, with fewer layers and larger filters, is faster in whole batches.
        """
        parts = torch.split(clips, self._clips or max(len(clips), 1))
        return torch.cat([self.network(part) for part in parts])


def fingerprint(network: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return where each parameter and buffer lies, and how often it was written to.

    Writing through ``tensor.data`` is not counted.
    """
    tensors = [*network.parameters(), *network.buffers()]
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)


def _lay_channels_last(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)


def fold_batch_norms(network: nn.Module) -> int:
    """Fold every batch norm that directly follows a convolution into it, in place.

    The products are taken in double precision. A batch norm behind anything else, such as a
    pooling, stays.

    Args:
        network: A network in evaluation mode.

    Returns:
        How many were folded.
    """
    folded = 0
    for parent in list(network.modules()):
        if not _is_plain_sequence(parent):
            continue
        for number in range(1, len(parent)):
            convolution, norm = _last_convolution(parent[number - 1]), parent[number]
            if convolution is not None and isinstance(norm, nn.BatchNorm3d):
                _fold(convolution, norm)
                parent[number] = nn.Identity()
                folded += 1
    return folded


def _is_plain_sequence(module: nn.Module) -> TypeGuard[nn.Sequential]:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _last_convolution(module: nn.Module) -> nn.Conv3d | None:
    """Return the convolution whose output is the module's output."""
    if isinstance(module, nn.Conv3d):
        return module
    if _is_plain_sequence(module) and len(module):
        return _last_convolution(module[-1])
    return None


def _fold(convolution: nn.Conv3d, norm: nn.BatchNorm3d) -> None:
    """Scale the filters of a convolution, so that it gives what the batch norm behind it gave."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None  # noqa: S101
    assert variance is not None  # noqa: S101
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    before = 0.0 if convolution.bias is None else convolution.bias.double()
    weight = convolution.weight.double() * scale.view(-1, 1, 1, 1, 1)
    bias = (before - mean.double()) * scale + norm.bias.double()
    for name, values in (("weight", weight), ("bias", bias)):
        folded = nn.Parameter(values.to(convolution.weight.dtype), requires_grad=False)
        setattr(convolution, name, folded)


def flatten_convolutions(network: nn.Module) -> int:
    """Put two-dimensional convolutions in the place of those over time or space alone.

    With channels last, frames are rows of one large batch, and the pixels of a frame one long row:
    neither takes a copy. On a CPU the kernels for two dimensions are faster, over time above all.

    Args:
        network: A network whose weights are not trained any more.

    Returns:
        How many were replaced.
    """
    replaced = 0
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            flat = _flat(child)
            if flat is not None:
                setattr(parent, name, flat)
                replaced += 1
    return replaced


def _flat(module: nn.Module) -> nn.Module | None:
    usual = {"dilation": (1, 1, 1), "groups": 1, "padding_mode": "zeros"}
    if not isinstance(module, nn.Conv3d) or any(getattr(module, k) != v for k, v in usual.items()):
        return None
    if isinstance(module.padding, str):
        return None
    axes = [
        module.kernel_size[axis] == 1 and module.stride[axis] == 1 and module.padding[axis] == 0
        for axis in range(3)
    ]
    if axes == [True, False, False]:
        return SpaceConvolution(module)
    return TimeConvolution(module) if axes == [False, True, True] else None


class SpaceConvolution(nn.Module):
    """A convolution with a kernel ``(1, h, w)``, run frame by frame.

    Args:
        convolution: What it stands for.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.frame = _two_dimensional(convolution, keep=(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, T, H, W)`` to ``(B, C', T, H', W')``."""
        batch, channels, frames, height, width = x.shape
        rows = x.transpose(1, 2).reshape(batch * frames, channels, height, width)
        y: Tensor = self.frame(rows.contiguous(memory_format=torch.channels_last))
        return y.reshape(batch, frames, *y.shape[1:]).transpose(1, 2)


class TimeConvolution(nn.Module):
    """A convolution with a kernel ``(t, 1, 1)``, run over pixels as if they were one row.

    Args:
        convolution: What it stands for.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.row = _two_dimensional(convolution, keep=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, T, H, W)`` to ``(B, C', T', H, W)``."""
        rows = x.contiguous(memory_format=torch.channels_last_3d).flatten(3)
        y: Tensor = self.row(rows)
        return y.reshape(*y.shape[:3], *x.shape[3:])


def _two_dimensional(convolution: nn.Conv3d, *, keep: tuple[int, int]) -> nn.Conv2d:
    """Return a convolution over two of the three axes; the kernel's length on the third is 1."""

    def kept(sizes: Any) -> tuple[int, int]:  # noqa: ANN401
        return sizes[keep[0]], sizes[keep[1]]

    weight = convolution.weight.detach()
    flat = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        kept(convolution.kernel_size),
        stride=kept(convolution.stride),
        padding=kept(convolution.padding),
        bias=convolution.bias is not None,
        device="meta",
    )
    (third,) = {0, 1, 2} - set(keep)
    values = weight.squeeze(2 + third).contiguous(memory_format=torch.channels_last)
    flat.weight = nn.Parameter(values, requires_grad=False)
    if convolution.bias is not None:
        flat.bias = nn.Parameter(convolution.bias.detach().clone(), requires_grad=False)
    return flat
