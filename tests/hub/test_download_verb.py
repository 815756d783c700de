"""``zsl-bench download data``: what it tells, when it downloads, and when it does not."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from zsl_bench.classes import bundled_class_sets
from zsl_bench.cli import main
from zsl_bench.hub import data_source, known_sources

ZIP = b"PK" + b"z" * 5000


def run(*arguments):
    return CliRunner().invoke(main, ["download", "data", *arguments])


@pytest.fixture
def ucf101(local_hub):
    """The first mirror of UCF101, with the files that it is said to have and others."""
    mirror = data_source("ucf101").mirrors[0]
    local_hub.commits.add(mirror.revision)
    local_hub.datasets[mirror.repo] = {
        "UCF-101.zip": ZIP,
        "UCF101TrainTestSplits-RecognitionTask.zip": b"PK lists",
        "UCF101TrainTestSplits-DetectionTask.zip": b"PK others",
        "make.py": b"raise SystemExit",
    }
    return mirror


def test_every_bundled_data_set_has_a_source():
    assert sorted(known_sources()) == sorted(bundled_class_sets())


@pytest.mark.parametrize("dataset", known_sources())
def test_the_facts_are_told_without_a_network(dataset, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    told = run(dataset)
    assert told.exit_code == 0, told.output
    source = data_source(dataset)
    for text in (source.page, source.terms, source.citation, source.index, source.unpack):
        assert text in told.stdout
    facts = json.loads(run(dataset, "--json").stdout)
    assert facts["dataset"] == dataset
    assert facts["index"].startswith(f"zsl-bench index {dataset} ")
    for mirror in facts["mirrors"]:
        assert mirror["reference"] in told.stdout
        assert mirror["holds"] in told.stdout


@pytest.mark.parametrize("dataset", known_sources())
def test_the_commands_and_pins_of_a_source_are_well_formed(dataset):
    source = data_source(dataset)
    arguments = source.index.split()[1:]
    command = main.get_command(None, arguments[0])
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known
    assert source.page.startswith("http")
    for mirror in source.mirrors:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", mirror.repo)
        assert re.fullmatch(r"[0-9a-f]{40}", mirror.revision)
        assert mirror.form in ("archives", "embedded")
        assert mirror.evidence
        assert bool(mirror.splits) == (mirror.form == "embedded")


def test_other_spellings_and_unknown_names():
    assert json.loads(run("UCF-101", "--json").stdout)["dataset"] == "ucf101"
    unknown = run("ucf11")
    assert unknown.exit_code == 1
    assert unknown.stderr.count("\n") == 1
    assert "did you mean 'ucf101'?" in unknown.stderr


def test_nothing_is_downloaded_without_agreement(local_hub, ucf101, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("ucf101").exit_code == 0
    refused = run("ucf101", "--from", "1")
    assert refused.exit_code == 1
    assert "nobody has accepted the terms" in refused.stderr
    assert local_hub.requests == []
    assert list(tmp_path.iterdir()) == [tmp_path / "hf-cache"] or not list(tmp_path.iterdir())


def test_a_mirror_is_downloaded_once_with_agreement(local_hub, ucf101, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("ucf101", "--agree")
    assert done.exit_code == 0, done.output
    assert "left out, no data files: 1 (.py 1)" in done.stderr
    assert "next: zsl-bench index ucf101 data/ucf101 --out ucf101.json" in done.stdout
    assert sorted(path.name for path in (tmp_path / "data" / "ucf101").iterdir()) == [
        ".zsl-bench-download.json",
        "UCF-101.zip",
        "UCF101TrainTestSplits-RecognitionTask.zip",
    ]
    fetched = len(local_hub.fetched())
    again = json.loads(run("ucf101", "--from", "1", "--agree", "--json").stdout)
    assert again["download"]["new"] is False
    assert again["download"]["reference"] == ucf101.reference
    assert len(local_hub.fetched()) == fetched


def test_any_repository_and_a_choice_of_its_files(local_hub, commit, tmp_path):
    local_hub.datasets["org/copy"] = {"a/v_1.avi": b"1", "b/v_2.avi": b"2", "x.csv": b"3"}
    arguments = ("--from", "hub:org/copy@main", "--agree", "--json", "--out", str(tmp_path / "o"))
    done = json.loads(run("ucf101", *arguments, "--include", "a/*").stdout)["download"]
    assert done["reference"] == f"hub:org/copy@{commit}"
    assert (tmp_path / "o" / "a" / "v_1.avi").read_bytes() == b"1"
    assert not (tmp_path / "o" / "b").exists()


def test_embedded_videos_are_unpacked_into_class_folders(
    local_hub, tmp_path, write_video, monkeypatch
):
    datasets = pytest.importorskip("datasets")
    clip = write_video(tmp_path / "c.avi", frames=3).read_bytes()
    columns = {"video": [{"path": "v_Archery_g01_c01.avi", "bytes": clip}], "label": ["Archery"]}
    kinds = {"video": datasets.Video(), "label": datasets.Value("string")}
    table = tmp_path / "table.parquet"
    datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).to_parquet(table)
    mirror = data_source("ucf101").mirrors[2]
    local_hub.commits.add(mirror.revision)
    local_hub.datasets[mirror.repo] = {
        f"data/{part}-0.parquet": table.read_bytes() for part in mirror.splits
    }
    out = tmp_path / "out"
    unsaid = run("ucf101", "--from", "3", "--agree", "--out", str(out))
    assert unsaid.exit_code == 1
    assert "say which one with --split" in unsaid.stderr
    done = run("ucf101", "--from", "3", "--agree", "--out", str(out), "--split", "test", "--json")
    told = json.loads(done.stdout)["download"]
    assert told["files"] == 1
    video = out / "default" / "test" / "Archery" / "v_Archery_g01_c01.avi"
    assert video.read_bytes() == clip
    assert told["next"] == f"zsl-bench index ucf101 {video.parents[1]} --out ucf101.json"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ucf101", "--from", "9", "--agree"), "3 mirrors are listed; give a number of these"),
        (("activitynet", "--agree"), "no mirror is listed; see http://activity-net.org"),
        (("ucf101", "--from", "hub:nobody/none", "--agree"), "no such repository"),
        (("ucf101", "--from", "hub:x", "--agree"), "spell it like hub:org/repo@v1"),
    ],
)
def test_what_cannot_be_downloaded_is_one_line(local_hub, arguments, words):
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_network_one_clear_line(hub, hub_environment, tmp_path):
    hub.close()
    hub.close = lambda: None
    command = [sys.executable, "-m", "zsl_bench", "download", "data", "hmdb51", "--agree"]
    done = subprocess.run(
        command, env=hub_environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.search(r"no connection to the Hub \(.*\); connect to the internet", done.stderr)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("answers", "is_there"), [("1\ny\n", True), ("1\nn\n", False), ("\n", False)]
)
def test_a_person_on_a_terminal_is_asked(hub, hub_environment, tmp_path, answers, is_there):
    mirror = data_source("ucf101").mirrors[0]
    hub.commits.add(mirror.revision)
    hub.datasets[mirror.repo] = {"UCF-101.zip": ZIP}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "zsl_bench", "download", "data", "ucf101"],
        env={**hub_environment, "COLUMNS": "200", "TERM": "dumb"},
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    said = _read_all(ours)
    status = process.wait(60)
    os.close(ours)
    assert "Download a mirror (1 to 3)?" in said
    assert (tmp_path / "data" / "ucf101" / "UCF-101.zip").exists() is is_there, said
    assert status == (1 if answers == "1\nn\n" else 0)
    assert ("Do you accept the terms" in said) is (answers != "\n")


def _read_all(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_help_needs_nothing_heavy():
    code = (
        "import sys\nfrom zsl_bench.cli import main\n"
        "try:\n    main(['download', 'data', 'ucf101'])\nexcept SystemExit as stop:\n"
        "    assert not stop.code\n"
        "print('HEAVY', sorted({'torch', 'av', 'huggingface_hub', 'datasets', 'pyarrow', 'scipy'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n")
