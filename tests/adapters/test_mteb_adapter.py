"""Models behind MTEB's encoder protocol, against MTEB's wrappers called as MTEB calls them."""

from __future__ import annotations

import json

import mteb
import numpy as np
import pytest
import torch
import transformers
from mteb.models.modality_collators import FramesCollator
from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.models.model_implementations.clip_models import CLIPModel
from mteb.models.model_implementations.xclip_models import XCLIPModel
from mteb.models.model_meta import ModelMeta, ScoringFunction
from PIL import Image

from zsl_bench.adapters import mteb as adapter
from zsl_bench.adapters.remote_code import no_remote_code
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError
from zsl_bench.model import LoadOptions
from zsl_bench.model_digest import weights_digest
from zsl_bench.registry import load_model
from zsl_bench.testing import check_model

CLASSES = class_set_from_names(["archery", "playing violin", "surfing"], dataset="own", source="t")
SIDE = 32
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mteb")


def tokenizer() -> transformers.CLIPTokenizer:
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{each}</w>" for each in letters), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[]
    )


def towers(count: int) -> dict:
    text = {
        **TOWER,
        "vocab_size": count,
        "max_position_embeddings": 40,
        "bos_token_id": count - 2,
        "eos_token_id": count - 1,
        "pad_token_id": count - 1,
    }
    return {"text_config": text, "vision_config": {**TOWER, "image_size": SIDE, "patch_size": 16}}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """Save a tiny random CLIP with its processor."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(1)
    words = tokenizer()
    config = transformers.CLIPConfig(**towers(len(words)), projection_dim=12)
    transformers.CLIPModel(config).save_pretrained(folder)
    images = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SIDE)
    transformers.CLIPProcessor(images, words).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def xclip_folder(tmp_path_factory):
    """Save a tiny random X-CLIP with its processor."""
    folder = tmp_path_factory.mktemp("xclip")
    torch.manual_seed(2)
    words = tokenizer()
    parts = towers(len(words))
    parts["vision_config"] |= {f"mit_{key}": value for key, value in TOWER.items()}
    parts["vision_config"] |= {"num_frames": 4}
    config = transformers.XCLIPConfig(
        **parts, projection_dim=16, prompt_layers=1, prompt_num_attention_heads=2
    )
    transformers.XCLIPModel(config).save_pretrained(folder)
    images = transformers.VideoMAEImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    transformers.XCLIPProcessor(images, words).save_pretrained(folder)
    return folder


def meta_of(given, name: str = "own-org/own-model", **changes) -> ModelMeta:
    stated = {
        "loader": given,
        "name": name,
        "revision": None,
        "release_date": "2024-01-01",
        "languages": ["eng-Latn"],
        "n_parameters": None,
        "memory_usage_mb": None,
        "max_tokens": None,
        "embed_dim": None,
        "license": "mit",
        "open_weights": True,
        "public_training_code": None,
        "public_training_data": None,
        "framework": ["PyTorch"],
        "similarity_fn_name": ScoringFunction.COSINE,
        "use_instructions": False,
        "training_datasets": None,
        "modalities": ["image", "text"],
        "citation": "@article{x, title={Own}}",
    }
    return ModelMeta(**(stated | changes))


def levels(clips: int = 2, frames: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    shape = (clips, frames, 3, SIDE, SIDE)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def test_an_image_wrapper_equals_its_network_called_directly(clip_folder):
    meta = meta_of(CLIPModel, str(clip_folder))
    model = adapter.load_meta(meta, LoadOptions(settings={"frames": "4"}), asked="model")
    network = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    processor = transformers.CLIPProcessor.from_pretrained(clip_folder)
    clips = levels()
    pictures = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in clips.flatten(0, 1)]
    texts = [f"a video of {label}." for label in CLASSES.labels]
    with torch.no_grad():
        seen = network.get_image_features(**processor(images=pictures, return_tensors="pt"))
        read = network.get_text_features(
            **processor(text=texts, return_tensors="pt", padding=True, truncation=True)
        )
        expected = unit(seen.pooler_output).view(2, 4, -1).mean(dim=1)
        assert torch.allclose(model.embed_clips(clips), expected, atol=1e-5)
        assert torch.allclose(model.embed_classes(CLASSES), unit(read.pooler_output), atol=1e-5)
    assert model.card.clip.size == SIDE
    settings = model.card.settings
    assert (settings["prompts"], settings["task"]) == ("video-of", "UCF101ZeroShot")


def test_a_video_wrapper_equals_its_network_called_directly(xclip_folder):
    meta = meta_of(
        XCLIPModel,
        str(xclip_folder),
        modalities=["video", "text"],
        loader_kwargs={"num_frames": 4},
    )
    model = adapter.load_meta(meta, LoadOptions(), asked="model")
    network = transformers.XCLIPModel.from_pretrained(xclip_folder).eval()
    processor = transformers.XCLIPProcessor.from_pretrained(xclip_folder).image_processor
    clips = levels()
    videos = [list(clip.permute(0, 2, 3, 1).numpy()) for clip in clips]
    with torch.no_grad():
        pixels = processor(videos, return_tensors="pt")["pixel_values"]
        expected = network.get_video_features(pixel_values=pixels).pooler_output
        assert torch.allclose(model.embed_clips(clips), expected, atol=1e-5)
    assert (model.card.clip.frames, model.card.policy) == (4, "uniform-4")
    assert model.card.settings["task"] == "HMDB51ZeroShot"


@pytest.mark.parametrize("kind", ["image", "video"])
def test_real_wrappers_pass_the_conformance_suite(kind, clip_folder, xclip_folder):
    wrapper, folder = (CLIPModel, clip_folder) if kind == "image" else (XCLIPModel, xclip_folder)
    meta = meta_of(wrapper, str(folder), modalities=[kind, "text"])
    options = LoadOptions(settings={"frames": "4"})
    if kind == "video":
        meta = meta.model_copy(update={"loader_kwargs": {"num_frames": 4}})
    model = adapter.load_meta(meta, options, asked="model")
    check_model(model)
    assert weights_digest(model).startswith("sha256:")


class Mean:
    """A model of MTEB's protocol that knows colours: their mean, and lengths of texts."""

    def __init__(self, *_given, **_options):
        self.seen = []

    def encode(self, inputs, *, task_metadata, **options):
        self.seen.append((task_metadata.name, sorted(inputs.dataset.features), options))
        rows = []
        if "video" in inputs.dataset.features:
            inputs.collate_fn = FramesCollator(fps=2.0, max_frames=3)
            for batch in inputs:
                rows += [
                    [*video.double().mean(dim=(0, 2, 3)).tolist(), len(video)]
                    for video in batch["video"]
                ]
        else:
            for batch in inputs:
                rows += [[len(text), text.count("a"), 1, 1] for text in batch["text"]]
        return np.array(rows, dtype=np.float64)


def test_a_registered_encoder_of_the_protocol_loads_by_name(monkeypatch):
    meta = meta_of(Mean, "own-org/mean", modalities=["text", "video"], revision="abc")
    monkeypatch.setitem(MODEL_REGISTRY, "own-org/mean", meta)
    model = load_model("mteb:own-org/mean", options=LoadOptions(settings={"frames": "3"}))
    clips = levels(frames=3)
    expected = np.stack([clip.numpy().mean(axis=(0, 2, 3)) for clip in clips])
    vectors = model.embed_clips(clips)
    assert vectors.dtype == torch.float32
    assert np.allclose(vectors[:, :3], expected, atol=1e-3)
    assert (vectors[:, 3] == 3).all()
    texts = model.embed_classes(CLASSES).numpy()
    raw = np.array(
        [[len(t), t.count("a"), 1, 1] for t in (f"a video of {x}." for x in CLASSES.labels)]
    )
    assert np.allclose(texts, raw / np.linalg.norm(raw, axis=1, keepdims=True))
    name, features, options = model.parts.encoder.seen[0]
    assert (name, features) == ("HMDB51ZeroShot", ["video"])
    assert options["show_progress_bar"] is False
    assert model.source == "mteb:own-org/mean@abc"
    assert load_model("mteb:own-org/mean@v2").source == "mteb:own-org/mean@v2"
    assert model.parts.encoder.mteb_model_meta.modalities == ["text", "video"]
    check_model(model)


def test_sampling_by_time_takes_frames_a_second_apart():
    clip = adapter._Decoded(levels(1, 6)[0])
    assert len(FramesCollator.resample_video(clip, fps=1.0)) == 6
    assert len(FramesCollator.resample_video(clip, fps=30.0)) == 6
    assert len(FramesCollator.resample_video(clip, fps=1.0, max_frames=4)) == 4
    assert torch.equal(FramesCollator.resample_video(clip), levels(1, 6)[0])
    chosen = FramesCollator.resample_video(clip, num_frames=2)
    assert torch.equal(chosen, levels(1, 6)[0][[0, 5]])


@pytest.mark.parametrize(
    ("datasets", "expected"),
    [
        (None, None),
        (set(), None),
        ({"MSRVTTT2V"}, None),
        ({"ActivityNetCaptionsT2VRetrieval"}, None),
        ({"Kinetics400V", "Kinetics400ZeroShot", "MSRVTTT2V"}, ("kinetics400",)),
        ({"UCF101VideoClassification", "HMDB51Clustering"}, ("hmdb51", "ucf101")),
    ],
)
def test_training_data_count_where_they_are_known_classes(datasets, expected):
    meta = meta_of(Mean, modalities=["video", "text"], training_datasets=datasets)
    card = adapter.load_meta(meta, LoadOptions(), asked="model").card
    names = None if card.trained_on is None else tuple(s.dataset for s in card.trained_on)
    assert names == expected
    assert card.pretrained_on is None
    assert card.licence == "mit"
    assert card.citation == "@article{x, title={Own}}"


def test_frames_that_are_asked_for_reach_a_wrapper_that_samples(xclip_folder):
    changes = {"modalities": ["video", "text"], "loader_kwargs": {"num_frames": 4}}
    meta = meta_of(XCLIPModel, str(xclip_folder), **changes)
    options = LoadOptions(settings={"frames": "6"})
    model = adapter.load_meta(meta, options, asked="model")
    assert (model.card.clip.frames, model.parts.encoder.num_frames) == (6, 6)


def test_mteb_itself_says_what_xclip_has_seen():
    stated = adapter._known_classes(
        MODEL_REGISTRY["microsoft/xclip-base-patch32"].training_datasets
    )
    assert stated == (load_class_set("kinetics400"),)


def test_the_wrapper_that_mteb_offers_for_image_models_agrees(clip_folder):
    """``Video2ImagesWrapper`` averages as well, but not unit vectors: one frame is the same."""
    meta = meta_of(CLIPModel, str(clip_folder))
    options = LoadOptions(settings={"frames": "1"})
    model = adapter.load_meta(meta, options, asked="model")
    theirs = mteb.models.Video2ImagesWrapper(model.parts.encoder, num_frames=1)
    clips = levels(2, 1)
    loader = torch.utils.data.DataLoader(
        adapter._Rows("video", [adapter._Decoded(clip) for clip in clips]), batch_size=2
    )
    task = mteb.get_task("HMDB51ZeroShot").metadata
    vectors = theirs.encode(
        loader, task_metadata=task, hf_split="test", hf_subset="default", show_progress_bar=False
    )
    assert torch.allclose(unit(vectors), model.embed_clips(clips), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"modalities": ["text"]}, {}, "dense, text; choose"),
        ({"modalities": ["video"]}, {}, "dense, video; choose"),
        ({"model_type": ["cross-encoder"]}, {}, "cross-encoder"),
        ({"similarity_fn_name": ScoringFunction.DOT_PRODUCT}, {}, "the similarity 'dot'"),
        ({"loader_kwargs": {"trust_remote_code": True}}, {}, "--trust-remote-code"),
        ({}, {"size": "big"}, "no side of a frame"),
        ({}, {"fps": "2"}, "the setting 'fps'"),
        ({}, {"prompts": "nothing-like-it"}, "no such set"),
        ({"loader": None}, {}, "No model implementation"),
    ],
)
def test_what_cannot_be_loaded_is_told(changes, settings, message):
    meta = meta_of(Mean, **changes)
    with pytest.raises(ModelError, match=message):
        adapter.load_meta(meta, LoadOptions(settings=settings), asked="model")


def test_a_given_size_counts(clip_folder):
    meta = meta_of(CLIPModel, str(clip_folder))
    options = LoadOptions(settings={"size": "48", "frames": "1"})
    assert adapter.load_meta(meta, options, asked="model").card.clip.size == 48


def test_an_unknown_name_gets_near_ones():
    with pytest.raises(ModelError, match=r"did you mean.*microsoft/xclip-base-patch32"):
        load_model("mteb:microsoft/xclip-base-patch-32")


def test_a_library_that_is_missing_is_one_line():
    def loader(name, revision, **options):
        raise ModuleNotFoundError("No module named 'decord'", name="decord")

    meta = meta_of(loader, modalities=["text", "video"])
    with pytest.raises(ModelError, match=r"No module named 'decord'.*install what is missing"):
        adapter.load_meta(meta, LoadOptions(), asked="model")


def test_a_library_of_an_extra_of_mteb_names_the_extra():
    def loader(name, revision, **options):
        raise ImportError(name)

    changes = {"modalities": ["text", "video"], "extra_requirements_groups": ["image"]}
    meta = meta_of(loader, **changes)
    with pytest.raises(ModelError, match=r"pip install 'mteb\[image\]'"):
        adapter.load_meta(meta, LoadOptions(), asked="model")


@pytest.fixture
def remote_folder(clip_folder, tmp_path):
    """Save a model whose class is code in its own folder, which leaves a trace when it runs."""
    folder = tmp_path / "remote"
    folder.mkdir()
    config = json.loads((clip_folder / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": "modeling_own.OwnConfig",
        "AutoModel": "modeling_own.OwnModel",
    }
    config["model_type"] = "own-kind"
    (folder / "config.json").write_text(json.dumps(config))
    trace = tmp_path / "ran"
    (folder / "modeling_own.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n"
        "from transformers import CLIPConfig, CLIPModel\n"
        "class OwnConfig(CLIPConfig):\n    model_type = 'own-kind'\n"
        "class OwnModel(CLIPModel):\n    config_class = OwnConfig\n"
    )
    return folder, trace


class Trusting:
    """A wrapper that trusts code on the user's behalf, as some of MTEB's do."""

    def __init__(self, model_name, **_options):
        self.model = transformers.AutoConfig.from_pretrained(model_name, trust_remote_code=True)


def test_no_wrapper_trusts_code_on_the_users_behalf(remote_folder, monkeypatch, tmp_path):
    folder, trace = remote_folder
    modules = tmp_path / "modules"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(modules))
    meta = meta_of(Trusting, str(folder))
    with pytest.raises(
        ModelError, match=r"OwnConfig is code of its repository.*--trust-remote-code"
    ):
        adapter.load_meta(meta, LoadOptions(), asked="model")
    assert not trace.exists()
    monkeypatch.syspath_prepend(str(modules))
    trusting = adapter.load_meta(meta, LoadOptions(trust_remote_code=True), asked="model")
    assert trace.exists()
    assert trusting.state_dict() == {}


def test_the_ban_on_remote_code_ends_with_its_context():
    def within():
        with no_remote_code(LoadOptions(), asked="model"):
            assert transformers.dynamic_module_utils.get_class_in_module is not importer
            raise KeyError

    importer = transformers.dynamic_module_utils.get_class_in_module
    with pytest.raises(KeyError):
        within()
    assert transformers.dynamic_module_utils.get_class_in_module is importer
