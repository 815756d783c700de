"""Published numbers: read strictly, equal to the paper's tables, none of them without a source."""

from __future__ import annotations

import re

import pytest

from zsl_bench.errors import ResultError
from zsl_bench.protocols import list_protocols
from zsl_bench.published import (
    claimed,
    published_numbers,
    published_row,
    published_rows,
    read_published,
)

GOOD = """
[protocols.brattoli-half]
family = "half"
meaning = "half"

[[remark]]
method = "M"
datasets = "UCF101"
text = "A remark."

[[group]]
source_kind = "S"
source = "a paper"
tag = "A"

[[group.entry]]
id = "m-one"
method = "M"
trained_on = "something"
values = [{ on = "ucf101", protocol = "brattoli-half", top1 = 40.0, top1_std = 1.5, top5 = 60 }]
"""


def cells(text, heading):
    """Rows of numbers of the table above a caption in the paper's text."""
    before = text[: text.index(heading)].rstrip().splitlines()
    rows = []
    for line in reversed(before):
        if "\t" not in line:
            break
        rows.append(re.sub(r"</?b>", "", line).split("\t"))
    return rows[::-1]


@pytest.fixture
def paper(shared_data):
    path = shared_data.parent / "reference" / "paper.md"
    if not path.exists():
        pytest.skip("the paper's text is not here")
    return path.read_text("utf-8")


def values(entry, *places):
    """What the rows hold of an entry: a number for each data set, protocol and metric, or None."""
    rows = {
        (row.dataset, row.protocol.partition("-")[2], row.metric): row.value
        for row in claimed(entry=entry)
    }
    assert len(rows) == sum(place in rows for place in places)
    return [rows.get(place) for place in places]


def number(text):
    return None if text == "-" else float(text)


def test_the_papers_first_two_tables_cell_by_cell(paper):
    networks = {"C3D": "c3d", "R(2+1)D_18": "e2e"}
    ours = [row for row in cells(paper, "Table 1: Comparison") if row[0].startswith("Ours")]
    assert len(ours) == 4
    for name, network, *printed in ours:
        entry = f"paper-t1-{networks[network]}-{name[5:8]}"
        places = [(d, "half", "top1") for d in ("ucf101", "hmdb51", "activitynet200")]
        assert values(entry, *places) == [number(text) for text in printed]
    second = [row for row in cells(paper, "Table 2: Evaluation") if row[0].endswith("classes")]
    assert len(second) == 2
    for name, *printed in second:
        places = [
            (d, "full", m) for d in ("ucf101", "hmdb51", "activitynet200") for m in ("top1", "top5")
        ]
        assert values(f"paper-t2-e2e-{name[:3]}", *places) == [number(text) for text in printed]


def test_what_the_paper_quotes(paper):
    names = {
        "URL [59]": "url",
        "DataAug [55]": "dataaug",
        "InfDem [35]": "infdem",
        "Bidirectional [50]": "bidirectional",
        "FairZSL [36]": "fairzsl",
        "TARN [4]": "tarn",
        "Action2Vec [14]": "action2vec",
    }
    quoted = [row for row in cells(paper, "Table 1: Comparison") if row[0] in names]
    assert len(quoted) == len(names)
    for name, network, *printed in quoted:
        entry = f"paper-t1-{names[name]}"
        places = [(d, "unspecified", "top1") for d in ("ucf101", "hmdb51")]
        assert values(entry, *places) == [number(text) for text in printed[:2]]
        backbone = claimed(entry=entry)[0].backbone.replace("-", "")
        assert backbone == ("" if network == "-" else network)


def test_the_ablation_and_the_supplement_cell_by_cell(paper):
    third = cells(paper, "Table 3: Ablation")[2:]
    names = {
        (0, 0, 0): "baseline",
        (1, 0, 0): "e2e",
        (1, 1, 0): "e2e-sun",
        (1, 0, 1): "e2e-multi",
        (1, 1, 1): "e2e-sun-multi",
    }
    places = [("ucf101", p, m) for p in ("half", "full") for m in ("top1", "top5")]
    assert len(third) == len(names)
    for *ticks, a, b, c, d in third:
        entry = f"paper-t3-{names[tuple(int(bool(tick)) for tick in ticks)]}"
        assert values(entry, *places) == [float(text) for text in (a, b, c, d)]
        clips = {row.clips for row in claimed(entry=entry)}
        assert clips == {"25 clips" if ticks[2] else "1 clip"}
    last = cells(paper, "Table 1: Accuracy of different backbone")[2:]
    assert len(last) == 8
    places = [(d, p, "top1") for d in ("ucf101", "hmdb51") for p in ("half", "full")]
    short = {"C3D": "c3d", "R3D_18": "r3d", "R(2+1)D_18": "r2plus1d"}
    for network, train, classes, *printed in last:
        entry = f"paper-s1-{train.lower()}-{classes}-{short[network]}"
        assert values(entry, *places) == [float(text) for text in printed]
        tags = {row.tag for row in claimed(entry=entry)}
        assert tags == {"D" if train[1:] == classes else "A"}


def test_every_row_says_where_it_is_from_and_what_its_protocol_is():
    numbers = published_numbers()
    assert len({row.id for row in numbers.rows}) == len(numbers.rows) > 200
    assert {row.protocol for row in numbers.rows} == set(numbers.protocols)
    for label in numbers.protocols.values():
        assert label.is_catalogue == (label.id in list_protocols())
    for row in numbers.rows:
        assert row.source
        assert row.trained_on
        assert row.id.startswith(f"{row.entry}-")
        assert row.id.endswith(f"-{row.metric}")
        assert row.upper is None or row.upper > row.value
        assert row.fraction == pytest.approx(row.value / 100)
    methods = {row.method for row in numbers.rows}
    assert {remark.method for remark in numbers.remarks} <= methods


def test_rows_are_found_by_id_and_by_field():
    row = published_row("paper-t1-e2e-664-ucf-half-top1")
    assert (row.value, row.table, row.tag) == (48.0, "Table 1", "A")
    third = claimed(table="Table 3", protocol="brattoli-full", metric="top5")
    assert [one.value for one in third] == [40.5, 56.4, 61.7, 62.5, 65.6]
    assert claimed() == published_rows()
    with pytest.raises(ResultError, match="did you mean"):
        published_row("paper-t1-e2e-664-ucf-half-top2")
    with pytest.raises(ResultError, match="no such field"):
        claimed(tabel="Table 1")


def test_a_sound_file_is_read_with_what_groups_share():
    numbers = read_published(GOOD, catalogue=["brattoli-half"])
    first, second = numbers.rows
    assert (first.id, first.value, first.std) == ("m-one-ucf-half-top1", 40.0, 1.5)
    assert (second.id, second.value, second.std) == ("m-one-ucf-half-top5", 60.0, None)
    assert (first.tag, first.source, first.year, first.third_party) == ("A", "a paper", None, False)
    assert numbers.remarks[0].text == "A remark."


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('protocol = "brattoli-half"', 'protocol = "brattoli-hal"', "unknown data set or protocol"),
        ('on = "ucf101"', 'on = "ucf11"', "unknown data set or protocol"),
        ("top1 = 40.0", "top1 = 400.0", "no percentage"),
        ("top1 = 40.0", "top1 = -1", "no percentage"),
        ("top1 = 40.0", "top1 = true", "no percentage"),
        ("top1 = 40.0", "top1 = nan", "no percentage"),
        ("top1 = 40.0, top1_std", "top7 = 40.0, top1_std", "top1_std"),
        ('tag = "A"', 'tag = "F"', "unknown tag"),
        ('tag = "A"', 'tag = "D+A"', "unknown tag"),
        ('source_kind = "S"', 'source_kind = "M"', "unknown kind of source"),
        ('source = "a paper"', 'source = ""', "no text 'source'"),
        ('method = "M"\ntrained', "method = 3\ntrained", "no text 'method'"),
        ('id = "m-one"', 'id = "M one"', "other signs"),
        ('id = "m-one"', 'id = "m-one"\ncolour = "red"', "unknown field 'colour'"),
        ('id = "m-one"', 'id = "m-one"\ntag = "B"', "'tag' given twice"),
        ('id = "m-one"', 'id = "m-one"\nyear = "2020"', "year that is no number"),
        ('family = "half"', "", "other fields than family"),
        ("values = [", "values = 3 # [", "no list of tables"),
        ("[[group]]", "[[groups]]", "unknown field 'groups'"),
        ('datasets = "UCF101"', 'dataset = "UCF101"', "no text 'datasets'"),
        ("[protocols", "not toml [protocols", "no valid TOML"),
    ],
)
def test_a_damaged_file_is_refused(old, new, words):
    assert old in GOOD
    with pytest.raises(ResultError, match=re.escape(words)):
        read_published(GOOD.replace(old, new, 1), catalogue=["brattoli-half"])


def test_a_row_that_comes_twice_is_refused():
    entry = GOOD[GOOD.index("[[group.entry]]") :]
    with pytest.raises(ResultError, match="comes twice"):
        read_published(GOOD + entry, catalogue=[])
