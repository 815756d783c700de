"""What the adapter of transformers refuses, and what a repository can never make it do."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import transformers
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from zsl_bench import load_model
from zsl_bench.adapters.transformers import load
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.model import LoadOptions

COMMIT = "3f" * 20
REMOTE = """
import pathlib
import transformers

pathlib.Path(__file__).parent.joinpath("ran").touch()
pathlib.Path("ran").touch()


class OwnConfig(transformers.CLIPConfig):
    model_type = "own-clip"


class OwnModel(transformers.CLIPModel):
    config_class = OwnConfig
"""


@pytest.fixture
def folder(saved, tmp_path):
    """A tiny CLIP that may be changed."""
    return shutil.copytree(saved("clip"), tmp_path / "clip")


def _change(path, **entries):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | entries))


def _refused(name, said, **options):
    with pytest.raises(ZslBenchError, match=said) as caught:
        load(str(name), LoadOptions(**options))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("model ")


def test_no_such_folder(tmp_path):
    _refused(tmp_path / "nothing", "no such folder; check the path")


def test_no_configuration(tmp_path):
    _refused(tmp_path, "no config.json; check the name")


def test_a_folder_of_open_clip_is_sent_to_its_adapter(tmp_path):
    (tmp_path / "open_clip_config.json").write_text("{}")
    _refused(tmp_path, "no config.json; it is a model of open_clip")


def test_a_kind_that_the_library_does_not_know(folder):
    _change(folder / "config.json", model_type="clop")
    _refused(folder, "model_type 'clop', which transformers does not know; update")


def test_a_weights_folder_of_zsl_bench(tmp_path):
    (tmp_path / "config.json").write_text('{"schema": 1, "family": "e2e"}')
    _refused(tmp_path, "a weights folder of zsl-bench is named hub: or path:")


def test_a_configuration_that_is_no_json(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ZslBenchError):
        load(str(folder))


def test_weights_named_twice(folder):
    _refused(folder, "besides; name them in the reference", weights=folder)


def test_pickled_weights_are_not_opened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    _refused(folder, "no weights as safetensors; give a revision that has them")


def test_weights_that_lack_a_tensor(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _refused(folder, "weights without visual_projection.weight of CLIPModel; give the weights")


def test_weights_of_another_shape(folder):
    _change(folder / "config.json", projection_dim=25)
    _refused(
        folder, "another shape of text_projection.weight, visual_projection.weight than CLIPModel"
    )


def test_weights_that_are_cut_short(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])
    _refused(folder, "check that the files are whole")


def test_no_processor(folder):
    (folder / "preprocessor_config.json").unlink()
    _refused(folder, "no preprocessor_config.json; save the model's processor beside it")


def test_no_tokeniser(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    _refused(folder, "no tokeniser; save the model's tokeniser beside it")


def test_a_tokeniser_that_is_broken(folder):
    (folder / "tokenizer.json").write_text("{}")
    _refused(folder, "check that the files are whole and of this kind")


def test_a_model_without_images(tmp_path):
    transformers.BertConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    _refused(tmp_path, "BertModel, which gives no vectors of texts and of images or videos")


def test_half_a_clip(folder):
    transformers.AutoModel.from_pretrained(folder).vision_model.config.save_pretrained(folder)
    _refused(folder, "CLIPVisionModel, which gives no vectors of texts")


def test_a_classifier_whose_classes_have_no_names(tiny_transformers, tmp_path):
    labels = ("LABEL_0", "LABEL_1")
    folder = tiny_transformers.videomae(tmp_path / "unnamed", labels=labels)
    _refused(folder, "a class called LABEL_0; write the names of the classes into id2label")


def test_the_library_is_not_installed(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    _refused(folder, r"transformers.*pip install.*zsl-bench\[transformers\]")


def test_a_kernel_named_by_the_configuration_is_not_fetched(folder):
    _change(folder / "config.json", attn_implementation="someone/kernel")
    model = load(str(folder))
    assert model.network.config._attn_implementation == "sdpa"


def _with_code(folder):
    (folder / "own.py").write_text(REMOTE)
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    _change(folder / "config.json", model_type="own-clip", auto_map=auto_map)


def test_code_beside_the_weights_does_not_run_unless_trusted(folder, tmp_path):
    _with_code(folder)
    _refused(folder, r"brings its own code \(own-clip\); read .*--trust-remote-code")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("file", "key", "auto"),
    [
        ("tokenizer_config.json", "tokenizer_class", "AutoTokenizer"),
        ("preprocessor_config.json", "image_processor_type", "AutoImageProcessor"),
    ],
)
def test_a_part_that_is_code_is_not_replaced_by_another(folder, tmp_path, file, key, auto):
    (folder / "own.py").write_text(REMOTE)
    _change(folder / file, **{key: "OwnPart", "auto_map": {auto: "own.OwnPart"}})
    _refused(folder, r"its own code \(OwnPart in .*\); read .*--trust-remote-code")
    assert not (tmp_path / "ran").exists()


def test_trusted_code_runs(folder, tmp_path):
    _with_code(folder)
    code = (
        "from zsl_bench.adapters.transformers import load\n"
        "from zsl_bench.model import LoadOptions\n"
        "model = load('./clip', LoadOptions(trust_remote_code=True))\n"
        "print(type(model.network).__name__, type(model).__name__)\n"
    )
    env = os.environ | {"HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["OwnModel", "ImageTextModel"], done.stderr[-2000:]
    assert (tmp_path / "ran").exists()


def test_code_for_a_known_kind_is_left_alone(folder, tmp_path):
    (folder / "own.py").write_text(REMOTE)
    _change(folder / "config.json", auto_map={"AutoModel": "own.OwnModel"})
    assert type(load(str(folder)).network).__module__.startswith("transformers.")
    assert not (folder / "ran").exists()


def test_from_the_hubs_cache_without_a_network(saved, tmp_path, monkeypatch):
    repo = tmp_path / "models--openai--clip-vit-tiny"
    shutil.copytree(saved("clip"), repo / "snapshots" / COMMIT)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = load_model("transformers:openai/clip-vit-tiny")
    assert model.source == f"hub:openai/clip-vit-tiny@{COMMIT}"
    assert model.card.name == "clip-vit-tiny"
    assert model.card.trained_on == ()
    assert model.card.pretrained_on == "open"
    assert model.card.licence == "MIT"
    with pytest.raises(ModelError, match="no such folder"):
        load_model("transformers:./openai")


@pytest.mark.slow
def test_evaluated_in_a_process_of_its_own(saved, tmp_path, write_video):
    for name, colour in (("archery", (200, 40, 40)), ("yoga", (40, 200, 40))):
        write_video(tmp_path / "videos" / name / "a.mp4", colour)
    command = f"evaluate --model transformers:{saved('xclip')} --data mine=videos --protocol full"
    done = subprocess.run(
        [sys.executable, "-m", "zsl_bench", *command.split(), "--set", "prompts=bare"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Loading weights" not in done.stderr
    (result,) = [path for path in tmp_path.rglob("*.json") if "xclip" in path.name]
    content = json.dumps(json.loads(result.read_text()))
    assert str(saved("xclip")) in content
    assert '"prompts": "bare"' in content
