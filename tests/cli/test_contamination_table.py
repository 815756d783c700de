"""The block of clean and overlapping rows: what it shows, and what it leaves to a line."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from zsl_bench.assessment.contamination import contamination
from zsl_bench.classes import load_class_set
from zsl_bench.cli.contamination import contamination_tables
from zsl_bench.protocols import rank_trials, resolve_protocol
from zsl_bench.report.notes import contamination_notes, verdict_lines
from zsl_bench.scoring import ScoreMatrix
from zsl_bench.splits import load_split
from zsl_bench.verdict import Declared, zero_shot_verdicts

UCF = load_class_set("ucf101")
KINETICS = (load_class_set("kinetics400"),)


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(101), 4)
    scores = rng.normal(size=(404, 101))
    scores[np.arange(404), labels] += 2
    ids = tuple(f"v{i}" for i in range(404))
    return ScoreMatrix(classes=UCF.names, video_ids=ids, labels=labels, scores=scores)


def printed(matrix, declared, protocol, width=100):
    resolved = resolve_protocol(protocol, UCF)
    ranked = rank_trials(matrix, resolved)
    entries = [
        contamination(matrix, ranked, resolved, verdict, np.arange(404) // 2)
        for verdict in zero_shot_verdicts(declared, UCF)
    ]
    out = io.StringIO()
    console = Console(file=out, width=width, markup=False, highlight=False)
    contamination_tables(console, resolved.id, entries)
    notes = "\n".join(contamination_notes(entries))
    return out.getvalue() + notes, {entry["rule"]: entry for entry in entries}


def test_each_rule_has_a_table_with_candidates_and_chance(matrix):
    text, entries = printed(matrix, Declared(trained_on=KINETICS, pretrained_on=()), "2")
    for rule in ("brattoli2020", "exact-name", "same-words", "truze-v2", "truze-v1", "fair-30"):
        assert f"brattoli-full, by {rule}: top-1 % (95% over other videos) among" in text
    first = text[: text.index("by exact-name")].splitlines()
    row = next(i for i, line in enumerate(first) if line.split()[:1] == ["clean"])
    mean = entries["brattoli2020"]["mean"]["clean"]
    for kind in ("all_candidates", "own_candidates", "common_size"):
        assert f"{100 * mean[kind]['top1']:.1f} (" in first[row]
    for beside in ("of 101, chance 1.0", "of 74, chance 1.4", "of 27, chance 3.7"):
        assert beside in first[row + 1]
    assert "unjudged" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_number_is_cut_on_a_narrow_terminal(matrix, width):
    text, _ = printed(matrix, Declared(trained_on=KINETICS, pretrained_on=()), "1", width)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_rules_without_two_groups_are_a_line(matrix):
    declared = Declared(trained_on=(load_split("tp1").classes(),), pretrained_on=())
    text, _ = printed(matrix, declared, "2")
    assert "every row is clean by brattoli2020, same-words" in text
    assert "exact-name" in text
    assert "truze" not in text


def test_not_found_is_not_called_clean(matrix):
    text, _ = printed(matrix, Declared(trained_on=KINETICS, pretrained_on="open"), "1")
    assert "clean" not in text
    assert "by brattoli2020, exact-name, same-words, truze-v2, truze-v1, fair-30 a row" in text
    assert "may have been seen all the same (pretrained_on: open)" in text


def test_a_curated_rule_that_covers_a_part_of_the_data_calls_nothing_clean(matrix):
    declared = Declared(trained_on=KINETICS, pretrained_on=(load_class_set("sun397"),))
    text, entries = printed(matrix, declared, "2")
    assert "by truze-v2, truze-v1, fair-30 a row not found may have been seen all the same" in text
    assert "(sun397: not judged)" in text
    assert entries["brattoli2020"]["clean_is_known"] is True
    assert entries["truze-v2"]["clean_is_known"] is False


def test_draws_without_a_group_are_counted(matrix):
    declared = Declared(trained_on=(KINETICS[0].select(["archery"]),), pretrained_on=())
    text, entries = printed(matrix, declared, "1", 160)
    having = entries["brattoli2020"]["mean"]["overlapping"]["all_candidates"]["num_trials"]
    assert 0 < having < 10
    assert f"overlapping ({having} of 10 trials)" in text


def test_a_model_that_declares_nothing_prints_nothing(matrix):
    assert printed(matrix, Declared(), "2")[0] == ""
    out = io.StringIO()
    contamination_tables(Console(file=out), "2", [])
    assert out.getvalue() == ""


def lines_of(declared):
    rules = [verdict.to_json() for verdict in zero_shot_verdicts(declared, UCF)]
    return list(verdict_lines({"rules": rules}))


def test_the_other_rules_in_words():
    first, second = lines_of(Declared(trained_on=KINETICS, pretrained_on=()))
    assert first == (
        "other rules: overlapping (exact-name, 22 classes), overlapping (same-words, 26 classes), "
        "overlapping (truze-v2, 70 classes), overlapping (truze-v1, 67 classes), "
        "unjudged (fair-30, 93 classes unjudged)"
    )
    assert second.startswith("fair-30: it judges models")
    tp1 = Declared(trained_on=(load_split("tp1").classes(),), pretrained_on=())
    assert lines_of(tp1)[1].startswith("truze-v2, truze-v1, fair-30: it judges models")


def test_results_of_one_rule_have_no_other_rules():
    assert list(verdict_lines({"rules": [{"rules": "brattoli2020", "seen": []}]})) == []
