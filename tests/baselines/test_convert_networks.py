"""Converted weights compute what the released networks compute, written out here once more.

The definitions below are plain functional calls over the released keys, from the papers of
R(2+1)D, R3D and C3D; nothing of the package or of torchvision takes part in them.
"""

import argparse
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from zsl_bench.baselines.convert.conversion import convert, save_conversion
from zsl_bench.registry import load_model

MEAN = torch.tensor([0.43216, 0.394666, 0.37645]).view(1, 3, 1, 1, 1)
DEVIATION = torch.tensor([0.22803, 0.22145, 0.216989]).view(1, 3, 1, 1, 1)
PLANES = (64, 128, 256, 512)


class Released:
    """Random weights under the released keys, made in the order in which they are asked for."""

    def __init__(self, seed):
        self.state = {}
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, key, shape, *, scale=None, low=None):
        if key not in self.state:
            values = torch.randn(shape, generator=self.generator)
            scale = math.sqrt(2 / math.prod(shape[1:])) if scale is None else scale
            self.state[key] = values.abs() * scale + low if low is not None else values * scale
        return self.state[key]

    def conv(self, key, x, out, kernel, stride=1, padding=0, *, bias=False):
        weight = self.draw(f"{key}.weight", (out, x.shape[1], *kernel))
        added = self.draw(f"{key}.bias", (out,), scale=0.1) if bias else None
        return functional.conv3d(x, weight, added, stride, padding)

    def norm(self, key, x):
        size = (x.shape[1],)
        mean = self.draw(f"{key}.running_mean", size, scale=0.3)
        variance = self.draw(f"{key}.running_var", size, scale=0.5, low=0.4)
        weight = self.draw(f"{key}.weight", size, scale=0.2, low=0.8)
        bias = self.draw(f"{key}.bias", size, scale=0.2)
        view = (1, -1, 1, 1, 1)
        unit = (x - mean.view(view)) / torch.sqrt(variance.view(view) + 1e-5)
        return unit * weight.view(view) + bias.view(view)

    def linear(self, key, x, out):
        weight = self.draw(f"{key}.weight", (out, x.shape[1]))
        return x @ weight.T + self.draw(f"{key}.bias", (out,), scale=0.1)

    def head(self, features):
        """Average over the clips, map to word vectors, scale to unit length."""
        vector = self.linear("regressor", features.mean(0, keepdim=True), 300)
        return vector / vector.norm(dim=1, keepdim=True)


def r2plus1d(net, x):
    def factored(key, x, out, middle, stride):
        x = net.conv(f"{key}.0", x, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1))
        x = net.norm(f"{key}.1", x).relu()
        return net.conv(f"{key}.3", x, out, (3, 1, 1), (stride, 1, 1), (1, 0, 0))

    def block(key, x, out, stride):
        middle = (x.shape[1] * out * 27) // (x.shape[1] * 9 + 3 * out)
        y = net.norm(f"{key}.conv1.1", factored(f"{key}.conv1.0", x, out, middle, stride)).relu()
        return net.norm(f"{key}.conv2.1", factored(f"{key}.conv2.0", y, out, middle, 1))

    x = net.conv("model.0.0", x, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3))
    x = net.norm("model.0.1", x).relu()
    x = net.norm("model.0.4", net.conv("model.0.3", x, 64, (3, 1, 1), 1, (1, 0, 0))).relu()
    return residual(net, x, block)


def r3d(net, x):
    def block(key, x, out, stride):
        y = net.conv(f"{key}.conv1.0", x, out, (3, 3, 3), stride, 1)
        y = net.norm(f"{key}.conv1.1", y).relu()
        return net.norm(f"{key}.conv2.1", net.conv(f"{key}.conv2.0", y, out, (3, 3, 3), 1, 1))

    x = net.conv("model.0.0", x, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3))
    return residual(net, net.norm("model.0.1", x).relu(), block)


def residual(net, x, block):
    for layer, out in enumerate(PLANES, start=1):
        for number in range(2):
            key, stride = f"model.{layer}.{number}", 2 if layer > 1 and number == 0 else 1
            y, shortcut = block(key, x, out, stride), x
            if stride == 2:
                shortcut = net.conv(f"{key}.downsample.0", x, out, (1, 1, 1), stride)
                shortcut = net.norm(f"{key}.downsample.1", shortcut)
            x = (y + shortcut).relu()
    return x.mean((2, 3, 4))


def c3d(net, x):
    sizes = {"1": 64, "2": 128, "3a": 256, "3b": 256, "4a": 512, "4b": 512, "5a": 512, "5b": 512}
    for name, out in sizes.items():
        x = net.conv(f"conv{name}", x, out, (3, 3, 3), 1, 1, bias=True).relu()
        if name == "1":
            x = functional.max_pool3d(x, (1, 2, 2), (1, 2, 2))
        elif name == "5b":
            x = functional.max_pool3d(x, (2, 2, 2), (2, 2, 2), (0, 1, 1))
        elif not name.endswith("a"):
            x = functional.max_pool3d(x, (2, 2, 2), (2, 2, 2))
    features = net.linear("fc6", x.flatten(1), 4096).relu()
    net.draw("fc7.weight", (40, 40))  # the released code has it and does not call it
    net.draw("fc7.bias", (40,))
    return features


DEFINITIONS = {"r2plus1d_18": r2plus1d, "r3d_18": r3d, "c3d": c3d}
SIZES = {"r2plus1d_18": (2, 5, 47), "r3d_18": (2, 5, 47), "c3d": (2, 16, 112)}


@pytest.mark.parametrize(
    ("name", "seed", "legacy"),
    [("r2plus1d_18", 1, True), ("r3d_18", 2, False), ("c3d", 3, False)],
)
def test_a_converted_network_computes_what_the_released_one_does(
    tmp_path, monkeypatch, name, seed, legacy
):
    clips, frames, size = SIZES[name]
    levels = torch.randint(
        256, (clips, frames, 3, size, size), generator=torch.Generator().manual_seed(seed)
    ).to(torch.uint8)
    net = Released(seed)
    with torch.inference_mode():
        x = (levels.permute(0, 2, 1, 3, 4).float() / 255 - MEAN) / DEVIATION
        expected = net.head(DEFINITIONS[name](net, x))
    file = tmp_path / "run.pth.tar"
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:3")
    torch.save(
        {
            "state_dict": {f"module.{key}": tensor for key, tensor in net.state.items()},
            "opt": argparse.Namespace(network=name, n_classes=664, lr=1e-3),
            "accuracy": np.float64(0.31),
        },
        file,
        _use_new_zipfile_serialization=not legacy,
    )
    monkeypatch.undo()
    weights = save_conversion(convert(file), tmp_path / "weights", name="paper")
    file.unlink()
    model = load_model(f"path:{weights}")
    with torch.inference_mode():
        vector = model.embed_clips(levels).mean(0, keepdim=True)
    ours = vector / vector.norm(dim=1, keepdim=True)
    assert expected.std() > 0.01
    assert torch.allclose(ours, expected, rtol=0, atol=1e-5)
    assert (ours - expected).abs().max() < 1e-5
    assert model.config.network == name
