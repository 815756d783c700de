"""Sentence-transformers models as encoders of class texts, against the library itself."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from zsl_bench.adapters.sentence_transformers import load_text_encoder
from zsl_bench.adapters.text_encoders import TextEncoder, find_text_encoder
from zsl_bench.errors import ModelError
from zsl_bench.hub import HubSnapshot
from zsl_bench.model import LoadOptions

TEXTS = ["archery", "playing the violin on a stage", "surfing water", "a"]
COMMIT = "d" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Save a tiny random BERT with mean pooling."""
    place = tmp_path_factory.mktemp("made")
    letters = [chr(code) for code in range(97, 123)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    words = transformers.BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(place / "bert")
    words.save_pretrained(place / "bert")
    transformer = Transformer(str(place / "bert"), max_seq_length=32)
    model = sentence_transformers.SentenceTransformer(
        modules=[transformer, Pooling(16, pooling_mode="mean")], device="cpu"
    )
    model.save_pretrained(str(place / "model"))
    return place / "model"


@pytest.fixture
def copied(folder, tmp_path):
    target = tmp_path / "copy"
    for path in folder.rglob("*"):
        if path.is_file():
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


def find(text: str, **options) -> TextEncoder | None:
    return find_text_encoder(LoadOptions(settings={"text": text}, **options), asked="model")


def test_vectors_are_the_means_of_the_tokens_of_the_network(folder):
    encoder = find(f"sentence-transformers:{folder}")
    assert isinstance(encoder, TextEncoder)
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == torch.float32
    network = transformers.BertModel.from_pretrained(folder).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.no_grad():
            states = network(**words(text, return_tensors="pt")).last_hidden_state[0]
        assert np.allclose(vector.numpy(), states.mean(dim=0).numpy(), atol=1e-5)


def test_what_it_returns_may_be_changed_in_place(folder):
    vectors = find(f"sentence-transformers:{folder}").encode(TEXTS)
    assert not vectors.requires_grad
    vectors += 1


def test_the_digest_covers_weights_and_configuration(folder, copied):
    first = find(f"sentence-transformers:{folder}")
    same = find(f"sentence-transformers:{copied}")
    assert first.digest == same.digest
    assert first.digest.startswith("sha256:")
    assert first.name == f"sentence-transformers:{folder}"
    weights = load_file(copied / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][3, 3] += 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    heavier = find(f"sentence-transformers:{copied}")
    pooling = copied / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace("mean", "max"))
    pooled = find(f"sentence-transformers:{copied}")
    assert len({first.digest, heavier.digest, pooled.digest}) == 3
    assert not torch.allclose(heavier.encode(TEXTS), pooled.encode(TEXTS))


def test_it_moves(folder):
    encoder = find(f"sentence-transformers:{folder}")
    assert encoder.to("cpu") is encoder
    assert encoder.to("meta").network.device.type == "meta"


@pytest.mark.parametrize(
    ("given", "fetched"),
    [
        ("tiny-org/model@v1", "tiny-org/model@v1"),
        ("all-tiny", "sentence-transformers/all-tiny"),
    ],
)
def test_repositories_are_fetched_as_data_at_a_commit(folder, monkeypatch, given, fetched):
    asked = []

    def fetch(reference, *, files):
        asked.append((reference, files))
        return HubSnapshot(repo=reference.partition("@")[0], commit=COMMIT, path=folder)

    monkeypatch.setattr("zsl_bench.adapters.common.fetch_snapshot", fetch)
    encoder = find(f"sentence-transformers:{given}")
    reference, files = asked[0]
    assert reference == fetched
    assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in files)
    assert encoder.name == f"sentence-transformers:{fetched.partition('@')[0]}@{COMMIT}"


def test_without_an_encoder_class_vectors_come_from_words():
    assert find_text_encoder(LoadOptions(), asked="model") is None
    assert find("words") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence-transformer:x", "did you mean 'sentence-transformers'"),
        ("bert", "unknown kind 'bert'"),
        ("sentence-transformers:", "nothing after sentence-transformers:"),
        ("sentence-transformers:./missing", "no such folder"),
    ],
)
def test_other_settings_are_refused(text, message):
    with pytest.raises(ModelError, match=message):
        find(text)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"without modules\.json or config\.json"):
        find(f"sentence-transformers:{tmp_path}")


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_a_pickle_is_not_read(copied, tmp_path):
    (copied / "model.safetensors").unlink()
    trace = tmp_path / "ran"
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Hostile(str(trace))}))
    with pytest.raises(ModelError, match=r"loading it.*model\.safetensors"):
        find(f"sentence-transformers:{copied}")
    assert not trace.exists()


def test_a_module_of_its_own_needs_trust(copied, tmp_path, monkeypatch):
    trace = tmp_path / "ran"
    (copied / "own_module.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n"
        "from sentence_transformers.sentence_transformer.modules import Pooling as Own\n"
    )
    modules = json.loads((copied / "modules.json").read_text())
    modules[1]["type"] = "own_module.Own"
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="--trust-remote-code"):
        find(f"sentence-transformers:{copied}")
    assert not trace.exists()
    cache = tmp_path / "modules"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(cache))
    monkeypatch.syspath_prepend(str(cache))
    trusted = find(f"sentence-transformers:{copied}", trust_remote_code=True)
    assert trace.exists()
    assert trusted.encode(["archery"]).shape == (1, 16)


def test_the_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(ModelError, match=r"zsl-bench\[sentence-transformers\]"):
        load_text_encoder("./x", LoadOptions(), asked="model")
