"""What reads texts for models of open_clip: tokenisers, and text towers named elsewhere."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import open_clip
import pytest
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from zsl_bench.adapters import open_clip as adapter
from zsl_bench.adapters import open_clip_texts as texts_of
from zsl_bench.classes import class_set_from_names
from zsl_bench.errors import ModelError
from zsl_bench.hub import HubSnapshot
from zsl_bench.model import LoadOptions
from zsl_bench.model_digest import weights_digest

COMMIT = "c" * 40
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 600, "width": 16, "heads": 2, "layers": 1},
}
CLASSES = class_set_from_names(["archery", "surfing", "water"], dataset="own", source="test")


def save_model(folder: Path, network: torch.nn.Module, config: dict) -> Path:
    folder.mkdir()
    stated = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def with_text(**changes: object) -> dict:
    return {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **changes}}


def serve(monkeypatch, repositories: dict[str, Path], tmp_path: Path) -> list[str]:
    """Put a Hub of folders in the place of the real one; what is asked for is noted."""
    asked: list[str] = []

    def fetch(reference: str, *, files) -> HubSnapshot:
        asked.append(f"{reference} {','.join(files)}")
        folder = tmp_path / "cache" / reference
        folder.mkdir(parents=True, exist_ok=True)
        for path in repositories[reference].iterdir():
            if any(Path(path.name).match(pattern) for pattern in files):
                (folder / path.name).write_bytes(path.read_bytes())
        return HubSnapshot(repo=reference, commit=COMMIT, path=folder)

    monkeypatch.setattr(texts_of, "fetch_snapshot", fetch)
    return asked


def expected(network: torch.nn.Module, tokenizer) -> torch.Tensor:
    with torch.no_grad():
        texts = tokenizer([f"a video of {label}." for label in CLASSES.labels])
        return network.eval().encode_text(texts, normalize=True)


def assert_same_texts(model, wanted: torch.Tensor) -> None:
    with torch.no_grad():
        assert torch.allclose(model.embed_classes(CLASSES), wanted, atol=1e-6)
    assert float((wanted[:1] - wanted[1:]).norm(dim=-1).min()) > 0.01


def save_tokenizer(folder: Path, words: str) -> None:
    """Save a tokeniser that numbers words in the order in which they are given."""
    numbers = {word: i for i, word in enumerate(["<pad>", "<unk>", *words.split()])}
    tokenizer = Tokenizer(WordLevel(numbers, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
    ).save_pretrained(folder)


def test_another_tokeniser_is_another_configuration(tmp_path):
    config = with_text(hf_tokenizer_name="org/elsewhere")
    orders = ("a video of archery surfing water", "of video a water surfing archery")
    models = []
    for name, words in zip(("one", "other"), orders, strict=True):
        torch.manual_seed(3)
        folder = save_model(tmp_path / name, open_clip.model.CLIP(**copy.deepcopy(CONFIG)), config)
        save_tokenizer(folder, words)
        models.append(adapter.load(str(folder), LoadOptions()))
        network = open_clip.create_model(f"local-dir:{folder}")
        theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
        assert_same_texts(models[-1], expected(network, theirs))
    one, other = models
    with torch.no_grad():
        assert not torch.allclose(one.embed_classes(CLASSES), other.embed_classes(CLASSES))
    assert weights_digest(one) == weights_digest(other)
    assert one.card.settings["configuration"] != other.card.settings["configuration"]
    (tmp_path / "one" / "README.md").write_text("read me")
    again = adapter.load(str(tmp_path / "one"), LoadOptions())
    assert again.card.settings == one.card.settings


def test_a_tokeniser_of_another_repository_is_fetched_at_a_commit(tmp_path, monkeypatch):
    kwargs = {"clean": "canonicalize"}
    config = with_text(hf_tokenizer_name="roberta-base", tokenizer_kwargs=kwargs)
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIGS", {"tiny": config})
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(4)
    network = open_clip.model.CLIP(**copy.deepcopy(CONFIG))
    save_file(network.state_dict(), weights)
    words = tmp_path / "words"
    save_tokenizer(words, "a video of archery surfing water")
    (words / "pytorch_model.bin").write_bytes(b"not to be fetched")
    asked = serve(monkeypatch, {"FacebookAI/roberta-base": words}, tmp_path)
    model = adapter.load("tiny", LoadOptions(weights=weights))
    assert len(asked) == 1
    assert ".bin" not in asked[0]
    assert model.card.settings["tokenizer"] == f"hub:FacebookAI/roberta-base@{COMMIT}"
    theirs = open_clip.tokenizer.HFTokenizer(str(words), context_length=20, **kwargs)
    assert_same_texts(model, expected(network, theirs))


def save_tower(folder: Path, **changes: object) -> Path:
    kind = transformers.RobertaConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        pad_token_id=0,
    )
    kind.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_a_text_tower_of_another_repository_is_fetched_at_a_commit(tmp_path, monkeypatch):
    tower = save_tower(tmp_path / "tower")
    text = {"hf_model_pretrained": False, "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    text |= {"context_length": 20, "hf_tokenizer_name": "org/words"}
    own, stated = (
        {**CONFIG, "text_cfg": {**text, "hf_model_name": name}}
        for name in (str(tower), "some-org/tower")
    )
    torch.manual_seed(5)
    network = open_clip.model.CustomTextCLIP(**copy.deepcopy(own))
    folder = save_model(tmp_path / "model", network, stated)
    save_tokenizer(folder, "a video of archery surfing water")
    asked = serve(monkeypatch, {"some-org/tower": tower}, tmp_path)
    model = adapter.load(str(folder), LoadOptions())
    assert asked == ["some-org/tower config.json"]
    assert model.card.settings["text_tower"] == f"hub:some-org/tower@{COMMIT}"
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
    assert_same_texts(model, expected(network, theirs))
    save_tower(tower, attn_implementation="some-org/kernel")
    with pytest.raises(ModelError, match=r"attention from some-org/kernel; .*trust-remote-code"):
        adapter.load(str(folder), LoadOptions())
