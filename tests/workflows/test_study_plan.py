"""Plans: what may stand in one, what names a run, and the commands that carry it out."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.cli import main
from zsl_bench.errors import ZslBenchError
from zsl_bench.workflows.studies.commands import slurm_script, study_lines
from zsl_bench.workflows.studies.config import Evaluation, StudyConfig, StudyModel
from zsl_bench.workflows.studies.plan import (
    KINDS,
    ClassList,
    Run,
    StudyPlan,
    find_kind,
)
from zsl_bench.workflows.studies.state import protocol_in, tasks_of

TEST = Evaluation(name="test", data={"ucf101": "u"}, protocols=("1",), policy="paper-4x8")
CONFIG = StudyConfig(
    kind="classes",
    name="s",
    out=Path("out"),
    models=(StudyModel(name="e2e", config="demo"),),
    evaluations=(TEST,),
)


def run(name, **fields):
    return Run(
        **{"id": name, "labels": {"n": 1}, "evaluations": (TEST,), "config": "demo", **fields}
    )


def plan(*runs, config=CONFIG):
    return StudyPlan(config=config, runs=runs)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ((run("a/b"),), "an id that no folder can have"),
        ((run(".."),), "an id that no folder can have"),
        ((run("a"), run("a")), "the id twice"),
        ((run("a", after=("b",)), run("b")), "needs ['b'], which does not come before it"),
        ((run("a", weights_from="a"),), "needs ['a'], which does not come before it"),
        ((run("a"), run("b", labels={"m": 1})), "other labels than the first run's"),
        ((run("a", config=None),), "neither a training nor a model"),
        ((run("a", model="e2e"),), "both a training and a model"),
        ((run("a", config=None, model="e2e", evaluations=()),), "nothing to evaluate"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(runs, words):
    with pytest.raises(ZslBenchError) as error:
        plan(*runs)
    assert words in str(error.value)


def test_runs_are_found_by_id_and_number():
    made = plan(run("a"), run("b"))
    assert made.run("b") is made.run("2") is made.runs[1]
    with pytest.raises(ZslBenchError, match="no such run among 2"):
        made.run("3")


def test_another_setting_is_another_folder_and_a_path_is_not():
    (base,) = tasks_of(plan(run("a")))
    same = (
        run("a", overrides=("data.path=elsewhere", "run.device=cuda")),
        run("a", evaluations=()),
        run("a", labels={"n": 2}),
    )
    other = (
        run("a", overrides=("optimiser.epochs=3",)),
        run("a", overrides=("run.seed=1",)),
        run("a", class_list=ClassList(name="c", classes=("x",))),
        run("a", class_list=ClassList(name="c", classes=("y",))),
        run("b"),
    )
    assert {task.folder for one in same for task in tasks_of(plan(one))} == {base.folder}
    digests = {task.digest for one in other for task in tasks_of(plan(one))}
    assert len({*digests, base.digest}) == len(other) + 1


def test_the_place_of_a_study_does_not_name_its_runs():
    runs = (run("a", class_list=ClassList(name="c", classes=("x",))), run("b", weights_from="a"))
    here, there = (
        tasks_of(plan(*runs, config=replace(CONFIG, out=Path(out)))) for out in ("x", "y/z")
    )
    assert [task.digest for task in here] == [task.digest for task in there]
    assert here[1].config.model.weights == f"{here[0].folder}/weights"


def test_what_a_run_starts_from_counts():
    first, changed = (
        tasks_of(plan(run("a", overrides=(f"run.seed={seed}",)), run("b", weights_from="a")))
        for seed in (0, 1)
    )
    assert first[1].digest != changed[1].digest


def test_commands_are_the_plain_verbs_in_order():
    chosen = ClassList(name="c", classes=("gold star",))
    evaluation = replace(
        TEST, settings={"allow_partial": True, "allow_unreadable": False, "workers": 2}
    )
    lines = study_lines(
        plan(
            run("a", class_list=chosen, overrides=("audit.against=['a b']",)),
            run("b", config=None, weights_from="a", evaluations=(evaluation,)),
        )
    )
    train, evaluate = lines[0].split(" && ")
    words = shlex.split(train)
    assert words[:3] == ["zsl-bench", "train", "demo"]
    assert "audit.against=['a b']" in words
    assert f"data.classes=out/files/{chosen.file}" in words
    weights = re.search(r"--out (\S+) --resume", train)[1] + "/weights"
    assert shlex.split(evaluate)[:4] == ["zsl-bench", "evaluate", "--model", f"path:{weights}"]
    assert lines[1].startswith(f"zsl-bench evaluate --model path:{weights} --data ucf101=u")
    assert "--allow-partial --workers 2 --out out/runs/b-" in lines[1]
    assert "unreadable" not in lines[1]


def test_every_command_is_understood():
    evaluation = replace(
        TEST,
        settings={
            "vectors": "v", "device": "cpu", "precision": "fp32", "batch_size": 1, "workers": 0,
            "allow_approximate": True, "allow_partial": True, "allow_unreadable": True,
        },
    )  # fmt: skip
    (line,) = study_lines(plan(run("a", evaluations=(evaluation,))))
    for command in line.split(" && "):
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert done.exit_code == 1, done.output


def test_an_array_job_has_an_element_a_run_and_says_the_order():
    made = plan(run("a"), run("b"), run("c", weights_from="a"), run("d", after=("c",)), run("e"))
    script = slurm_script(made, ("zsl-bench", "study", "classes", "my file.toml"))
    assert "#SBATCH --array=1-5\n" in script
    assert re.findall(r"--array=(\S+) THIS_FILE", script) == ["1-2,5", "3", "4"]
    last = script.splitlines()[-1]
    assert last == ("""exec zsl-bench study classes 'my file.toml' --run "$SLURM_ARRAY_TASK_ID\"""")
    assert "THIS_FILE" not in slurm_script(plan(run("a")), ("x",))


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12))
def test_levels_name_each_run_once_and_behind_what_it_needs(back):
    runs = [run(f"r{i}", after=(f"r{i - b}",) if 0 < b <= i else ()) for i, b in enumerate(back)]
    script = slurm_script(plan(*runs), ("x",))
    levels = re.findall(r"--array=(\S+) THIS_FILE", script) or [f"1-{len(runs)}"]
    order = []
    for level in levels:
        at_once = []
        for part in level.split(","):
            low, _, high = part.partition("-")
            at_once += range(int(low), int(high or low) + 1)
        for number in at_once:
            needs = [int(name[1:]) + 1 for name in runs[number - 1].needs]
            assert all(needed in order for needed in needs)
        order += at_once
    assert sorted(order) == list(range(1, len(runs) + 1))


def test_class_lists_are_named_by_what_is_in_them():
    first, again, other = (
        ClassList(name="c", classes=c) for c in (("x", "y"), ("x", "y"), ("y", "x"))
    )
    assert first.file == again.file != other.file
    assert first.text == "x\ny\n"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("half", "half@0123"),
        ("1", "brattoli-half"),
        ("brattoli-half", "brattoli-half"),
        ("2", "full@0123"),
        ("brattoli-full", None),
        ("open", None),
    ],
)
def test_protocols_are_found_by_any_of_their_names(reference, found):
    scores = dict.fromkeys(("half@0123", "full@0123", "brattoli-half"))
    assert protocol_in(scores, reference) == found


def test_every_kind_of_study_is_there():
    assert set(KINDS) == {
        "classes", "videos", "diversity", "pretraining", "ablation", "paper-tables"
    }  # fmt: skip
    for name in ("classes", "videos"):
        assert find_kind(name).name == name
    with pytest.raises(ZslBenchError, match="did you mean 'classes'"):
        find_kind("clases")
