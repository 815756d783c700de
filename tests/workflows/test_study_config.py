"""Study configurations: what is read, and how what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsl_bench.errors import ZslBenchError
from zsl_bench.workflows.studies.config import StudyConfig, StudyModel, bundled_studies, load_study
from zsl_bench.workflows.studies.plan import plan_study
from zsl_bench.workflows.studies.state import tasks_of

WHOLE = """
kind = "classes"
description = "what for"
out = "somewhere"
set = ["run.seed=1"]
[models]
e2e = "demo"
frozen = { config = "demo", set = ["model.family=frozen", "run.seed=0"] }
[test]
ucf101 = "a"
hmdb51 = "b"
[evaluations.many]
protocols = ["1"]
policy = "paper-25"
allow_partial = true
[evaluations.one]
sets = ["hmdb51"]
policy = "paper-1"
[grid]
counts = [2, "all"]
"""


def read(tmp_path, text, kind="classes", **given):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load_study(kind, path, **given)


def grid(**values):
    return StudyConfig(
        kind="classes", name="s", out=Path("o"), models=(), evaluations=(), grid=values
    )


def test_everything_is_read(tmp_path):
    config = read(tmp_path, WHOLE)
    assert (config.name, config.out, config.description) == ("mine", Path("somewhere"), "what for")
    e2e, frozen = config.models
    assert e2e == StudyModel(name="e2e", config="demo", overrides=("run.seed=1",))
    assert frozen.overrides == ("model.family=frozen", "run.seed=0", "run.seed=1")
    many, one = config.evaluations
    assert many.data == {"ucf101": "a", "hmdb51": "b"}
    assert (many.protocols, many.policy) == (("1",), "paper-25")
    assert many.settings == {"allow_partial": True}
    assert (one.data, one.policy, one.protocols) == ({"hmdb51": "b"}, "paper-1", ())
    assert config.counts("counts") == (2, None)
    assert config.model("frozen") is frozen


def test_the_command_line_comes_last(tmp_path):
    config = read(tmp_path, WHOLE, overrides=("run.seed=5",), data={"ucf101": "x"}, out="there")
    assert all(model.overrides[-1] == "run.seed=5" for model in config.models)
    assert config.evaluations[0].data["ucf101"] == "x"
    assert config.out == Path("there")
    assert {task.config.run.seed for task in tasks_of(plan_study(config))} == {5}


def test_a_path_for_a_set_that_the_study_has_not_is_a_slip(tmp_path):
    with pytest.raises(ZslBenchError, match="no test set 'ucf11'; did you mean 'ucf101'"):
        read(tmp_path, WHOLE, data={"ucf11": "x"})
    config = read(tmp_path, '[models]\ne2e = "demo"\n', data={"ucf101": "x"})
    assert config.evaluations[0].data == {"ucf101": "x"}


def test_what_is_left_out_has_a_default(tmp_path):
    config = read(tmp_path, '[models]\ne2e = "demo"\n[test]\nucf101 = "a"\n')
    assert (config.out, config.kind) == (Path("studies/mine"), "classes")
    (evaluation,) = config.evaluations
    assert (evaluation.name, evaluation.protocols, evaluation.policy) == ("test", (), None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("kind =", "kin ="), "unknown field 'kin'; did you mean 'kind'"),
        (('kind = "classes"', 'kind = "videos"'), "a study of videos; zsl-bench study videos"),
        (('"demo"\nfrozen', "3\nfrozen"), "models.e2e: 3; name a training configuration"),
        (('config = "demo", ', ""), "models.frozen: no config"),
        (('set = ["run.seed=1"]', "set = 3"), "set = 3; give a list of texts"),
        (('[models]\ne2e = "demo"\nfrozen', "[other]\nx"), "unknown field 'other'"),
        (('ucf101 = "a"', "ucf101 = 1"), "test: ucf101 = 1; give a text in quotes"),
        (('sets = ["hmdb51"]', 'sets = ["hmdb"]'), "no test set 'hmdb'; did you mean 'hmdb51'"),
        (("allow_partial = true", "allow_partial = 1"), "allow_partial = 1; give bool"),
        (("allow_partial = true", "batch_size = true"), "batch_size = True; give int"),
        (("allow_partial = true", "partial = true"), "unknown field 'partial'"),
        (("[grid]\ncounts", "grid = 3\n[x]\ny"), "unknown field"),
        (("kind =", "kind"), "no readable TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, change, words):
    assert change[0] in WHOLE
    with pytest.raises(ZslBenchError) as error:
        read(tmp_path, WHOLE.replace(*change))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[test]\nucf101 = "a"\n', "no models"),
        ('[models]\ne2e = "demo"\n', "no test sets"),
        ('models = 3\n[test]\nucf101 = "a"\n', "models is no table"),
    ],
)
def test_what_is_missing_is_told(tmp_path, text, words):
    with pytest.raises(ZslBenchError, match=words):
        read(tmp_path, text)


def test_an_unknown_configuration_names_one_that_is_near():
    with pytest.raises(ZslBenchError, match="did you mean 'demo-classes'"):
        load_study("classes", "demo-clases")


@pytest.mark.parametrize("values", [None, [], 3, [0], ["x"], [True], [2.0], [2, 2]])
def test_lists_of_numbers_are_checked(values):
    config = grid() if values is None else grid(counts=values)
    for reader in (config.numbers, config.counts):
        with pytest.raises(ZslBenchError, match=r"grid\.counts"):
            reader("counts")


def test_the_grid_is_read():
    config = grid(counts=[3, "all", 1], one=4, text="t")
    assert config.counts("counts") == (3, None, 1)
    assert config.numbers("seeds", (0,), least=0) == (0,)
    assert (config.number("one"), config.number("two", 7), config.text("text")) == (4, 7, "t")
    with pytest.raises(ZslBenchError, match=r"grid\.text = 't'; give a whole number from 1"):
        config.number("text")
    with pytest.raises(ZslBenchError, match=r"grid\.one = 4; give a text"):
        config.text("one")
    with pytest.raises(ZslBenchError, match="no model 'x'"):
        config.model("x")


@pytest.mark.parametrize("name", ["classes", "videos", "demo-classes", "demo-videos"])
def test_bundled_studies_expand(name):
    assert name in bundled_studies()
    kind = name.removeprefix("demo-")
    config = load_study(kind, name)
    tasks = tasks_of(plan_study(config))
    counts, seeds = config.counts("counts"), config.numbers("seeds", least=0)
    assert len(tasks) == len(config.models) * (len(counts[:-1]) * len(seeds) + 1)
    picked = "num_classes" if kind == "classes" else "num_samples"
    assert {getattr(task.config.data, picked) for task in tasks} == set(counts)
    assert len({task.folder for task in tasks}) == len(tasks)


def test_the_papers_counts_are_those_of_section_5_2():
    config = load_study("classes", "classes")
    assert config.counts("counts") == (2, 4, 10, 25, 50, 100, 200, 400, None)
    models = {task.config.model.family for task in tasks_of(plan_study(config))}
    assert models == {"e2e", "frozen"}


def test_a_grid_of_another_kind_is_refused(tmp_path):
    config = read(tmp_path, WHOLE.replace("counts =", "clusters ="))
    with pytest.raises(ZslBenchError, match=r"unknown field grid\.clusters"):
        plan_study(config)
