"""What ``zsl-bench push`` says of results, and which results and files it takes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import one_line
from zsl_bench.evaluation import evaluate
from zsl_bench.files import sha256_bytes
from zsl_bench.wordvectors import WordVectors, load_word_vectors
from zsl_bench.workflows.publish import model_card, read_candidate
from zsl_bench.workflows.publish.markup import fenced, paragraph, plain

pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"
)
REPO = "me/tiny"


def metadata(readme):
    return yaml.safe_load(readme.split("---\n")[1])


def entries(readme):
    (index,) = metadata(readme)["model-index"]
    return index["results"]


def edited(made, place, change):
    """A sound result file of the same weights with other contents."""
    content = json.loads(json.dumps(made[1]["weights"].to_json()))
    change(content)
    kept = {
        name: content[name]
        for name in ("identity", "zero_shot", "coverage", "complete", "scores", "environment")
    }
    place.mkdir(exist_ok=True)
    return replace(made[1]["weights"], **kept).save(place)


def test_results_of_one_data_set_are_entries_of_their_own(made, folder, result, tmp_path):
    paths, stored = [result], [json.loads(result.read_text())]
    for number, options in enumerate(({"policy": "paper-1x8"}, {"precision": "bf16"})):
        place = tmp_path / str(number)
        (one,) = evaluate(
            f"path:{folder}", data={"toys": made[0] / "videos"}, out=place, workers=0,
            device="cpu", **options,
        )  # fmt: skip
        paths.append(place / f"{one.stem}.json")
        stored.append(json.loads(paths[-1].read_text()))
    readme = model_card(read_candidate(folder, paths), REPO)
    found = entries(readme)
    assert len(found) == sum(len(one["scores"]) for one in stored)
    for one, path in zip(stored, paths, strict=True):
        for name, scores in one["scores"].items():
            (entry,) = (
                entry
                for entry in found
                if entry["dataset"]["args"]["identity_sha256"] == one["identity_sha256"]
                and entry["dataset"]["args"]["protocol"] == name
            )
            assert entry["source"]["url"].endswith(f"/results/{path.name}")
            assert entry["dataset"]["args"]["clip_policy"] == one["identity"]["clip_policy"]
            assert len(entry["metrics"]) == sum(
                scores["mean"][figure] is not None for figure in ("top1", "top5", "mean_per_class")
            )
        digits = one["identity_sha256"][:12]
        rows = [line for line in readme.splitlines() if f"[{digits}](results/{path.name})" in line]
        assert len(rows) == len(one["scores"])
        assert all(one["identity"]["clip_policy"] in row for row in rows)
        assert all(("bf16" in row) is (one["identity"]["precision"] == "bf16") for row in rows)


def test_settings_and_rules_of_words_are_told(made, folder, tmp_path):
    def change(content):
        content["identity"]["model"]["settings"] = {"prompts": "a|b"}
        content["identity"]["classes"]["rules"] = "plain"

    path = edited(made, tmp_path / "edited", change)
    readme = model_card(read_candidate(folder, [path]), REPO)
    assert "words by the rules plain, prompts=a\\|b |" in readme
    assert "prompts=a|b" in entries(readme)[0]["dataset"]["args"]["conditions"]


def test_results_of_other_word_vectors_stand_apart(made, folder, make_folder, result, tmp_path):
    known = load_word_vectors(words=())
    rows = np.random.default_rng(0).normal(size=known.matrix.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    other = WordVectors(
        words=known.words, matrix=rows, source="mine.txt", digest=sha256_bytes(b"other")
    )
    with_other = make_folder(tmp_path / "other", 1, vectors=other)
    (one,) = evaluate(
        f"path:{with_other}", data={"toys": made[0] / "videos"}, out=tmp_path / "r", workers=0,
        device="cpu",
    )  # fmt: skip
    path = tmp_path / "r" / f"{one.stem}.json"
    assert len(entries(model_card(read_candidate(with_other, [path]), REPO))) == len(one.scores)
    candidate = read_candidate(folder, [path, result])
    noted = f"{path.name}: made with other word vectors than the folder gives"
    assert any(note.startswith(noted) for note in candidate.notes)
    readme = model_card(candidate, REPO)
    apart = readme.split("### With other word vectors than this repository's\n")[1]
    assert f"word vectors mine.txt ({other.digest[:12]})" in apart
    assert f"results/{path.name}" in apart
    sources = {entry["source"]["url"].rpartition("/")[2] for entry in entries(readme)}
    assert sources == {result.name}


def test_a_bare_folder_takes_results_of_the_bundled_vectors(folder, result):
    config = json.loads((folder / "config.json").read_text())
    del config["sha256"]["vectors.safetensors"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vectors.safetensors").unlink()
    assert "model-index" in metadata(model_card(read_candidate(folder, [result]), REPO))


def test_the_same_result_twice_is_one(folder, result, made, tmp_path):
    again = tmp_path / "again.json"
    again.write_bytes(result.read_bytes())
    partial = replace(made[1]["weights"], complete=False).save(tmp_path / "partial")
    candidate = read_candidate(folder, [partial, result, again, result], allow_incomplete=True)
    assert [one.path for one in candidate.results] == [result]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["identity"].pop("manifest"), "no field 'identity.manifest'"),
        (lambda c: c["identity"]["manifest"].pop("digest"), "no field 'identity.manifest.digest'"),
        (lambda c: c["identity"].pop("class_vectors"), "no field 'identity.class_vectors'"),
        (lambda c: c["coverage"].pop("scored"), "no field 'coverage.scored'"),
        (lambda c: c["zero_shot"].update(approximate_words=3), "of another type, int"),
        (lambda c: [s.update(verdicts=[]) for s in c["scores"].values()], "no verdicts"),
        (lambda c: [s.update(trials=[]) for s in c["scores"].values()], "no trials"),
        (lambda c: [s.pop("verdicts") for s in c["scores"].values()], "no field 'score.verdicts'"),
        (lambda c: [s["mean"].pop("top5") for s in c["scores"].values()], "'score.mean.top5'"),
        (lambda c: [s.update(trials=[4]) for s in c["scores"].values()], "another type, int"),
        (lambda c: [s.update(generalised=None) for s in c["scores"].values()], "NoneType"),
        (lambda c: c["scores"].update(dict.fromkeys(c["scores"], 1)), "'score' of another type"),
    ],
)
def test_a_result_that_lacks_what_a_card_says_is_one_line(
    made, folder, tmp_path, change, words, refused
):
    path = edited(made, tmp_path / "edited", change)
    line = refused("push", folder, REPO, "--result", path, "--dry-run")
    assert words in line
    assert "make it again" in line


@pytest.mark.parametrize("name", ["README.md", "card.json", "config.json", "model.safetensors"])
def test_a_file_that_is_a_link_out_of_the_folder_is_refused(folder, tmp_path, name, refused):
    outside = tmp_path / "outside"
    path = folder / name
    if path.exists():
        path.rename(outside)
    else:
        outside.write_text("my diary")
    path.symlink_to(outside)
    line = refused("push", folder, REPO, "--dry-run")
    assert f"{name}, a link to a file outside the folder" in line
    outside.unlink()
    assert "a link to a file outside" in refused("push", folder, REPO, "--dry-run")


def test_links_within_the_folder_and_in_the_hubs_own_cache_are_taken(folder, tmp_path, refused):
    (folder / "text.md").write_text("kept words")
    (folder / "README.md").symlink_to("text.md")
    assert "kept words" in model_card(read_candidate(folder), REPO)
    blobs = tmp_path / "models--me--tiny" / "blobs"
    snapshot = blobs.parent / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("card.json", "config.json", *_tensors(folder), "README.md")):
        (blobs / str(number)).write_bytes((folder / name).read_bytes())
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    assert "kept words" in model_card(read_candidate(snapshot), REPO)
    (snapshot / "README.md").unlink()
    (snapshot / "README.md").symlink_to(tmp_path / "weights" / "text.md")
    assert "outside the folder" in refused("push", snapshot, REPO, "--dry-run")
    (snapshot / "README.md").unlink()
    (snapshot / "README.md").mkdir()
    assert "no plain file" in refused("push", snapshot, REPO, "--dry-run")


def _tensors(folder):
    return sorted(path.name for path in folder.glob("*.safetensors"))


def test_the_branch_is_in_the_links_and_the_reference(folder, result, run, refused):
    shown = run(
        "push", folder, REPO, "--result", result, "--revision", "next/try", "--dry-run", "--json"
    )
    readme = json.loads(shown.stdout)["readme"]
    home = constants.HUGGINGFACE_CO_URL_HOME
    for entry in entries(readme):
        address = f"{home}{REPO}/blob/next%2Ftry/results/{result.name}"
        assert entry["source"]["url"] == address
    assert f"--model hub:{REPO}@next/try --data" in readme
    assert "no org/repo@revision" in refused("push", folder, REPO, "--revision", "a; rm b")


def test_the_endpoint_of_the_environment_stays_private(folder, result, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://me:secret@mirror.local")
    readme = model_card(read_candidate(folder, [result]), REPO)
    assert "secret" not in readme
    assert "mirror.local" not in readme


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff---\nlicense: mit\n---\nBy hand.\n",
        "\ufeff---\r\nlicense: mit\r\n---\r\nBy hand.",
        "\n---\nlicense: mit\n--- \nBy hand.\n",
        "---\nlicense: mit\n---",
    ],
)
def test_own_metadata_never_stays_in_the_body(folder, text):
    (folder / "README.md").write_bytes(text.encode())
    readme = model_card(read_candidate(folder), REPO)
    own = readme.split("<!-- zsl-bench: end -->\n")[1]
    assert own == ("\nBy hand.\n" if "By hand" in text else "")


def test_text_of_a_card_cannot_pass_for_what_is_made(writer, tmp_path, make_folder, run):
    folder = make_folder(
        tmp_path / "w", 1,
        description="d\n## Results\n| fake | 99.9 |\x1b[2J",
        licence="mit\n* pretrained on: nothing",
        citation="@x{\n  y = {z},\n}\n<!-- zsl-bench: end -->\n```\n# free\x1b]0;x\x07",
        pretrained_on=None,
    )  # fmt: skip
    first = model_card(read_candidate(folder), REPO)
    (folder / "README.md").write_text(f"{first}\nMine.\n")
    second = model_card(read_candidate(folder), REPO)
    assert second == f"{first}\nMine.\n"
    lines = first.splitlines()
    assert lines.count("## Results") == lines.count("<!-- zsl-bench: end -->") == 1
    assert "* pretrained on: nothing" not in lines
    assert "* licence: mit * pretrained on: nothing" in lines
    assert "  y = {z}," in lines
    assert lines.count("```") == 3
    assert all(line.isprintable() for line in lines)
    assert run("push", folder, REPO).exit_code == 0
    done = run("download", "weights", REPO, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "  licence: mit * pretrained on: nothing\n" in done.stdout
    assert "## Results | fake | 99.9 |\\x1b[2J\n" in done.stdout


@given(st.text())
def test_text_is_one_one_line_that_marks_nothing_up(text):
    line = one_line(text)
    assert line.isprintable()
    assert line == one_line(line)
    for made in (plain(text), paragraph(text)):
        assert made.isprintable()
        assert not {"<", ">"} & set(made)
        unescaped = made.replace("\\\\", "")
        assert all(unescaped.count(c) == unescaped.count(f"\\{c}") for c in "[]|`")
    block = fenced(text)
    assert "```" not in block
    assert "<!--" not in block
    assert "-->" not in block
    assert all(one.isprintable() for one in block.split("\n"))
