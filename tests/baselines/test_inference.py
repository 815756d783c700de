"""The faster form of the paper's networks against the networks as they were written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.inference import FastNetwork, flatten_convolutions, fold_batch_norms
from zsl_bench.baselines.networks import ARCHITECTURES, create_network
from zsl_bench.device import Acceleration, is_accelerating
from zsl_bench.model import ModelCard
from zsl_bench.model_digest import state_digest, weights_digest


def lived_in(module, seed=0):
    """Give batch norms statistics and scales as after training, some of them negative."""
    random = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm3d):
            shape = norm.weight.shape
            with torch.no_grad():
                norm.running_mean.copy_(torch.randn(shape, generator=random) * 0.3)
                norm.running_var.copy_(torch.rand(shape, generator=random) * 2 + 0.1)
                norm.weight.copy_(torch.randn(shape, generator=random))
                norm.bias.copy_(torch.randn(shape, generator=random) * 0.2)
    return module.eval()


def levels(shape, seed=1):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, shape, dtype=np.uint8))


def clips_for(name, count=2):
    return levels((1, 16, 3, 112, 112) if name == "c3d" else (count, 8, 3, 56, 48))


def run(network, clips):
    with torch.no_grad():
        return network(clips)


def distance(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def model(name="r2plus1d_tiny", dim=300):
    return BaselineModel(
        lived_in(create_network(name, seed=0, dim=dim)),
        config=NetworkConfig(family="e2e", network=name, dim=dim),
        card=ModelCard(name="mine", trained_on=(), pretrained_on=()),
    )


@pytest.mark.parametrize(
    ("name", "device", "compiled"),
    [
        *((name, "cpu", False) for name in sorted(ARCHITECTURES)),
        ("r2plus1d_tiny", "cpu", True),
        ("r2plus1d_tiny", "cuda", False),
    ],
)
def test_every_network_gives_the_same_vectors_to_1e_5(name, device, compiled):
    network, clips = lived_in(create_network(name, seed=0)), clips_for(name)
    fast = FastNetwork(network, Acceleration(device=device, compiled=compiled))
    assert distance(run(fast, clips), run(network, clips)) < 1e-5


@pytest.mark.parametrize(
    ("name", "folded", "left", "flat"),
    [("r2plus1d_18", 37, 0, 34), ("r3d_18", 20, 0, 0), ("c3d", 0, 0, 0)],
)
def test_every_batch_norm_of_the_papers_networks_is_folded(name, folded, left, flat):
    network = create_network(name, seed=0).eval()
    assert fold_batch_norms(network) == folded
    assert sum(isinstance(module, nn.BatchNorm3d) for module in network.modules()) == left
    assert flatten_convolutions(network) == flat


def test_a_batch_norm_behind_a_pooling_stays():
    network = lived_in(create_network("r2plus1d_tiny", seed=0))
    fold_batch_norms(network)
    norms = [name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm3d)]
    assert norms == ["backbone.stem.2"]


def by_hand(x, convolution, norm):
    """Convolve and normalise in double precision, as the definitions say."""
    y = nn.functional.conv3d(
        x.double(), convolution.weight.double(), None, convolution.stride, convolution.padding
    )
    if convolution.bias is not None:
        y = y + convolution.bias.double().view(1, -1, 1, 1, 1)
    shape = (1, -1, 1, 1, 1)
    centred = y - norm.running_mean.double().view(shape)
    scaled = centred / (norm.running_var.double().view(shape) + norm.eps) ** 0.5
    return scaled * norm.weight.double().view(shape) + norm.bias.double().view(shape)


@settings(deadline=None, max_examples=40)
@given(
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    stride=st.tuples(*[st.integers(1, 2)] * 3),
    padding=st.tuples(*[st.integers(0, 1)] * 3),
    bias=st.booleans(),
    batch=st.integers(1, 3),
    last=st.booleans(),
)
def test_folding_and_flattening_keep_any_convolution(kernel, stride, padding, bias, batch, last):
    convolution = nn.Conv3d(3, 5, kernel, stride=stride, padding=padding, bias=bias)
    network = lived_in(nn.Sequential(convolution, nn.BatchNorm3d(5)))
    x = torch.randn(batch, 3, 4, 6, 5, generator=torch.Generator().manual_seed(3))
    expected = by_hand(x, *network).float().detach()
    assert fold_batch_norms(network) == 1
    flatten_convolutions(network)
    if last:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(run(network, x), expected, rtol=1e-4, atol=1e-4)


class Backwards(nn.Sequential):
    def forward(self, x):
        for module in reversed(self):
            x = module(x)
        return x


@pytest.mark.parametrize(
    "module",
    [
        Backwards(nn.Conv3d(3, 3, 1), nn.BatchNorm3d(3)),
        nn.Sequential(nn.BatchNorm3d(3), nn.Conv3d(3, 3, 1)),
        nn.Sequential(nn.Conv3d(3, 3, 1), nn.ReLU(), nn.BatchNorm3d(3)),
    ],
    ids=["own-order", "norm-first", "relu-between"],
)
def test_a_batch_norm_that_does_not_follow_a_convolution_stays(module):
    before = run(lived_in(module), x := torch.randn(2, 3, 2, 4, 4))
    assert fold_batch_norms(module) == 0
    torch.testing.assert_close(run(module, x), before)


@pytest.mark.parametrize(
    "more", [{"groups": 3}, {"dilation": (1, 2, 2)}, {"padding_mode": "circular"}], ids=str
)
def test_other_convolutions_stay_as_they_are(more):
    network = nn.Sequential(nn.Conv3d(3, 3, (1, 3, 3), padding=(0, 1, 1), **more))
    assert flatten_convolutions(network) == 0


def test_a_network_is_left_untouched():
    mine = model()
    before, digest = state_digest(mine.network.state_dict()), weights_digest(mine)
    kinds = [type(module) for module in mine.network.modules()]
    mine.accelerate(Acceleration())
    mine.embed_clips(clips_for("tiny"))
    assert state_digest(mine.state_dict()) == before
    assert weights_digest(mine) == digest
    assert [type(module) for module in mine.network.modules()] == kinds
    assert all(parameter.requires_grad for parameter in mine.network.parameters())
    assert mine.network.training is False


def test_a_model_is_accelerated_and_put_back():
    mine, clips = model(), clips_for("tiny")
    plain = run(mine.embed_clips, clips)
    assert is_accelerating(mine)
    mine.accelerate(Acceleration())
    fast = run(mine.embed_clips, clips)
    assert not torch.equal(fast, plain)
    assert distance(fast, plain) < 1e-5
    mine.accelerate(Acceleration(inference="reference"))
    assert torch.equal(run(mine.embed_clips, clips), plain)
    mine.accelerate(Acceleration())
    assert torch.equal(run(mine.to("cpu").embed_clips, clips), plain)


def test_an_accelerated_model_still_trains():
    mine, clips = model(), clips_for("tiny")
    mine.accelerate(Acceleration())
    mine.embed_clips(clips).sum().backward()
    gradients = [parameter.grad for parameter in mine.network.backbone.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("way", ["weights", "statistics", "load_state_dict", "replaced"])
def test_a_weight_that_changes_is_seen(way):
    mine, clips = model(), clips_for("tiny")
    mine.accelerate(Acceleration())
    before = run(mine.embed_clips, clips)
    head = mine.network.head
    with torch.no_grad():
        if way == "weights":
            head.weight.mul_(2)
        elif way == "statistics":
            mine.network.backbone.stem[5].running_mean.add_(1)
        elif way == "load_state_dict":
            mine.network.load_state_dict(model().network.state_dict())
            head.bias.add_(1)
        else:
            head.weight = nn.Parameter(head.weight * 2)
    found = run(mine.embed_clips, clips)
    assert torch.equal(found, run(mine.network, clips))
    assert distance(found, before) > 1e-3
    mine.accelerate(Acceleration())
    fast = run(mine.embed_clips, clips)
    assert not torch.equal(fast, found)
    assert distance(fast, found) < 1e-5


def test_in_training_mode_the_network_itself_runs():
    mine, clips = model(), clips_for("tiny")
    mine.accelerate(Acceleration())
    norm = mine.network.backbone.stem[5].train()
    before = norm.running_mean.clone()
    run(mine.embed_clips, clips)
    assert not torch.equal(norm.running_mean, before)
    assert mine.eval() is mine
    assert not norm.training


def test_on_a_cpu_a_clip_does_not_depend_on_its_batch():
    fast = FastNetwork(lived_in(create_network("r2plus1d_tiny", seed=0)), Acceleration())
    clips = clips_for("tiny", count=5)
    whole, singles = run(fast, clips), [run(fast, clip[None]) for clip in clips]
    assert torch.equal(whole, torch.cat(singles))
    assert run(fast, clips[:0]).shape == (0, 300)


def test_bf16_is_within_a_hundredth_of_fp32():
    network, clips = lived_in(create_network("r2plus1d_18", seed=0)), levels((3, 8, 3, 56, 56))
    fast = FastNetwork(network, Acceleration(precision="bf16"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(fast, clips)
    expected = run(network, clips)
    each = [distance(a, b) for a, b in zip(found, expected, strict=True)]
    assert 1e-5 < max(each) < 1e-2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("bf16", 1e-2)])
def test_on_a_gpu_the_vectors_are_the_same(precision, most):
    mine = model("r2plus1d_18").to("cuda")
    clips = levels((4, 16, 3, 112, 112)).cuda()
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        expected = run(mine.embed_clips, clips)
        mine.accelerate(Acceleration(precision=precision, device="cuda"))
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16"):
            found = run(mine.embed_clips, clips)
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    assert distance(found.float(), expected) < most
