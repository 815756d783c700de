import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.models import video

from zsl_bench.baselines.networks import (
    ARCHITECTURES,
    VIDEO_MEAN,
    VIDEO_STD,
    Architecture,
    ZeroShotNetwork,
    create_network,
    empty_network,
    identify_network,
)
from zsl_bench.errors import ModelError, WeightsError


def levels(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def slow_normalise(clips):
    """Channel by channel, as the released transform does it: /255, minus mean, by deviation."""
    batch, frames, _, height, width = clips.shape
    out = np.empty((batch, 3, frames, height, width), dtype=np.float64)
    for c in range(3):
        out[:, c] = (clips[:, :, c].double().numpy() / 255 - VIDEO_MEAN[c]) / VIDEO_STD[c]
    return torch.from_numpy(out)


def slow_c3d(state, x):
    """C3D by its published table of layers, up to fc6."""
    for name, pool in (
        ("conv1", ((1, 2, 2), 0)),
        ("conv2", (2, 0)),
        ("conv3a", None),
        ("conv3b", (2, 0)),
        ("conv4a", None),
        ("conv4b", (2, 0)),
        ("conv5a", None),
        ("conv5b", (2, (0, 1, 1))),
    ):
        weight, bias = state[f"backbone.{name}.weight"], state[f"backbone.{name}.bias"]
        x = functional.relu(functional.conv3d(x, weight, bias, padding=1))
        if pool is not None:
            x = functional.max_pool3d(x, pool[0], stride=pool[0], padding=pool[1])
    assert x.shape[1:] == (512, 1, 4, 4)
    x = x.reshape(len(x), 8192) @ state["backbone.fc6.weight"].T + state["backbone.fc6.bias"]
    return torch.where(x > 0, x, 0.0)


@pytest.mark.parametrize(
    ("name", "published"), [("r2plus1d_18", 31_505_325), ("r3d_18", 33_371_472)]
)
def test_residual_networks_are_torchvisions_with_another_last_layer(name, published):
    network = create_network(name, seed=0).eval()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == published - (512 * 400 + 400) + (512 * 300 + 300)
    reference = getattr(video, name)(weights=None)
    state = {
        key.removeprefix("backbone."): tensor
        for key, tensor in network.state_dict().items()
        if key.startswith("backbone.")
    }
    reference.fc = torch.nn.Identity()
    reference.load_state_dict(state)
    clips = levels((2, 4, 3, 24, 24))
    with torch.no_grad():
        expected = reference.eval()(slow_normalise(clips).float())
        features, vectors = network.features(clips), network(clips)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    by_hand = expected @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(vectors, by_hand, rtol=1e-4, atol=1e-5)


def test_c3d_equals_its_definition():
    network = create_network("c3d", seed=1).eval()
    clips = levels((1, 16, 3, 112, 112))
    with torch.no_grad():
        features = network.features(clips)
        expected = slow_c3d(network.state_dict(), slow_normalise(clips).float())
    assert features.shape == (1, 4096)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_c3d_refuses_other_sizes_in_one_line():
    network = create_network("c3d", seed=0).eval()
    with pytest.raises(ModelError, match="clips of 8 frames of 112 x 112"):
        network(levels((1, 8, 3, 112, 112)))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_normalisation_equals_the_slow_one_and_leaves_the_clips_alone(dtype):
    network = ZeroShotNetwork(torch.nn.Identity(), feature_dim=8, dropout=0.0)
    clips = levels((2, 3, 3, 5, 7)).to(dtype)
    before = clips.clone()
    normalised = network.normalise(clips)
    assert normalised.dtype == torch.float32
    assert (normalised.double() - slow_normalise(clips)).abs().max() < 2e-6
    assert torch.equal(clips, before)
    assert not [key for key in network.state_dict() if "level" in key]


@pytest.mark.parametrize("shape", [(16, 3, 112, 112), (1, 3, 16, 112, 112), (1, 16, 112, 112, 3)])
def test_clips_of_another_layout_are_refused(shape):
    network = ZeroShotNetwork(torch.nn.Identity(), feature_dim=8, dropout=0.0)
    with pytest.raises(ModelError, match=r"\(clips, frames, 3, height, width\)"):
        network(torch.zeros(shape))


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_seed_gives_its_weights_and_moves_no_global_state(name):
    torch.manual_seed(5)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = create_network(name, seed=0)
    same, other = create_network(name, seed=0), create_network(name, seed=1)
    empty_network(name)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()  # noqa: NPY002
    for key, tensor in first.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[key]), key
    assert not torch.equal(first.head.weight, other.head.weight)
    assert first.training


def test_unknown_network_gets_a_near_match():
    with pytest.raises(ModelError, match="did you mean 'r2plus1d_18'"):
        create_network("r2plus1d18", seed=0)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_bare_state_dict_is_recognised(name):
    state = empty_network(name, dim=17).state_dict()
    assert identify_network(state, asked="weights x") == (name, 17)


def test_a_state_dict_of_something_else_is_refused():
    state = {"head.weight": torch.zeros(300, 512), "encoder.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"keys of no known network, such as 'encoder\.weight'"):
        identify_network(state, asked="weights x")


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_mean_of_vectors_is_the_vector_of_mean_features(clips, seed):
    """The harness pools outputs; the paper pools features before the linear layer."""
    generator = torch.Generator().manual_seed(seed)
    network = ZeroShotNetwork(torch.nn.Identity(), feature_dim=8, dropout=0.05, dim=6).eval()
    features = torch.randn(clips, 8, generator=generator)
    with torch.no_grad():
        pooled, paper = network.head(features).mean(0), network.head(features.mean(0))
    torch.testing.assert_close(pooled, paper, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("like", ["r2plus1d_18", "r2plus1d_tiny"])
def test_networks_with_equal_keys_are_told_apart_by_shapes(like, monkeypatch):
    plain = ARCHITECTURES[like]
    slim = Architecture(
        build=lambda: _halved(plain.build()),
        feature_dim=plain.feature_dim // 2,
        dropout=plain.dropout,
    )
    both = {f"a_{like}": slim, like: plain, f"z_{like}": slim}
    monkeypatch.setattr("zsl_bench.baselines.networks.ARCHITECTURES", both)
    assert empty_network(f"a_{like}").state_dict().keys() == empty_network(like).state_dict().keys()
    for name in (like, f"a_{like}"):
        state = empty_network(name, dim=17).state_dict()
        assert identify_network(state, asked="weights x") == (name, 17)


def _halved(backbone):
    """The same keys with tensors of half the length."""
    for module in backbone.modules():
        for name, tensor in list(module.named_parameters(recurse=False)):
            shape = (max(tensor.shape[0] // 2, 1), *tensor.shape[1:])
            setattr(module, name, torch.nn.Parameter(torch.empty(shape, device=tensor.device)))
    return backbone


def test_weights_of_other_widths_are_of_the_network_with_their_keys():
    state = {key: torch.empty(1) for key in empty_network("r3d_18").state_dict()}
    assert identify_network(state, asked="weights x")[0] == "r3d_18"


def test_the_tiny_network_is_small_and_takes_clips_of_eight_frames():
    network = create_network("r2plus1d_tiny", seed=0).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) < 1_000_000
    clips = levels((2, 8, 3, 56, 56))
    with torch.no_grad():
        features, vectors = network.features(clips), network(clips)
    assert features.shape == (2, 128)
    assert vectors.shape == (2, 300)
    torch.testing.assert_close(vectors, features @ network.head.weight.T + network.head.bias)
