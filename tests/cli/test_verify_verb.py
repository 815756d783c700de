"""``zsl-bench verify``: what it prints, and its exit status."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.files import sha256_json


@pytest.fixture
def results(tmp_path, write_results, monkeypatch):
    """The folder of two sound results, in which the verb is run."""
    write_results(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def forge(path):
    """Raise a score and make the hashes anew."""
    data = json.loads(path.read_text())
    data["scores"]["brattoli-full"]["mean"]["top1"] = 0.99
    content = {name: value for name, value in data.items() if name != "sha256"}
    path.write_text(json.dumps({**content, "sha256": sha256_json(content)}))


def verify(*arguments):
    return CliRunner().invoke(main, ["verify", *arguments])


def test_a_sound_result_holds_and_says_what_was_not_possible(results):
    done = verify("results/a.json")
    assert done.exit_code == 0, done.output
    assert "a.json: features-a on ucf101" in done.stdout or "a.json: a on ucf101" in done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("a.json holds: 21 checks passed, 2 not possible (file-name")
    assert verify("results/a.json", "--strict").exit_code == 3


def test_a_forged_result_is_named_with_the_check_that_failed(results):
    forge(results / "b.json")
    done = verify("results/a.json", "results/b.json")
    assert done.exit_code == 3
    assert "b.json does NOT hold: 1 failed (scores)" in done.stdout
    assert "a.json holds" in done.stdout
    assert "brattoli-full.mean.top1: 0.99, made again " in done.stdout


def test_json_has_every_check_of_every_result(results):
    forge(results / "b.json")
    done = verify("results/a.json", "results/b.json", "--json")
    a, b = json.loads(done.stdout)
    assert (done.exit_code, a["ok"], b["ok"], a["fully"]) == (3, True, False, False)
    assert [check["name"] for check in a["checks"]] == [check["name"] for check in b["checks"]]
    assert {check["state"] for check in b["checks"]} == {"pass", "fail", "not possible"}
    assert a["file"] == "a.json"
    assert a["identity_sha256"] != b["identity_sha256"]


def test_what_is_no_result_is_told_as_a_failed_check(results):
    (results / "c.json").write_text("{}")
    done = verify("results/c.json", "results/absent.json")
    assert done.exit_code == 3
    assert done.stdout.count("does NOT hold: 1 failed (schema)") == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "RESULT"),
        (("results/a.json", "--data", "ucf101"), 2, "ucf101"),
        (("results/a.json", "--data", "ucf101=nowhere"), 1, "nowhere"),
        (("results/a.json", "--vectors", "nowhere.bin"), 1, "nowhere.bin"),
    ],
)
def test_what_is_given_wrongly_is_an_error_of_the_call(results, arguments, status, words):
    done = verify(*arguments)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""
