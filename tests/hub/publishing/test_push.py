"""``zsl-bench push``, by the Hub's own client against a local server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from zsl_bench.baselines.models import random_model
from zsl_bench.baselines.weights import save_weights

pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"
)
TOKEN = "hf_" + "Secret0" * 5
REPO = "me/tiny"
TENSORS = ("model.safetensors", "vectors.safetensors")
FOLDER_FILES = {*TENSORS, "config.json", "card.json", "README.md"}


def edit(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def metadata(readme):
    text = readme.decode() if isinstance(readme, bytes) else readme
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("---\n")[1])


def test_a_push_is_one_commit_of_exactly_our_files(writer, folder, result, made, push):
    for stray in (".env", "model.py", "optimizer.pt", ".zsl-bench-download.json"):
        (folder / stray).write_text(TOKEN)
    (folder / "sub").mkdir()
    (folder / "sub" / "card.json").write_text(TOKEN)
    done = push(folder, REPO, "--result", result, "--message", "first")
    files = writer.repositories[REPO]
    stored = f"results/{result.name}"
    assert set(files) == {*FOLDER_FILES, stored, ".gitattributes"}
    assert len(writer.history) == 2
    assert writer.messages[done["commit"]] == "first"
    assert done["reference"] == f"hub:{REPO}@{writer.branches[REPO]['main']}"
    assert done["new"] is True
    for name in (*TENSORS, "config.json", "card.json"):
        assert files[name] == (folder / name).read_bytes()
    assert files[stored] == result.read_bytes()
    assert not any(TOKEN.encode() in content for content in files.values())
    again = push(folder, REPO, "--result", result)
    assert again["commit"] == done["commit"]
    assert (again["new"], again["removed"]) == (False, [])


def test_the_card_says_what_the_result_file_says(writer, folder, result, made, push):
    push(folder, REPO, "--result", result)
    readme = writer.repositories[REPO]["README.md"].decode()
    about = metadata(readme)
    assert about["license"] == "apache-2.0"
    assert about["pipeline_tag"] == "video-classification"
    assert about["library_name"] == "zsl-bench"
    assert about["datasets"] == ["mine"]
    (index,) = about["model-index"]
    stored = json.loads(result.read_text())
    by_protocol = {entry["dataset"]["args"]["protocol"]: entry for entry in index["results"]}
    assert by_protocol.keys() == stored["scores"].keys()
    for protocol, scores in stored["scores"].items():
        entry = by_protocol[protocol]
        assert entry["dataset"]["type"] == "toys"
        assert entry["dataset"]["revision"] == stored["identity"]["manifest"]["digest"]
        assert entry["dataset"]["args"]["identity_sha256"] == stored["identity_sha256"]
        address = f"{constants.HUGGINGFACE_CO_URL_HOME}{REPO}/blob/main/results/{result.name}"
        assert entry["source"]["url"] == address
        values = {metric["name"].split(",")[0]: metric for metric in entry["metrics"]}
        for name, figure in (("top-1 accuracy", "top1"), ("top-5 accuracy", "top5")):
            assert values[name]["value"] == pytest.approx(100 * scores["mean"][figure], abs=1e-3)
            assert values[name]["verified"] is False
        verdict = scores["verdicts"][0]
        assert f"{verdict['finding']} ({verdict['rule']})" in readme
        assert f"| {protocol} v{scores['version']} |" in readme
    assert "trained on: mine (2 classes)" in readme
    assert "pretrained on: nothing" in readme
    assert writer.url not in readme


def test_pushing_other_weights_removes_what_was_of_the_old_ones(writer, folder, result, made, push):
    push(folder, REPO, "--result", result)
    files = dict(writer.repositories[REPO])
    writer.add(REPO, {**files, "results/by-hand.json": b"{}", "notes.txt": b"x"})
    done = push(made[0] / "other", REPO)
    assert done["removed"] == [f"results/{result.name}"]
    assert set(writer.repositories[REPO]) == {
        *FOLDER_FILES, ".gitattributes", "results/by-hand.json", "notes.txt",
    }  # fmt: skip
    readme = writer.repositories[REPO]["README.md"].decode()
    assert "None were published" in readme
    assert "model-index" not in metadata(readme)


def test_a_pull_request_a_branch_and_a_private_repository(writer, folder, run, push, refused):
    assert push(folder, REPO, "--private")["new"] is True
    assert REPO in writer.private
    main_commit = writer.branches[REPO]["main"]
    edit(folder / "card.json", description="another")
    proposed = push(folder, REPO, "--pr")
    assert proposed["revision"] == "refs/pr/1"
    branch = push(folder, REPO, "--revision", "v2")
    assert branch["commit"] == writer.branches[REPO]["v2"]
    readme = writer.history[branch["commit"]]["README.md"].decode()
    assert f"--model hub:{REPO}@v2 --data" in readme
    assert f"--model hub:{REPO} --data" in writer.repositories[REPO]["README.md"].decode()
    assert writer.branches[REPO]["main"] == main_commit
    writer.private.clear()
    assert "is there, and public" in refused("push", folder, REPO, "--private")
    assert "no such repository" in refused("push", folder, "me/none", "--pr")
    assert run("push", folder, REPO, "--pr", "--revision", "v2").exit_code == 2


def test_own_text_of_the_readme_stays(writer, folder, push):
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n## How it was made\n\nBy hand.\n")
    push(folder, REPO)
    first = writer.repositories[REPO]["README.md"]
    assert first.decode().endswith("<!-- zsl-bench: end -->\n\n## How it was made\n\nBy hand.\n")
    assert metadata(first)["license"] == "apache-2.0"
    (folder / "README.md").write_bytes(first)
    push(folder, REPO)
    assert writer.repositories[REPO]["README.md"] == first


def test_a_dry_run_asks_nobody(writer, folder, result, run):
    done = run("push", folder, REPO, "--result", result, "--dry-run")
    assert done.exit_code == 0, done.output
    assert writer.requests == []
    assert metadata(done.stdout)["library_name"] == "zsl-bench"
    assert f"results/{result.name}" in done.stderr
    listed = json.loads(run("push", folder, REPO, "--dry-run", "--json").stdout)
    assert set(listed["files"]) == FOLDER_FILES


def test_what_is_not_to_be_published_is_refused_before_anybody_is_asked(
    writer, folder, result, made, tmp_path, refused
):
    other = next((made[0] / "other-results").glob("*.json"))
    assert "a result of other weights" in refused("push", folder, REPO, "--result", other)
    for target in ("too/many/parts", "trial", ""):
        assert "no ORG/NAME; spell it like me/my-model" in refused("push", folder, target)
    assert "no such folder" in refused("push", tmp_path / "nowhere", REPO)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text("")
    assert "code and no config.json" in refused("push", tmp_path / "code", REPO)
    assert "a revision" in refused("push", folder, f"{REPO}@v1")
    edited = tmp_path / "edited.json"
    edited.write_text(result.read_text().replace('"complete": true', '"complete": false'))
    assert "do not match their SHA-256" in refused("push", folder, REPO, "--result", edited)
    edit(folder / "card.json", trained_on=[])
    line = refused("push", folder, REPO, "--result", result)
    assert "a verdict on other training classes than card.json declares" in line
    config = (folder / "config.json").read_text()
    edit(folder / "config.json", sha256={})
    assert "no digests of the tensor files" in refused("push", folder, REPO)
    edit(folder / "config.json", network="r2plus1d_18", sha256={})
    assert "keys missing, unexpected or of another shape" in refused("push", folder, REPO)
    (folder / "config.json").write_text(config)
    (folder / "card.json").unlink()
    assert "no card.json" in refused("push", folder, REPO)
    assert "no config.json" in refused("push", tmp_path, REPO)
    assert writer.requests == []


def test_an_incomplete_result_is_shown_apart_and_never_in_the_metadata(
    writer, folder, made, tmp_path, push, refused
):
    partial = replace(made[1]["weights"], complete=False).save(tmp_path / "partial")
    assert "it is incomplete" in refused("push", folder, REPO, "--result", partial)
    push(folder, REPO, "--result", partial, "--allow-incomplete")
    readme = writer.repositories[REPO]["README.md"].decode()
    assert "### Incomplete, ranked nowhere" in readme
    assert "### Complete" not in readme
    assert "model-index" not in metadata(readme)


def test_what_a_person_should_know_is_noted(writer, tmp_path, run, push, make_folder):
    folder = make_folder(tmp_path / "w", 1, licence="", pretrained_on=None)
    edit(folder / "card.json", training={"config": {"data": {"path": str(tmp_path)}}})
    done = run("push", folder, REPO)
    assert done.exit_code == 0, done.output
    assert "names no licence" in done.stderr
    assert "leaves pretrained_on undeclared" in done.stderr
    assert "card.json names places on this machine" in done.stderr
    assert metadata(writer.repositories[REPO]["README.md"])["license"] == "unknown"
    own = make_folder(tmp_path / "own", 1, licence="Our Lab's Licence 1.0")
    push(own, REPO)
    about = metadata(writer.repositories[REPO]["README.md"])
    assert (about["license"], about["license_name"]) == ("other", "our-lab-s-licence-1.0")


def test_weights_of_other_word_vectors_need_these_in_the_folder(writer, tmp_path, refused):
    model = random_model(network="r2plus1d_tiny", seed=1)
    folder = save_weights(model, tmp_path / "w", training={"vectors": {"digest": "0" * 64}})
    assert "no vectors.safetensors, and training that had other" in refused("push", folder, REPO)
    assert writer.requests == []


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ("POST /api/repos/create", 401, "the Hub refuses access (401); run hf auth login"),
        ("POST /api/repos/create", 403, "the Hub refuses access (403)"),
        ("GET /api/models/me/tiny", 429, "too many requests (429); wait a few minutes"),
        ("POST /api/models/me/tiny/commit", 412, "somebody else changed the repository"),
        ("POST /api/models/me/tiny/commit", 413, "answers with status 413"),
        ("PUT /lfs/", 400, "answers with status 400"),
    ],
)
def test_what_the_hub_refuses_is_one_line(writer, folder, request_, status, words, refused):
    writer.refusals[request_] = status
    line = refused("push", folder, REPO)
    assert words in line
    assert writer.url not in line
    assert "nothing was changed" not in line
    assert ("after the repository was made" in line) is (REPO in writer.repositories)
    assert writer.repositories.get(REPO, {}).keys() <= {".gitattributes"}


def test_without_a_token_nothing_is_made(local_hub, folder, refused):
    assert "run hf auth login with a token that may write" in refused("push", folder, REPO)
    assert REPO not in local_hub.repositories


def test_a_broken_upload_is_tried_again(writer, folder, push):
    writer.cut_uploads = 1
    push(folder, REPO)
    content = writer.repositories[REPO]["model.safetensors"]
    assert content == (folder / "model.safetensors").read_bytes()


def test_a_vectors_file_that_nobody_describes_is_refused(tmp_path, refused):
    model = random_model(network="r2plus1d_tiny", seed=1)
    folder = save_weights(model, tmp_path / "w")
    save_file(load_file(folder / "model.safetensors"), folder / "vectors.safetensors")
    line = refused("push", folder, REPO)
    assert "vectors.safetensors, which config.json does not name" in line
