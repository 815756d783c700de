"""``zsl-bench list protocols`` and ``zsl-bench list videos``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from zsl_bench.cli import catalogue, main
from zsl_bench.datasets.expected import official_list
from zsl_bench.protocols import RECIPES, list_protocols, load_definition


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["list", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_holds_every_definition():
    whole = json.loads(shown("protocols", "--json"))
    assert [p["id"] for p in whole] == list(list_protocols())
    assert whole == [load_definition(protocol) for protocol in list_protocols()]
    paper = json.loads(shown("protocols", "1", "--json"))
    assert paper["id"] == "brattoli-half"
    assert paper["aliases"] == ["1"]
    assert len(paper["datasets"]["ucf101"]["trials"]) == 10
    assert json.loads(shown("protocols", "open", "--json")) == {
        "id": "open",
        "recipe": RECIPES["open"],
    }


def test_the_overview_is_whole_in_a_hundred_columns(monkeypatch, capsys):
    monkeypatch.setattr(
        catalogue, "console", lambda: Console(width=100, highlight=False, markup=False)
    )
    main(["list", "protocols"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    first = [line.split()[0] for line in lines if line.startswith(" ") and line[1] not in " \u2500"]
    assert first == ["protocol", *list_protocols(), *RECIPES]
    text = "\n".join(lines)
    for cell in ("50 x 50", "101+seen x 1", "8+22 x 1", "3 test lists", "split1-train+test",
                 "anet13-segments-v1", "alias 1", "n // 2 x 10"):  # fmt: skip
        assert cell in text
    assert "\u2026" not in text


@pytest.mark.parametrize("protocol", list_protocols())
def test_one_protocol_shows_definition_traps_source_hash_and_classes(protocol):
    definition = load_definition(protocol)
    text = shown("protocols", protocol)
    for field in ("title", "candidates", "averaging", "source"):
        assert definition[field] in text
    for note in definition["notes"]:
        assert f"note: {note}" in text
    for dataset, frozen in definition["datasets"].items():
        assert frozen["sha256"] in text
        for number, names in enumerate(frozen["trials"]):
            assert f"{dataset} trial {number}: {', '.join(names)}" in text
    if protocol == "er-k600":
        assert "validation classes of trial 2: " in text
    if protocol == "fair-30":
        assert "hmdb51 distractors: ucf101/PizzaTossing" in text
    if protocol == "xclip-3splits":
        assert "videos testlist01, testlist02, testlist03" in text


def test_video_lists_have_their_true_numbers():
    rows = {(r["data set"], r["name"]): r for r in json.loads(shown("videos", "--json"))}
    for dataset in ("ucf101", "hmdb51"):
        splits = official_list(dataset).splits
        assert {n for d, n in rows if d == dataset} == set(splits)
        for name, ids in splits.items():
            assert rows[dataset, name]["videos"] == len(ids)
    assert rows["ucf101", "testlist01"]["what"] == "official test list 1, alias split1"
    both = rows["hmdb51", "split2-train+test"]
    assert both["what"] == "official training and test lists 2"
    anet = {name: row for (dataset, name), row in rows.items() if dataset == "activitynet200"}
    assert set(anet) == {"anet13-segments-v1", "anet13-video"}
    assert all(row["videos"] is None and row["quoted"] and row["source"] for row in anet.values())


def test_every_video_list_that_a_protocol_names_is_listed():
    rows = {(r["data set"], r["name"]) for r in json.loads(shown("videos", "--json"))}
    for protocol in list_protocols():
        for dataset, frozen in load_definition(protocol)["datasets"].items():
            named = frozen["videos"] if isinstance(frozen["videos"], list) else [frozen["videos"]]
            assert {(dataset, name) for name in named if name} <= rows


def test_the_video_table_says_what_is_quoted():
    text = shown("videos")
    assert "27,801 in Brattoli et al. 2020" in text
    assert "13,320" in text
