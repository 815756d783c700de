"""What the open_clip adapter refuses, and the line that says why."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from zsl_bench.adapters import open_clip as adapter
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.model import LoadOptions

CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def folder(tmp_path):
    """Save a tiny random model."""
    place = tmp_path / "model"
    place.mkdir()
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    save_file(open_clip.model.CLIP(**CONFIG).state_dict(), place / "open_clip_model.safetensors")
    return place


def change_config(folder: Path, *, text: dict | None = None, **changes: object) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text()) | changes
    config["model_cfg"]["text_cfg"] |= text or {}
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frame": "8"}, "did you mean 'frames'"),
        ({"frames": "0"}, "no number of frames"),
        ({"prompts": "photo"}, "no such set"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ModelError, match=message):
        adapter.load("ViT-B-32/openai", LoadOptions(settings=settings))


def test_what_a_folder_may_lack(tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(ModelError, match=r"no open_clip_config\.json"):
        adapter.load(str(bare), LoadOptions())
    (bare / "open_clip_config.json").write_text("[]")
    with pytest.raises(ModelError, match="without model_cfg"):
        adapter.load(str(bare), LoadOptions())
    (bare / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    with pytest.raises(WeightsError, match="no weights in the folder"):
        adapter.load(str(bare), LoadOptions())
    with pytest.raises(ModelError, match="weights named twice"):
        adapter.load(str(bare), LoadOptions(weights=bare / "x.safetensors"))
    with pytest.raises(WeightsError, match="no file of weights"):
        adapter.load("ViT-B-32", LoadOptions(weights=bare))


def test_preprocessing_that_cannot_be_declared_is_refused(folder):
    change_config(folder, preprocess_cfg={"resize_mode": "longest"})
    with pytest.raises(ModelError, match="resize mode 'longest'"):
        adapter.load(str(folder), LoadOptions())


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_a_pickle_never_runs(folder, tmp_path):
    (folder / "open_clip_model.safetensors").unlink()
    trace = tmp_path / "ran"
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps({"w": Hostile(str(trace))}))
    with pytest.raises(WeightsError, match="it contains code or is damaged; refused") as caught:
        adapter.load(str(folder), LoadOptions())
    assert "weights_only" not in str(caught.value)
    assert not trace.exists()


def test_a_damaged_safetensors_file_is_one_line(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="no whole safetensors file") as caught:
        adapter.load(str(folder), LoadOptions())
    assert "\n" not in str(caught.value)


def test_a_tokeniser_that_reads_files_from_elsewhere_is_refused(folder):
    change_config(folder, text={"tokenizer_kwargs": {"bpe_path": "/etc/hosts"}})
    with pytest.raises(ModelError, match=r"files from elsewhere \(bpe_path\)"):
        adapter.load(str(folder), LoadOptions())


def test_a_configuration_that_trusts_code_needs_trust(folder):
    change_config(folder, text={"tokenizer_kwargs": {"trust_remote_code": True}})
    with pytest.raises(ModelError, match="--trust-remote-code"):
        adapter.load(str(folder), LoadOptions())


def test_a_tokeniser_that_is_code_needs_trust_and_nobody_is_prompted(folder, tmp_path, monkeypatch):
    trace = tmp_path / "ran"
    change_config(folder, text={"hf_tokenizer_name": "own"})
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["own_tokenizer.Own", None]}})
    )
    (folder / "own_tokenizer.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()"
    )
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("the user was prompted"))
    with pytest.raises(ModelError, match="--trust-remote-code"):
        adapter.load(str(folder), LoadOptions())
    assert not trace.exists()


def test_weights_of_another_network_are_refused(folder):
    save_file({"visual.proj": torch.zeros(3, 3)}, folder / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match="loading it"):
        adapter.load(str(folder), LoadOptions())
