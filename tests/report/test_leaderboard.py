"""Who is ranked with whom: only the complete, verified and comparable, and never the claimed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.files import sha256_json
from zsl_bench.published import published_rows
from zsl_bench.report.leaderboard import ALONE, HEADER, build_leaderboard
from zsl_bench.report.submissions import Gathered, Submission, gather
from zsl_bench.results import load_result

HALF = ("ucf101", "brattoli-half", "top1")


@pytest.fixture
def results(tmp_path, write_results):
    write_results(tmp_path)
    return tmp_path / "results"


@pytest.fixture
def base(results):
    return load_result(results / "a.json")


def made(base, name, value, *, policy="centre", finding="disjoint", complete=True, verified=True):
    """A result like the given one, of a model with one figure, run with a known policy."""
    settings = dict.fromkeys(("decoder", "resizer", "precision"), "x")
    identity = {
        **base.identity,
        **settings,
        "model": {**base.identity["model"], "name": name, "weights": name},
        "clip_policy": policy,
    }
    scores = json.loads(json.dumps(base.scores))
    for entry in scores.values():
        entry["mean"]["top1"] = value
        entry["verdicts"][0]["finding"] = finding
    result = replace(base, identity=identity, scores=scores, complete=complete)
    return Submission(
        source="here", file=f"{name}.json", path=Path(name), result=result, verified=verified,
        told="told",
    )  # fmt: skip


def board_of(*submissions):
    found = Gathered(submissions=submissions, not_listed=(), others=0)
    return build_leaderboard(found)


def lists(board, key=HALF):
    (one,) = [b for b in board.boards if (b.dataset, b.protocol, b.metric) == key]
    return [
        [(s.submission.result.model, s.rank, s.unranked) for s in group.standings]
        for group in one.measured
    ]


def test_ranks_are_by_value_and_equal_values_share_one(base):
    board = board_of(
        made(base, "low", 0.2),
        made(base, "top", 0.5),
        made(base, "tie", 0.5),
        made(base, "mid", 0.3),
    )
    assert lists(board) == [[("tie", 1, ""), ("top", 1, ""), ("mid", 3, ""), ("low", 4, "")]]


def test_a_model_that_saw_the_classes_is_not_ranked_with_one_that_did_not(base):
    board = board_of(made(base, "leaky", 0.9, finding="overlapping"), made(base, "clean", 0.4))
    assert lists(board) == [[("clean", 1, ""), ("leaky", 1, "")]]


def test_the_incomplete_and_the_unverified_are_listed_without_a_rank(base):
    board = board_of(
        made(base, "part", 0.9, complete=False),
        made(base, "forged", 0.8, verified=False),
        made(base, "empty", None),
        made(base, "good", 0.4),
    )
    assert lists(board) == [
        [
            ("good", 1, ""),
            ("part", None, "incomplete"),
            ("forged", None, "not verified"),
            ("empty", None, "nothing scored"),
        ]
    ]


def test_what_differs_in_the_run_stands_in_lists_of_its_own(base):
    board = board_of(
        made(base, "a", 0.5), made(base, "b", 0.4), made(base, "c", 0.9, policy="paper-25")
    )
    assert lists(board) == [[("a", 1, ""), ("b", 2, "")], [("c", None, ALONE)]]
    one = next(b for b in board.boards if (b.dataset, b.protocol, b.metric) == HALF)
    assert [group.differs for group in one.measured] == [("clip_policy",), ("clip_policy",)]


def test_each_protocol_has_its_own_board_and_claimed_rows_are_in_no_list(base):
    board = board_of(made(base, "a", 0.01))
    assert len([b for b in board.boards if b.measured]) == 2
    half = next(b for b in board.boards if (b.dataset, b.protocol, b.metric) == HALF)
    expected = [row for row in published_rows() if (row.dataset, row.protocol, row.metric) == HALF]
    assert sorted(row.value for row in half.claimed) == sorted(row.value for row in expected)
    assert [row.value for row in half.claimed] == sorted(
        (row.value for row in expected), reverse=True
    )
    assert lists(board) == [[("a", 1, "")]]


def test_rows_hold_every_figure_once_with_all_columns(base):
    board = board_of(made(base, "a", 0.512), made(base, "b", 0.4))
    rows = list(board.rows())
    assert all(tuple(row) == HEADER for row in rows)
    measured = [row for row in rows if row["kind"] == "measured"]
    assert len(measured) == 4
    assert {row["id"] for row in rows if row["kind"] == "claimed"} == {
        row.id for row in published_rows()
    }
    assert measured[0]["value"] == 51.2
    assert measured[0]["trained_on"] == "kinetics400 (400 classes)"
    assert measured[0]["pretrained_on"] == "nothing"
    json.dumps(board.to_json(), allow_nan=False)


def test_results_below_a_folder_are_found_verified_and_the_damaged_told(results, tmp_path):
    (results / "deep").mkdir()
    (results / "deep" / "broken.json").write_text("{", "utf-8")
    (results / "deep" / "other.json").write_text('{"kind": "manifest"}', "utf-8")
    (results / "deep" / "list.json").write_text("[]", "utf-8")
    (results / ".hidden.json").write_text("{", "utf-8")
    edited = json.loads((results / "a.json").read_text("utf-8"))
    edited["complete"] = True
    (results / "edited.json").write_text(json.dumps(edited), "utf-8")
    (results / "again.json").write_bytes((results / "a.json").read_bytes())
    outside = tmp_path / "outside.json"
    outside.write_text("{", "utf-8")
    (results / "link.json").symlink_to(outside)
    seen = []
    found = gather([str(results)], progress=seen.append)
    assert [(one.file, one.verified) for one in found.submissions] == [
        ("a.json", True),
        ("b.json", True),
    ]
    assert "checks passed, none failed" in found.submissions[0].told
    told = {one.file: one.reason for one in found.not_listed}
    assert told.keys() == {"deep/broken.json", "edited.json", "again.json"}
    assert "SHA-256" in told["edited.json"]
    assert told["again.json"] == "the same result as a.json of results"
    assert found.others == 2
    assert "link.json" not in seen


def test_a_forged_score_with_new_hashes_is_listed_as_not_verified(results):
    (results / "b.json").unlink()
    forged = load_result(results / "a.json")
    scores = json.loads(json.dumps(forged.scores))
    scores["brattoli-full"]["mean"]["top1"] = 0.999
    content = replace(forged, scores=scores).to_json()
    (results / "a.json").write_text(json.dumps(content), "utf-8")
    found = gather([str(results)])
    first = next(one for one in found.submissions if one.file == "a.json")
    assert not first.verified
    assert "0.999" in first.told


def test_a_result_with_odd_fields_and_sound_hashes_is_told_and_breaks_nothing(results):
    (results / "b.json").unlink()
    content = json.loads((results / "a.json").read_text("utf-8"))
    content["scores"]["brattoli-full"]["mean"] = "much"
    content.pop("sha256")
    content["sha256"] = sha256_json(content)
    (results / "a.json").write_text(json.dumps(content), "utf-8")
    found = gather([str(results)])
    assert found.submissions == ()
    assert "absent or odd" in found.not_listed[0].reason


def test_two_results_of_one_identity_with_other_scores_are_told_apart(results):
    (results / "b.json").unlink()
    other = load_result(results / "a.json")
    scores = json.loads(json.dumps(other.scores))
    scores["brattoli-full"]["mean"]["top1"] = 0.5
    content = replace(other, scores=scores).to_json()
    (results / "z.json").write_text(json.dumps(content), "utf-8")
    found = gather([str(results)])
    assert found.not_listed[0].file == "z.json"
    assert "other scores than a.json" in found.not_listed[0].reason


def test_a_forged_copy_does_not_keep_the_sound_result_off_the_board(results):
    (results / "b.json").unlink()
    sound = load_result(results / "a.json")
    scores = json.loads(json.dumps(sound.scores))
    scores["brattoli-full"]["mean"]["top1"] = 0.99
    content = replace(sound, scores=scores).to_json()
    (results / "0.json").write_text(json.dumps(content), "utf-8")
    found = gather([str(results)])
    assert [(one.file, one.verified) for one in found.submissions] == [("a.json", True)]
    assert [one.file for one in found.not_listed] == ["0.json"]
    assert "does not hold, and a.json of results" in found.not_listed[0].reason


def test_no_folder_and_no_reference_are_told():
    with pytest.raises(ResultError, match="no such folder"):
        gather(["nowhere"])
    with pytest.raises(DatasetError, match="no org/repo"):
        gather(["hub:nothing"])
