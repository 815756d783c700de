"""Every method keeps the contract, and a method that breaks a rule is told by its name."""

import json
import re
import sys
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from zsl_bench.baselines.methods.base import AdaptableMethod
from zsl_bench.baselines.methods.catalogue import known_methods, load_method
from zsl_bench.cli import main
from zsl_bench.errors import DatasetError, ModelError
from zsl_bench.testing import (
    CONTROL_RULES,
    METHOD_RULES,
    BrokenRule,
    MethodTrial,
    check_method,
    run_method_rules,
)

PAGE = Path(__file__).parents[3] / "docs" / "methods.md"
STRANGER = re.search(
    r"^```python\n(# file: mixture\.py\n.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S
)[1]
SPACE: dict = {"__name__": "stranger"}
exec(compile(STRANGER, str(PAGE), "exec", dont_inherit=True), SPACE)  # noqa: S102
Fitted, Mixture = SPACE["FittedMixture"], SPACE["Mixture"]


@cache
def trial_of(name):
    return MethodTrial(load_method(name))


@pytest.mark.parametrize("rule", METHOD_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", known_methods())
def test_every_method_keeps_every_rule(name, rule):
    rule(trial_of(name))


ODD = ("a word", -1, 2.5, None, float("nan"), float("inf"), True, [1], {"a": 1})


def refusal(method, given):
    try:
        method.configured(given)
    except ModelError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", known_methods())
def test_an_odd_setting_is_refused_in_one_line_or_makes_settings(name):
    method = load_method(name)
    for field in fields(method.config):
        told = [refusal(method, {field.name: value}) for value in ODD]
        assert sum(f"setting {field.name} of method {name}" in text for text in told) >= 3
    for given in ([1], "word", 3):
        assert "give a mapping of names to values" in refusal(method, given)


def test_a_negative_seed_and_other_sizes_are_refused_in_one_line():
    seen, unseen = trial_of("rr").world.seen, trial_of("rr").world.unseen
    given = (seen.features, seen.lengths, seen.labels, seen.class_vectors)
    with pytest.raises(ModelError, match="fit rr: seed -1; give a whole number from 0"):
        load_method("rr").fit(*given, seed=-1)
    fitted, narrow = trial_of("rr").fitted, unseen.features[:, :, :5]
    with pytest.raises(DatasetError, match="5 numbers a clip and 12 a class vector, which do not"):
        fitted.score(narrow, unseen.lengths, unseen.class_vectors)
    with pytest.raises(DatasetError, match="5 numbers a clip, which do not"):
        fitted.embed(narrow, unseen.lengths)
    with pytest.raises(DatasetError, match="16 numbers a clip and 3 a class vector, which do not"):
        fitted.adapt(unseen.features, unseen.lengths, unseen.class_vectors[:, :3])


def broken_by(method):
    return [outcome.rule for outcome in run_method_rules(method, quick=True) if outcome.fix]


def made_by(**changes):
    """The stranger's method, some functions of its fitted form replaced."""
    made = type("Made", (Fitted,), changes)
    return type("Method", (Mixture,), {"made": made})()


def spec_with(**changed):
    return replace(Mixture.spec, **changed)


def test_a_strangers_method_keeps_all():
    outcomes = run_method_rules(Mixture(), quick=True)
    assert {o.rule for o in outcomes if o.state == "ok"} == {r.__name__ for r in METHOD_RULES}
    assert {o.rule: o.found for o in outcomes if o.state != "ok"} == {
        rule.__name__: "left out in a quick check" for rule in CONTROL_RULES
    }
    check_method(Mixture(), quick=True)


def reads_padding(self, features, lengths, class_vectors):
    means = np.nan_to_num(features, nan=9.0).mean(axis=1)
    videos = SimpleNamespace(means=lambda: means)
    return self.scored(videos, class_vectors)


def looks_at_mates(self, videos, class_vectors):
    return Fitted.scored(self, videos, class_vectors) * len(videos)


def depends_on_place(self, videos, class_vectors):
    return Fitted.scored(self, videos, class_vectors) + np.arange(len(class_vectors))


def softmax(self, videos, class_vectors):
    scores = np.exp(Fitted.scored(self, videos, class_vectors))
    return scores / scores.sum(axis=1, keepdims=True)


def moves_numpy(self, videos, class_vectors):
    np.random.rand()  # noqa: NPY002
    return Fitted.scored(self, videos, class_vectors)


def drops_a_class(self, videos, class_vectors):
    return Fitted.scored(self, videos, class_vectors)[:, :-1]


def fails_alone(self, videos, class_vectors):
    if len(class_vectors) == 1:
        raise IndexError("no second\ncandidate")
    return Fitted.scored(self, videos, class_vectors)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"scored": looks_at_mates}, "videos_are_scored_alone"),
        ({"scored": depends_on_place}, "candidates_permute"),
        ({"scored": softmax}, "joint_embedding_is_declared"),
        ({"scored": moves_numpy}, "random_state_is_untouched"),
        ({"scored": drops_a_class}, "shapes_are_right"),
        ({"scored": fails_alone}, "small_cases_work"),
        ({"points": lambda *_: None}, "points_are_in_one_space"),
        ({"settings": lambda _: {"sharpness": 2.0}}, "saving_keeps_scores"),
        ({"settings": lambda _: {"sharpness": np.pi, "names": {"a"}}}, "saving_keeps_scores"),
        ({"score": reads_padding}, "padding_is_not_read"),
        ({"spec": spec_with(name="other")}, "interface_is_met"),
        ({"spec": spec_with(transductive=True)}, "spec_is_complete"),
    ],
)
def test_a_broken_rule_is_told_by_its_name(changes, rule):
    method = made_by(**changes)
    assert rule in broken_by(method)
    with pytest.raises(BrokenRule, match="method 'mixture', rule "):
        check_method(method, quick=True)


def test_a_needless_joint_flag_is_told():
    class Joint(Mixture):
        spec = spec_with(jointly_embeds_classes=True)

    assert broken_by(Joint()) == ["joint_embedding_is_declared"]


def test_a_fit_by_chance_is_told():
    class Chance(Mixture):
        def fitted(self, seen, config):
            fitted = super().fitted(seen, config)
            fitted.means = fitted.means + np.random.default_rng().normal(size=fitted.means.shape)
            return fitted

    assert "equal_seeds_repeat" in broken_by(Chance())


def test_a_fit_that_reads_the_length_of_class_vectors_is_told():
    class Long(Mixture):
        def fit(self, features, lengths, labels, class_vectors, **given):
            fitted = super().fit(features, lengths, labels, class_vectors, **given)
            if np.linalg.norm(class_vectors, axis=1).max() > 5:
                fitted.vectors = -fitted.vectors
            return fitted

    assert broken_by(Long()) == ["length_of_class_vectors_is_not_read"]


def test_a_fit_that_writes_into_its_input_is_told():
    class Writes(Mixture):
        def fit(self, features, lengths, labels, class_vectors, **given):
            fitted = super().fit(features, lengths, labels, class_vectors, **given)
            class_vectors *= 2
            return fitted

    assert "input_is_untouched" in broken_by(Writes())


def test_an_unchecked_fit_is_told():
    class Unchecked(Mixture):
        def fit(self, features, lengths, labels, class_vectors, **given):
            good = np.nan_to_num(features)
            return super().fit(good, lengths, labels, class_vectors, **given)

    assert broken_by(Unchecked()) == ["bad_input_is_refused"]


class SameName(Fitted, AdaptableMethod):
    def adapted(self, videos, class_vectors):  # noqa: ARG002
        made = SameName(self.means, self.vectors, self.sharpness)
        made.spec = spec_with(transductive=True)
        return made


def test_an_adapted_method_of_the_same_name_is_told():
    class Adapts(Mixture):
        made = SameName

    assert broken_by(Adapts()) == ["adapting_is_labelled"]


def test_an_adapted_method_that_calls_itself_inductive_is_told():
    class Quiet(SameName):
        def adapted(self, videos, class_vectors):  # noqa: ARG002
            return self

    class Adapts(Mixture):
        made = Quiet

    (outcome,) = [o for o in run_method_rules(Adapts(), quick=True) if o.state == "broken"]
    assert outcome.rule == "adapting_is_labelled"
    assert "which calls itself inductive" in outcome.found


def test_what_is_no_method_is_told_once():
    outcomes = run_method_rules(object())
    assert [o.rule for o in outcomes if o.state == "broken"] == ["interface_is_met"]
    assert {o.found for o in outcomes if o.state == "not run"} == {
        "interface_is_met comes first",
        "it cannot be fitted or scored",
    }


def test_a_method_for_generalised_scores_has_no_world_to_learn():
    class Gate(Mixture):
        spec = spec_with(generalised_only=True)

    left_out = [o for o in run_method_rules(Gate()) if o.state == "not run"]
    assert [o.found for o in left_out] == ["it only changes generalised zero-shot scores"] * 3
    check_method(Gate())


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A stranger's package as an installer leaves it."""
    (tmp_path / "zsl_bench_mixture.py").write_text(STRANGER)
    about = tmp_path / "zsl_bench_mixture-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zsl-bench-mixture\nVersion: 0.1\n"
    )
    (about / "entry_points.txt").write_text(
        "[zsl_bench.methods]\nmixture = zsl_bench_mixture:Mixture\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("zsl_bench_mixture", None)


@pytest.mark.usefixtures("installed")
def test_a_strangers_package_comes_through_the_same_door():
    assert known_methods()["mixture"] == "zsl_bench_mixture:Mixture"
    assert "zsl_bench_mixture" not in sys.modules
    done = CliRunner().invoke(main, ["check-method", "mixture", "--quick", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["method"], told["broken"], told["quick"]) == ("mixture", 0, True)
    assert [rule["state"] for rule in told["rules"]] == ["ok"] * 16 + ["not run"] * 3


@pytest.mark.usefixtures("installed")
def test_the_verb_tells_what_is_broken_and_ends_with_3(monkeypatch):
    import zsl_bench_mixture

    monkeypatch.setattr(zsl_bench_mixture.FittedMixture, "scored", drops_a_class)
    done = CliRunner().invoke(
        main, ["check-method", "py:zsl_bench_mixture:Mixture", "--quick", "--set", "sharpness=2"]
    )
    assert done.exit_code == 3
    assert "broken   shapes_are_right\n           asks: There is one finite" in done.stdout
    assert done.stdout.endswith("mixture: 19 rules: 4 ok, 1 broken, 14 not run\n")


def test_an_unknown_method_is_one_line():
    done = CliRunner().invoke(main, ["check-method", "ezsl"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "did you mean 'eszsl'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_whole_check_learns_the_world():
    done = CliRunner().invoke(main, ["check-method", "rr", "--set", "regulariser=1"])
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("rr: 19 rules: 19 ok\n")


def test_a_method_that_does_not_learn_is_told():
    states = {outcome.rule: outcome.state for outcome in run_method_rules(made_by(scored=blind))}
    assert states.pop("unseen_classes_are_recognised") == "broken"
    assert set(states.values()) == {"ok"}


def blind(self, videos, class_vectors):
    rows, vectors = videos.means() - self.means[0], class_vectors - self.vectors[0]
    return np.sin(rows[:, :1] * 99 + vectors[:, 0] * 1e3)
