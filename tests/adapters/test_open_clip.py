"""open_clip models behind the plug-in interface, against open_clip called directly."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip import pretrained as tables
from PIL import Image
from safetensors.torch import save_file

from zsl_bench.adapters import open_clip as adapter
from zsl_bench.classes import class_set_from_names
from zsl_bench.errors import ModelError
from zsl_bench.hub import HubSnapshot
from zsl_bench.model import LoadOptions
from zsl_bench.model_digest import weights_digest
from zsl_bench.registry import load_model
from zsl_bench.testing import check_model
from zsl_bench.video import load_clips
from zsl_bench.video.policies import clip_policy
from zsl_bench.video.transform import transform_frames

COMMIT = "c" * 40
ARCHITECTURE = "tiny-for-tests"
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 32,
        "head_width": 16,
        "patch_size": 16,
    },
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SQUASHED = {
    "mean": [0.5, 0.4, 0.3],
    "std": [0.5, 0.6, 0.7],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}
CLASSES = class_set_from_names(
    ["archery", "playing violin", "surfing water"], dataset="own", source="test"
)


@pytest.fixture
def architecture(tmp_path, monkeypatch):
    """Register a tiny architecture with two tags; return a file of its random weights."""
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / f"{ARCHITECTURE}.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIG_PATHS", [configs])
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIGS", {})
    open_clip.add_model_config(configs)
    entries = {
        "openai": tables._pcfg(hf_hub="tiny-org/openai-weights/", quick_gelu=True),
        "webli": tables._slpcfg(hf_hub="tiny-org/webli-weights/"),
        "mystery": tables._pcfg(hf_hub="tiny-org/mystery-weights/"),
        "mscoco_finetuned_laion2b": tables._pcfg(hf_hub="tiny-org/coco-weights/"),
    }
    monkeypatch.setitem(tables._PRETRAINED, ARCHITECTURE, entries)
    torch.manual_seed(7)
    network = open_clip.create_model(ARCHITECTURE)
    weights = tmp_path / "own.safetensors"
    save_file(network.state_dict(), weights)
    return weights


def make_folder(folder: Path, preprocessing: dict, *, pickled: bool = False) -> Path:
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    config = {"model_cfg": CONFIG, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    network = open_clip.model.CLIP(**CONFIG)
    if pickled:
        torch.save(network.state_dict(), folder / "open_clip_pytorch_model.bin")
    else:
        save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def serve(monkeypatch, repositories: dict[str, dict[str, Path]], tmp_path: Path) -> list[str]:
    """Put a Hub of folders in the place of the real one; what is asked for is noted."""
    asked: list[str] = []

    def fetch(reference: str, *, files) -> HubSnapshot:
        asked.append(f"{reference} {','.join(files)}")
        repo = reference.partition("@")[0]
        folder = tmp_path / "cache" / repo.replace("/", "--") / COMMIT
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in repositories[repo].items():
            if any(Path(name).match(pattern) for pattern in files):
                (folder / name).write_bytes(source.read_bytes())
        return HubSnapshot(repo=repo, commit=COMMIT, path=folder)

    monkeypatch.setattr(adapter, "fetch_snapshot", fetch)
    monkeypatch.setattr("zsl_bench.adapters.common.fetch_snapshot", fetch)
    return asked


def frames_of(shape=(90, 130)) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)
    resized = [
        Image.fromarray(frame).resize(shape[::-1], Image.Resampling.BICUBIC) for frame in small
    ]
    return np.stack([np.asarray(frame) for frame in resized])


@pytest.mark.parametrize(
    "preprocessing", [{}, SQUASHED], ids=["shortest-bicubic", "squash-bilinear"]
)
@pytest.mark.parametrize("shape", [(90, 130), (131, 74)])
def test_equals_the_library_on_its_own_preprocessing(tmp_path, preprocessing, shape):
    folder = make_folder(tmp_path / "model", preprocessing)
    model = load_model(f"open_clip:{folder}", options=LoadOptions(settings={"frames": "3"}))
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    network.eval()
    frames = frames_of(shape)

    ours = torch.from_numpy(transform_frames(frames, model.card.clip))
    theirs = torch.stack([transform(Image.fromarray(frame)) for frame in frames])
    mean = torch.tensor(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN)).view(3, 1, 1)
    std = torch.tensor(preprocessing.get("std", open_clip.OPENAI_DATASET_STD)).view(3, 1, 1)
    assert ((ours - (theirs * std + mean) * 255).abs() <= 1.01).all()

    with torch.no_grad():
        direct = network.encode_image((ours.float() / 255 - mean) / std, normalize=True).mean(dim=0)
        vectors = model.embed_clips(ours[None])
    assert torch.allclose(vectors[0], direct, atol=1e-5)


def test_texts_equal_the_library_and_templates_are_averaged(tmp_path):
    folder = make_folder(tmp_path / "model", {})
    templates = tmp_path / "two.txt"
    templates.write_text("a video of {label}.\n{label}, seen twice\n")
    network = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    plain = adapter.load(str(folder), LoadOptions())
    both = adapter.load(str(folder), LoadOptions(settings={"prompts": str(templates)}))
    with torch.no_grad():
        one = network.encode_text(
            tokenizer([f"a video of {x}." for x in CLASSES.labels]), normalize=True
        )
        two = network.encode_text(
            tokenizer([f"{x}, seen twice" for x in CLASSES.labels]), normalize=True
        )
        assert torch.allclose(plain.embed_classes(CLASSES), one, atol=1e-6)
        mean = torch.nn.functional.normalize(one + two, dim=-1)
        assert torch.allclose(both.embed_classes(CLASSES), mean, atol=1e-6)
    assert plain.card.settings["prompts"] == "video-of"
    assert both.card.settings["prompts"] == "two"
    assert plain.card.settings["prompts_digest"] != both.card.settings["prompts_digest"]
    assert plain.card.settings["configuration"] == both.card.settings["configuration"]


def test_a_folder_passes_the_conformance_suite(tmp_path):
    folder = make_folder(tmp_path / "model", SQUASHED)
    model = load_model(f"open_clip:{folder}")
    check_model(model)
    assert model.card.policy == "uniform-8"
    assert (model.card.clip.crop, model.card.clip.interpolation) == ("squash", "bilinear")
    assert (model.card.trained_on, model.card.pretrained_on) == (None, None)
    assert model.source == str(folder)


def test_networks_distilled_from_others_do_not_declare_what_they_learnt():
    tags = [pair for pair in open_clip.list_pretrained() if "MobileCLIP" in pair[0]]
    assert len(tags) >= 10
    for architecture, tag in tags:
        choice = adapter._Choice(label="x", architecture=architecture, source="", tag=tag)
        assert adapter._declared(choice) == (None, "open")


@pytest.mark.parametrize("kind", ["custom-text", "coca", "timm"])
def test_other_kinds_of_networks_pass_the_conformance_suite(tmp_path, kind):
    config = copy.deepcopy(CONFIG)
    network_class = open_clip.model.CustomTextCLIP
    if kind == "custom-text":
        config |= {"custom_text": True, "init_logit_bias": -10.0}
    elif kind == "coca":
        network_class = open_clip.coca_model.CoCa
        decoder = {**config["text_cfg"], "attn_pooler_heads": 2}
        config |= {"custom_text": True, "multimodal_cfg": decoder}
        config["vision_cfg"] |= {
            "attentional_pool": True,
            "attn_pooler_heads": 2,
            "output_tokens": True,
        }
        config["text_cfg"] |= {"embed_cls": True, "output_tokens": True}
    else:
        network_class = open_clip.CLIP
        config["vision_cfg"] = {"timm_model_name": "resnet10t", "timm_proj": "linear"}
        config["vision_cfg"] |= {"timm_pool": "avg", "image_size": 64}
    stated = {key: value for key, value in config.items() if key != "custom_text"}
    weights = network_class(**copy.deepcopy(stated)).state_dict()
    save_file(
        {key: value.contiguous() for key, value in weights.items()},
        tmp_path / "open_clip_model.safetensors",
    )
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": SQUASHED})
    )
    model = adapter.load(str(tmp_path), LoadOptions(settings={"frames": "2"}))
    check_model(model)
    assert model.card.clip.size == (64 if kind == "timm" else 32)


def test_other_preprocessing_of_the_same_weights_is_another_configuration(tmp_path):
    plain, shifted = (
        adapter.load(str(make_folder(tmp_path / name, stated)), LoadOptions())
        for name, stated in (("plain", {}), ("shifted", {"mean": [0.5, 0.5, 0.5]}))
    )
    assert plain.card.clip == shifted.card.clip
    assert weights_digest(plain) == weights_digest(shifted)
    assert plain.card.settings["configuration"] != shifted.card.settings["configuration"]


def test_a_real_video_goes_through(tmp_path, write_video):
    folder = make_folder(tmp_path / "model", {})
    model = adapter.load(str(folder), LoadOptions(settings={"frames": "4"}))
    video = write_video(tmp_path / "clip.mp4", frames=12)
    clips = load_clips(video, clip_policy(model.card.policy), model.card.clip).assemble()
    with torch.no_grad():
        vectors = model.embed_clips(torch.from_numpy(clips))
    assert vectors.shape == (1, 24)
    assert torch.isfinite(vectors).all()


@pytest.mark.parametrize(
    ("tag", "trained_on", "pretrained_on"),
    [
        ("openai", (), "open"),
        ("webli", (), "open"),
        ("mystery", None, None),
        ("mscoco_finetuned_laion2b", None, "open"),
    ],
)
def test_a_tag_declares_its_data(
    architecture, tmp_path, monkeypatch, tag, trained_on, pretrained_on
):
    repository = tables.get_pretrained_cfg(ARCHITECTURE, tag)["hf_hub"].strip("/")
    readme = tmp_path / "card.md"
    readme.write_text("---\nlicense: mit\n---\n# A model\n")
    files = {"open_clip_model.safetensors": architecture, "README.md": readme}
    serve(monkeypatch, {repository: files}, tmp_path)
    model = load_model(f"open_clip:{ARCHITECTURE}/{tag}")
    assert model.card.trained_on == trained_on
    assert model.card.pretrained_on == pretrained_on
    assert model.card.licence == "mit"
    assert model.source == f"hub:{repository}@{COMMIT}"
    assert model.card.clip.crop == ("squash" if tag == "webli" else "center")


def test_weights_that_want_quick_gelu_get_it(architecture, tmp_path, monkeypatch):
    files = {"open_clip_model.safetensors": architecture}
    repositories = {"tiny-org/openai-weights": files, "tiny-org/mystery-weights": files}
    serve(monkeypatch, repositories, tmp_path)
    pixels = torch.from_numpy(
        transform_frames(
            frames_of(), adapter.ClipSpec(frames=3, size=32, short_side=32, resize="exact")
        )
    )[None]
    quick, plain = (
        adapter.load(f"{ARCHITECTURE}/{tag}", LoadOptions()) for tag in ("openai", "mystery")
    )
    reference = open_clip.create_model(
        ARCHITECTURE, pretrained=str(architecture), force_quick_gelu=True
    ).eval()
    with torch.no_grad():
        levels = pixels[0].float() / 255
        mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
        std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
        direct = reference.encode_image((levels - mean) / std, normalize=True).mean(dim=0)
        assert torch.allclose(quick.embed_clips(pixels)[0], direct, atol=1e-5)
        assert not torch.allclose(plain.embed_clips(pixels)[0], direct, atol=1e-4)


def test_a_pickle_of_tensors_is_second_choice_and_of_the_same_commit(
    architecture, tmp_path, monkeypatch
):
    torch.manual_seed(7)
    pickled = tmp_path / "weights.bin"
    torch.save(open_clip.create_model(ARCHITECTURE).state_dict(), pickled)
    files = {"open_clip_pytorch_model.bin": pickled}
    asked = serve(monkeypatch, {"tiny-org/webli-weights": files}, tmp_path)
    safe = adapter.load(ARCHITECTURE + "/webli", LoadOptions(weights=architecture))
    model = adapter.load(f"{ARCHITECTURE}/webli", LoadOptions())
    assert ".bin" not in asked[0]
    assert asked[1].startswith(f"tiny-org/webli-weights@{COMMIT} ")
    assert all(
        torch.equal(value, model.state_dict()[key]) for key, value in safe.state_dict().items()
    )


def test_a_repository_is_a_folder_at_a_commit(tmp_path, monkeypatch, architecture):
    folder = make_folder(tmp_path / "made", {}, pickled=True)
    files = {path.name: path for path in folder.iterdir()}
    asked = serve(monkeypatch, {"tiny-org/openai-weights": files}, tmp_path)
    model = load_model("open_clip:tiny-org/openai-weights@v1")
    assert model.source == f"hub:tiny-org/openai-weights@{COMMIT}"
    assert model.card.name == "open_clip-tiny-org-openai-weights"
    assert model.card.pretrained_on == "open"
    assert asked[0].startswith("tiny-org/openai-weights@v1 ")
    assert "open_clip_pytorch_model.bin" not in asked[0]


def test_a_file_of_weights_is_undeclared_and_takes_a_tags_preprocessing(architecture):
    model = adapter.load(f"{ARCHITECTURE}/webli", LoadOptions(weights=architecture))
    assert (model.card.trained_on, model.card.pretrained_on) == (None, None)
    assert model.card.clip.crop == "squash"
    assert model.source == "own.safetensors"
    with pytest.raises(ModelError, match="preprocessed in 3 ways; name the tag they are like"):
        adapter.load(ARCHITECTURE, LoadOptions(weights=architecture))


def test_a_file_for_an_architecture_without_tags(architecture, monkeypatch):
    monkeypatch.delitem(tables._PRETRAINED, ARCHITECTURE)
    model = adapter.load(ARCHITECTURE, LoadOptions(weights=architecture))
    assert model.card.clip.size == 32
    assert model.card.name == f"open_clip-{ARCHITECTURE}-own"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "tiny-for-test/openai",
            "unknown architecture 'tiny-for-test'; did you mean 'tiny-for-tests'",
        ),
        ("nothing-alike", "unknown architecture"),
        (f"{ARCHITECTURE}/opanai", "no tag 'opanai'; did you mean 'openai'"),
        (ARCHITECTURE, "architecture without weights; name a tag"),
        ("./missing-folder", "no such folder"),
    ],
)
def test_names_are_checked_without_a_download(architecture, monkeypatch, name, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=message):
        adapter.load(name, LoadOptions())


def test_every_known_tag_has_preprocessing_that_can_be_declared():
    """All that open_clip lists is square, cut by shortest or squash, and on the Hub."""
    for architecture, tag in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(architecture, tag)
        size = open_clip.get_model_config(architecture)["vision_cfg"].get("image_size", 224)
        stated = {key: entry[key] for key in ("interpolation", "resize_mode")} | {"size": size}
        clip = adapter._clip_spec(stated, 8, f"{architecture}/{tag}")
        assert clip.size == size
        assert entry["hf_hub"].count("/") == 2
