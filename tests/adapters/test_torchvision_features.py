"""The features of torchvision's classifiers: what their last layer makes the logits of."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from zsl_bench.adapters.torchvision import VideoClassifier, load
from zsl_bench.baselines.extracted import ClipEncoder
from zsl_bench.errors import ModelError
from zsl_bench.model import LoadOptions


def classifier(name):
    torch.manual_seed(0)
    network = models.get_model(name, num_classes=4).eval()
    return VideoClassifier(network, mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))


@pytest.mark.parametrize(("name", "frames", "size"), [("mc3_18", 4, 32), ("swin3d_t", 4, 32)])
def test_the_last_layer_makes_the_logits_of_the_features(name, frames, size):
    model = classifier(name)
    clips = torch.randint(0, 256, (2, frames, 3, size, size)).float()
    with torch.no_grad():
        features, logits = model.features(clips), model(clips)
        assert features.shape == (2, model.last_layer.in_features)
        assert torch.allclose(model.last_layer(features), logits, atol=1e-5)
        assert torch.equal(model(clips), logits), "the hook is gone"


def test_a_network_without_a_last_linear_layer_has_no_features():
    model = classifier("s3d")
    assert model.last_layer is None
    with pytest.raises(ModelError, match="no linear layer"):
        model.features(torch.zeros(1, 14, 3, 32, 32))


def test_a_loaded_classifier_gives_features_and_not_class_vectors(tmp_path):
    torch.manual_seed(0)
    torch.save(models.get_model("mc3_18").state_dict(), tmp_path / "w.pth")
    options = LoadOptions(
        allow_approximate=True, settings={"frames": "2"}, weights=tmp_path / "w.pth"
    )
    encoder = ClipEncoder(load("mc3_18", options))
    assert encoder.output == "features"
    clips = torch.zeros(1, 2, 3, 112, 112, dtype=torch.uint8)
    with torch.no_grad():
        assert encoder.embed_clips(clips).shape == (1, 512)
        assert encoder.model.embed_clips(clips).shape == (1, 300)
