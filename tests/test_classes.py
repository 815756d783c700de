"""Class sets: lookup, bundled names, and class files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import (
    ClassSet,
    bundled_class_sets,
    class_set,
    class_set_from_names,
    load_class_set,
    read_class_file,
)
from zsl_bench.errors import ClassSetError
from zsl_bench.words import words_of

NAMES = ["RidingACamel", "brush_hair", "Mooping floor", "my own class"]


def make(**changes: object) -> ClassSet:
    fields = {
        "dataset": "mine",
        "version": 1,
        "names": ("Walk", "Run"),
        "words": (("walk",), ("run",)),
        "labels": ("walk", "run"),
        "aliases": (("Walking",), ()),
    }
    return ClassSet(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": (), "words": (), "labels": (), "aliases": ()}, "no classes"),
        ({"names": ("Walk", "Walk")}, "'Walk' twice"),
        ({"words": (("walk",), ())}, "no words for class 'Run'"),
        ({"labels": ("walk",)}, "2 names, 2 word lists, 1 labels"),
    ],
)
def test_a_malformed_set_is_refused(changes: dict[str, object], message: str):
    with pytest.raises(ClassSetError, match=message):
        make(**changes)


def test_find_index_and_select():
    classes = make()
    assert classes.find("WALKING") == classes.find("walk") == "Walk"
    assert classes.find("swim") is None
    assert classes.select(["Run"]).words == (("run",),)
    with pytest.raises(ClassSetError, match=r"did you mean 'Walk'\?"):
        classes.index("walk")


def test_the_fingerprint_sees_words_and_order():
    assert make().fingerprint == make(source="elsewhere").fingerprint
    assert make().fingerprint != make(words=(("walk",), ("jog",))).fingerprint
    assert make().fingerprint != make().select(["Run", "Walk"]).fingerprint


@pytest.mark.parametrize(
    ("ref", "dataset"),
    [
        ("ucf101", "ucf101"),
        ("UCF-101", "ucf101"),
        ("ucf", "ucf101"),
        ("HMDB 51", "hmdb51"),
        ("kinetics-700", "kinetics700"),
        ("Kinetics_400", "kinetics400"),
        ("k600", "kinetics600"),
        ("kinetics700-2020", "kinetics700"),
        ("activitynet", "activitynet200"),
        ("ActivityNet-200", "activitynet200"),
        ("SUN397", "sun397"),
    ],
)
def test_a_bundled_set_goes_by_several_names(ref: str, dataset: str):
    assert class_set(ref) is load_class_set(dataset)


def test_an_unknown_set_gets_a_near_name():
    with pytest.raises(ClassSetError, match=r"'ucf11'.*did you mean 'ucf101'\?"):
        class_set("ucf11")


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_told(name: str):
    with pytest.raises(ClassSetError, match=r"an empty name; choose from activitynet200, "):
        class_set(name)


def test_a_path_wins_where_it_is_written_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "k700").write_text("juggling\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert class_set("k700").dataset == "kinetics700"
    assert class_set("./k700").names == ("juggling",)
    assert class_set(Path("k700")).names == ("juggling",)


def test_a_name_longer_than_a_path_may_be_is_unknown_and_no_crash():
    with pytest.raises(ClassSetError, match="neither a bundled set nor a file"):
        class_set("x" * 5000)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.txt", "\n".join(NAMES)),
        ("mine.txt", "# my classes\r\n\r\n" + "\r\n".join(f"  {n}  " for n in NAMES) + "\r\n"),
        ("mine.txt", "\N{BYTE ORDER MARK}" + "\r".join(NAMES)),
        ("mine", "".join(f"{i} {n}\n" for i, n in enumerate(NAMES, 1))),
        ("mine.csv", "\n".join(NAMES)),
        ("mine.csv", "\N{BYTE ORDER MARK}Class\r\n" + "\r\n".join(NAMES) + "\r\n"),
        ("mine.csv", "id,name\n" + "".join(f'{i},"{n}"\n' for i, n in enumerate(NAMES))),
        ("mine.csv", "action,seconds\n\n" + "".join(f"{n},1\n" for n in NAMES)),
        ("mine.tsv", "count\tlabel\n" + "".join(f"1\t{n}\n" for n in NAMES)),
        ("mine.csv", "id;Class_Name\r\n" + "".join(f"1;{n}\r\n" for n in NAMES)),
        ("mine.csv", "name,Activity,class_name\n" + "".join(f"v.mp4,x,{n}\n" for n in NAMES)),
        ("mine.csv", "video,ACTIVITY\n" + "".join(f"a;b,{n}\n" for n in NAMES)),
        ("mine.CSV", "video;note;classname\n" + "".join(f'v;"a; b, c";{n}\n' for n in NAMES)),
    ],
)
def test_class_files_in_the_forms_people_have(tmp_path: Path, name: str, content: str):
    classes = read_class_file(write(tmp_path / name, content))
    assert list(classes.names) == NAMES
    assert classes.dataset == "mine"
    assert classes.source == name
    assert classes.words == (
        ("rid", "camel"),
        ("brush", "hair"),
        ("mop", "floor"),
        ("my", "own", "class"),
    )
    assert classes.labels[0] == "riding a camel"


def test_a_quoted_comma_stays_in_the_name(tmp_path: Path):
    classes = read_class_file(write(tmp_path / "a.csv", 'class\n"jump, then sit"\nwalk\n'))
    assert classes.names == ("jump, then sit", "walk")
    assert classes.words[0] == ("jump", "then", "sit")


def test_numbers_are_part_of_names_unless_they_count_the_lines(tmp_path: Path):
    classes = read_class_file(write(tmp_path / "a.txt", "1 on 1 basketball\n4 square\n"))
    assert classes.names == ("1 on 1 basketball", "4 square")
    assert read_class_file(write(tmp_path / "b.txt", "1 on 1 basketball")).names == (
        "1 on 1 basketball",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "no classes"),
        ("a.txt", "# nothing\n\n", "no classes"),
        ("a.csv", "", "no classes"),
        ("a.csv", "class\n", "no classes"),
        ("a.txt", "walk\nrun\n\nwalk\n", "'walk' in lines 1 and 4"),
        ("a.csv", "class\nwalk\nwalk\n", "'walk' in lines 2 and 3"),
        ("a.txt", b"walk\nr\xfcn\n", "no UTF-8 text in line 2"),
        ("a.txt", "walk\nrun\n".encode("utf-16"), "no UTF-8 text in line 1"),
        ("a.txt", "walk\n123\n", r"no letter in '123' \(line 2\)"),
        ("a.csv", "walk,run\n", "2 columns in line 1, none called class"),
        ("a.csv", "walk\njump, then sit\n", "2 columns in line 2.*names with commas into quotes"),
        ("a.csv", "walk;run\n", "2 columns in line 1, none called .*names with semicolons into"),
        ("a.csv", "id,class\n1,walk\n2\n", "no class name in line 3"),
        ("a.csv", "id,class\n1,walk\n2,\n", "no class name in line 3"),
        ("a.csv", 'class\n"walk\n', "unexpected end of data"),
    ],
)
def test_a_bad_class_file_is_told_in_one_line(tmp_path, name: str, content, message: str):
    path = write(tmp_path / name, content)
    with pytest.raises(ClassSetError, match=message) as caught:
        read_class_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path):
    with pytest.raises(ClassSetError, match="is a directory"):
        read_class_file(tmp_path)
    with pytest.raises(ClassSetError, match="no such file"):
        read_class_file(tmp_path / "none.txt")


def test_known_names_keep_their_bundled_words():
    classes = class_set_from_names(
        ["CleanAndJerk", "clean and jerk", "CLEAN_AND_JERK", "Skijet", "claping", "Ping pong"],
        dataset="mine",
        source="test",
    )
    assert classes.words == (
        ("weight", "lift"),
        ("weight", "lift"),
        ("weight", "lift"),
        ("Skyjet",),
        ("clap",),
        ("table", "tennis"),
    )


def test_an_exact_official_name_beats_another_sets_spelling():
    classes = class_set_from_names(["Swing", "wave", "Playing guitar"], dataset="m", source="t")
    assert classes.words == (("swing",), ("wave",), ("play", "guitar"))


@pytest.mark.parametrize("dataset", bundled_class_sets())
def test_official_names_without_the_bundled_set_meet_themselves(dataset: str):
    bundled = load_class_set(dataset)
    read = class_set_from_names(bundled.names, dataset="mine", source="test")
    different = [
        (name, a, b)
        for name, a, b in zip(bundled.names, bundled.words, read.words, strict=True)
        if a != b
    ]
    assert different == []


def test_names_without_words_or_twice_are_refused():
    with pytest.raises(ClassSetError, match="no words for class '123'"):
        class_set_from_names(["walk", "123"], dataset="mine", source="test")
    with pytest.raises(ClassSetError, match="'walk' twice"):
        class_set_from_names(["walk", "walk"], dataset="mine", source="test")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.from_regex(r"[a-z]{3,9}( [a-z]{3,9}){0,2}", fullmatch=True), unique=True, min_size=1
    )
)
def test_a_written_list_is_read_back(tmp_path: Path, names: list[str]):
    path = write(tmp_path / "names.txt", "\n".join(names))
    classes = read_class_file(path)
    assert list(classes.names) == names
    known = class_set_from_names(names, dataset="names", source="names.txt")
    assert classes == known
    assert all(words_of(name) for name in names)
