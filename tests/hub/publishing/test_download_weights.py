"""``zsl-bench download weights``, by the Hub's own client against a local server."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.torch import load_file

from zsl_bench.baselines.models import load_from_path
from zsl_bench.cli.download_weights import weights as download_weights
from zsl_bench.errors import WeightsError
from zsl_bench.files import sha256_file
from zsl_bench.model import LoadOptions
from zsl_bench.model_digest import weights_digest
from zsl_bench.registry import load_model
from zsl_bench.wordvectors import WordVectors, load_word_vectors

pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"
)
TOKEN = "hf_" + "Secret0" * 5
REPO = "me/tiny"
VERB = (sys.executable, "-m", "zsl_bench")
TENSORS = ("model.safetensors", "vectors.safetensors")


def test_downloaded_weights_are_those_that_were_pushed(
    writer, folder, tmp_path, monkeypatch, run, push
):
    monkeypatch.chdir(tmp_path)
    pushed = push(folder, REPO)
    done = run("download", "weights", REPO)
    assert done.exit_code == 0, done.output
    assert f"downloaded: {pushed['reference']} in weights/tiny" in done.stdout
    for words in ("trained on: mine (2 classes)", "pretrained on: nothing", "Apache-2.0"):
        assert words in done.stdout
    assert "next: zsl-bench evaluate --model path:weights/tiny" in done.stdout
    for name in TENSORS:
        assert sha256_file(tmp_path / "weights" / "tiny" / name) == sha256_file(folder / name)
    fetched = len(writer.fetched())
    again = json.loads(run("download", "weights", pushed["reference"], "--json").stdout)
    assert (again["new"], again["commit"]) == (False, pushed["commit"])
    assert len(writer.fetched()) == fetched
    loaded = load_from_path(tmp_path / "weights" / "tiny", LoadOptions())
    assert weights_digest(loaded) == pushed["weights"]


def test_the_example_of_the_help_runs(local_hub, folder, tmp_path, monkeypatch, run):
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    local_hub.repositories["ORG/NAME"] = content
    monkeypatch.chdir(tmp_path)
    example = download_weights.epilog.removeprefix("Example: zsl-bench ")
    done = run(*shlex.split(example))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "weights" / "mine" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model.safetensors": None}, "no model.safetensors"),
        ({"card.json": None}, "no weights folder: it has no card.json"),
        ({"card.json": b"[]"}, "no JSON object"),
        ({"config.json": b"{}"}, "schema None"),
        ({"model.safetensors": b"x" * 3000}, "is not the file that config.json describes"),
        (
            {"card.json": None, "config.json": b'{"model_type": "clip"}'},
            "no weights folder of zsl-bench; name it transformers:me/tiny@",
        ),
        (
            {"card.json": None, "open_clip_config.json": b"{}"},
            "no weights folder of zsl-bench; name it open_clip:me/tiny@",
        ),
    ],
)
def test_what_is_no_whole_weights_folder_does_not_appear(
    local_hub, folder, tmp_path, change, words, refused
):
    content = {path.name: path.read_bytes() for path in folder.iterdir()} | change
    local_hub.repositories[REPO] = {n: c for n, c in content.items() if c is not None}
    line = refused("download", "weights", REPO, "--out", tmp_path / "out")
    assert words in line
    assert not (tmp_path / "out").exists()
    if "name it" in words:
        with pytest.raises(WeightsError, match=words):
            load_model(f"hub:{REPO}")
        assert "model.safetensors" not in local_hub.fetched()


def test_a_wrong_checksum_and_a_place_that_is_taken(local_hub, folder, tmp_path, refused):
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    local_hub.repositories[REPO] = content
    local_hub.altered["model.safetensors"] = content["model.safetensors"][:-1] + b"?"
    line = refused("download", "weights", REPO, "--out", tmp_path / "out")
    assert "another content than the Hub has the hash of" in line
    del local_hub.altered["model.safetensors"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").touch()
    taken = refused("download", "weights", REPO, "--out", tmp_path / "taken")
    assert "something else under that name" in taken
    local_hub.refusals["GET /api/models/me/tiny"] = 429
    assert "(429)" in refused("download", "weights", REPO, "--out", tmp_path / "out")
    assert "no such repository" in refused("download", "weights", "me/none")


def test_names_of_the_bundled_table(local_hub, refused):
    assert "no published weights" in refused("download", "weights", "e2e")
    assert "give ORG/NAME[@REVISION]" in refused("download", "weights", "frozn")
    assert local_hub.requests == []


def test_paths_of_a_repository_stay_in_the_folder(local_hub, folder, tmp_path, refused):
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    local_hub.repositories[REPO] = {**content, "../../card.json": b"{}"}
    line = refused("download", "weights", REPO, "--out", tmp_path / "out")
    assert "which could lead out of the folder" in line


def with_more_words(vectors, number):
    """The same vectors and enough of others that the file is sent in several pieces."""
    more = np.random.default_rng(0).normal(size=(number, 300)).astype(np.float32)
    more /= np.linalg.norm(more, axis=1, keepdims=True)
    words = [*sorted(vectors.words, key=vectors.words.get), *(f"word{i}" for i in range(number))]
    return WordVectors(
        words={word: row for row, word in enumerate(words)},
        matrix=np.concatenate([vectors.matrix, more]),
        source="many words",
        digest="many",
    )


def kill_when_halfway(hub, line, folder, **options):
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )
    try:
        assert hub.paused.wait(60)
        for _ in range(600):
            parts = [path for path in folder.rglob(".vectors*.part") if path.stat().st_size]
            if parts:
                return parts[0]
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    raise AssertionError("no part was written")


def test_a_round_trip_with_a_killed_download(
    writer, hub_environment, made, tmp_path, make_folder, run
):
    """Push; a download that is killed and gone on with; evaluate in a process of its own."""
    vectors = with_more_words(load_word_vectors(words=()), 20_000)
    folder = make_folder(tmp_path / "mine", 1, vectors=vectors)
    here = {"env": {**hub_environment, "HF_TOKEN": TOKEN}, "cwd": tmp_path}
    pushed = json.loads(run("push", folder, REPO, "--json").stdout)
    writer.pause_after = 21 << 20
    half = kill_when_halfway(writer, [*VERB, "download", "weights", REPO], tmp_path, **here)
    size = half.stat().st_size
    assert not (tmp_path / "weights" / "tiny").exists()
    writer.pause_after = None
    writer.go.set()
    out = tmp_path / "weights" / "tiny"
    assert run("download", "weights", REPO, "--out", out).exit_code == 0
    assert writer.ranges == [("vectors.safetensors", size)]
    for name in TENSORS:
        assert sha256_file(out / name) == sha256_file(folder / name)
    videos = f"toys={made[0] / 'videos'}"
    line = [*VERB, "evaluate", "--model", f"hub:{REPO}", "--data", videos, "--device", "cpu"]
    said = subprocess.run(
        [*line, "--workers", "0", "--json"], capture_output=True, text=True, check=False, **here
    )
    assert said.returncode == 0, said.stderr
    assert TOKEN not in said.stdout + said.stderr
    (result,) = json.loads(said.stdout)
    expected = json.loads(json.dumps(made[1]["weights"].to_json()))
    assert result["identity"]["model"] == expected["identity"]["model"]
    assert result["scores"] == expected["scores"]
    assert pushed["reference"] in said.stdout


def test_the_clients_own_cache_serves_offline(
    local_hub, folder, tmp_path, monkeypatch, run, refused
):
    from huggingface_hub import constants, snapshot_download

    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    local_hub.repositories[REPO] = content
    snapshot_download(REPO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    local_hub.requests.clear()
    done = run("download", "weights", REPO, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert local_hub.requests == []
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert saved.keys() == load_file(folder / "model.safetensors").keys()
    never = refused("download", "weights", "me/never")
    assert "not in the cache and the Hub cannot be reached" in never
