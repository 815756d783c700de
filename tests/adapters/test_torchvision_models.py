"""torchvision's video classifiers by ConSE, against the library called directly."""

import hashlib
import pickle
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models
from torchvision.transforms.functional import normalize

from zsl_bench.adapters.torchvision import (
    PRETRAINING,
    VideoClassifier,
    clip_spec,
    default_policy,
    find_weights,
    load,
    seen_before,
    weight_classes,
)
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.evaluation import evaluate
from zsl_bench.model import LoadOptions, UsesWordVectors
from zsl_bench.registry import load_model
from zsl_bench.video import clip_policy, transform_frames
from zsl_bench.wordvectors import class_vectors

MC3 = models.video.MC3_18_Weights.KINETICS400_V1
EVERY = [
    weights
    for name in models.list_models(module=models.video)
    for weights in models.get_model_weights(name)
]
KINETICS = load_class_set("kinetics400")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.get_model("mc3_18").eval()


@pytest.fixture(scope="module")
def weights_file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("mc3") / "mc3.pth"
    torch.save(network.state_dict(), path)
    return path


def options(**keywords):
    settings = {"frames": "2", **keywords.pop("settings", {})}
    return LoadOptions(allow_approximate=True, settings=settings, **keywords)


@pytest.mark.parametrize("weights", EVERY, ids=str)
def test_the_card_of_all_weights(weights):
    name, found = find_weights(f"{_network_of(weights)}/{weights.name}", asked="test")
    assert found is weights
    assert weight_classes(weights).names == KINETICS.names
    stated = weights.meta["_docs"]
    rate = float(re.search(r"frame_rate=([\d.]+)", stated)[1])
    clips = int(re.search(r"clips_per_video=(\d+)", stated)[1])
    frames = int(re.search(r"clip_len=(\d+)", stated)[1])
    spec, crop = clip_spec(weights, frames=frames)
    assert spec.frames == frames >= weights.meta.get("min_temporal_size", 1)
    assert (crop or spec.size) == weights.transforms().crop_size[0]
    policy = clip_policy(default_policy(name, frames))
    assert (policy.clips, policy.frames, policy.stride) == (clips, frames, 30 / rate)


def _network_of(weights):
    return next(
        name
        for name in models.list_models(module=models.video)
        if weights in models.get_model_weights(name)
    )


def test_declared_pretraining_names_weights_that_there_are():
    assert set(PRETRAINING) <= {str(weights) for weights in EVERY}


def test_pretraining_as_the_sources_state_it():
    assert seen_before(MC3) == ()
    swin = models.video
    (imagenet,) = seen_before(swin.Swin3D_T_Weights.KINETICS400_V1)
    assert len(imagenet) == 1000
    assert "goldfish" in imagenet.names
    assert seen_before(swin.Swin3D_B_Weights.KINETICS400_IMAGENET22K_V1) is None
    assert seen_before(swin.S3D_Weights.KINETICS400_V1) is None


@pytest.mark.parametrize(
    ("weights", "shape"),
    [
        (MC3, (256, 342)),
        (models.video.MViT_V2_S_Weights.KINETICS400_V1, (288, 512)),
        (models.video.MViT_V2_S_Weights.KINETICS400_V1, (400, 300)),
        (models.video.Swin3D_T_Weights.KINETICS400_V1, (240, 320)),
        (models.video.S3D_Weights.KINETICS400_V1, (240, 426)),
    ],
    ids=str,
)
def test_pixels_are_those_of_the_librarys_own_transform(weights, shape):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    transform = weights.transforms()
    expected = transform(torch.from_numpy(frames).permute(0, 3, 1, 2))
    spec, crop = clip_spec(weights, frames=2)
    wrapped = VideoClassifier(
        torch.nn.Identity(), mean=transform.mean, std=transform.std, crop=crop
    )
    ours = wrapped(torch.from_numpy(transform_frames(frames, spec))[None])[0]
    level = 1 / 255 / min(transform.std)
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 1.01 * level
    assert (ours - expected).abs().mean() < 0.02 * level


def test_vectors_are_those_of_the_library_and_the_formula(network, weights_file):
    model = load_model("torchvision:mc3_18", options=options(weights=weights_file))
    clips = torch.randint(0, 256, (3, 2, 3, 112, 112), dtype=torch.uint8)
    before = clips.clone()
    transform = MC3.transforms()
    normalised = normalize(clips.float() / 255, transform.mean, transform.std)
    with torch.no_grad():
        logits = network(normalised.transpose(1, 2))
        ours = model.embed_clips(clips)
    assert torch.equal(clips, before)
    table = class_vectors(KINETICS, allow_approximate=True).matrix.astype(np.float64)
    probabilities = logits.double().softmax(dim=-1).numpy()
    expected = []
    for row in probabilities:
        top = np.argsort(-row)[:10]
        expected.append(row[top] @ table[top] / row[top].sum())
    assert np.abs(ours.numpy() - np.stack(expected)).max() < 1e-5
    assert isinstance(model, UsesWordVectors)
    assert model.card.clip.size == 112
    assert model.card.policy == "paper-5x2s2"


def test_a_file_of_ones_own_is_undeclared(weights_file, tmp_path, network):
    other = tmp_path / "mc3.safetensors"
    save_file(network.state_dict(), other)
    for file in (weights_file, other):
        model = load("mc3_18/KINETICS400_V1", options(weights=file))
        assert model.card.trained_on is None
        assert model.card.pretrained_on is None
        assert model.source == str(file)


@pytest.fixture
def published(monkeypatch, tmp_path, weights_file):
    """Let a local server publish the file, as torchvision publishes its own; its folder."""
    served = tmp_path / "served"
    served.mkdir()
    digest = hashlib.sha256(weights_file.read_bytes()).hexdigest()
    name = f"mc3_18-{digest[:8]}.pth"
    (served / name).write_bytes(weights_file.read_bytes())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    monkeypatch.setattr(MC3.value, "url", url)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "cache"))
    yield served / name
    server.shutdown()
    thread.join()
    server.server_close()


def test_published_weights_are_downloaded_once_and_declared(published):
    model = load("mc3_18", options())
    assert model.card.trained_on == (KINETICS,)
    assert model.card.pretrained_on == ()
    assert model.source == "torchvision:mc3_18/KINETICS400_V1"
    published.unlink()
    again = load("mc3_18/DEFAULT", options())
    assert again.card == model.card


def test_a_damaged_download_is_refused(published, tmp_path):
    published.write_bytes(published.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"do not download \(invalid hash.*--weights FILE"):
        load("mc3_18", options())
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())


def test_weights_that_are_not_there(published):
    published.unlink()
    with pytest.raises(WeightsError, match=r"404.*--weights FILE"):
        load("mc3_18", options())


def test_a_damaged_file_in_the_cache_is_refused(published, tmp_path):
    cached = tmp_path / "cache" / "checkpoints" / published.name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=r"damaged file in torch's cache.*remove mc3_18-"):
        load("mc3_18", options())


def test_a_file_of_ones_own_may_be_the_published_one(published):
    assert load("mc3_18", options(weights=published)).card.trained_on == (KINETICS,)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("r2plus1d_19", {}, "no video network 'r2plus1d_19'.*r2plus1d_18"),
        ("resnet18", {}, "no video network 'resnet18'"),
        ("swin3d_b/KINETICS400_V2", {}, "no weights 'KINETICS400_V2' of swin3d_b.*KINETICS400_V1"),
        ("mvit_v2_s", {"frames": "8"}, "a network for 16 frames.*leave frames out"),
        ("s3d", {"frames": "8"}, "a network for 14 frames or more"),
        ("mc3_18", {"topk": "3"}, "the setting 'topk'.*top_k"),
    ],
)
def test_names_and_settings_that_there_are_not(name, settings, message):
    with pytest.raises(ModelError, match=message):
        load(name, options(settings=settings))


class Hostile:
    def __reduce__(self):
        return print, ("ran",)


def test_weights_that_are_no_plain_state_dict(tmp_path, capsys):
    code = "it contains code .*; refused"
    cases = {
        "hostile.pth": (pickle.dumps(Hostile()), code),
        "cut.safetensors": (b"\x08", "no whole safetensors file"),
        "cut.pth": (b"x", "it contains code or is damaged; refused"),
    }
    for name, (content, said) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=said):
            load("mc3_18", options(weights=tmp_path / name))
    assert capsys.readouterr().out == ""
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(WeightsError, match="a checkpoint rather than a plain state dict"):
        load("mc3_18", options(weights=tmp_path / "checkpoint.pth"))
    with pytest.raises(WeightsError, match="No such file"):
        load("mc3_18", options(weights=tmp_path / "none.pth"))


def test_weights_of_another_network(weights_file):
    with pytest.raises(WeightsError, match=r"tensors of another network.*give the tensors of r3d"):
        load("r3d_18", options(weights=weights_file))


def test_loading_leaves_the_random_state_alone(weights_file):
    state = torch.get_rng_state()
    load("mc3_18", options(weights=weights_file))
    assert torch.equal(torch.get_rng_state(), state)


def test_it_evaluates_real_videos_and_says_how(weights_file, write_video, tmp_path):
    for number, name in enumerate(("archery", "bowling")):
        write_video(tmp_path / "videos" / name / f"clip{number}.avi", frames=6)
    (result,) = evaluate(
        "torchvision:mc3_18",
        data={"mine": tmp_path / "videos"},
        weights=weights_file,
        allow_approximate=True,
        model_settings=("frames=2", "top_k=3"),
        policy="uniform-2",
        workers=0,
        protocols="full",
    )
    assert result.identity["model"]["settings"] == {
        "text": "words",
        "top_k": 3,
        "without_vector": "keep",
    }
    assert result.identity["clip_policy"] == "uniform-2"
