"""All rules in one go: what is told of each, and what the verb makes of it."""

import json

import pytest
import torch
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.errors import ModelError
from zsl_bench.model import ModelCard
from zsl_bench.testing import RULES, BrokenRule, RuleOutcome, Trial, check_model, run_rules
from zsl_bench.video import ClipSpec

CODE = """
import torch
from zsl_bench import ClipSpec, ModelCard

class Sound:
    card = ModelCard(
        name="probe", clip=ClipSpec(frames=2, size=6, short_side=8), policy="uniform-2",
        licence="MIT", description="a model for tests",
    )
    def __init__(self, options):
        self.options = options
        assert not self.options.settings or self.options.settings == {"prompts": "photo-of"}
    def embed_classes(self, classes):
        seeds = [torch.Generator().manual_seed(sum(name.encode())) for name in classes.names]
        return torch.stack([torch.randn(3, generator=seed) for seed in seeds])
    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 3, 4)) + 1

class Draws(Sound):
    def embed_clips(self, clips):
        torch.rand(1)
        clips.zero_()
        return super().embed_clips(clips) + clips.shape[0]

load = Sound
"""


def named(outcomes, state):
    return [outcome.rule for outcome in outcomes if outcome.state == state]


class Sound:
    card = ModelCard(
        name="probe",
        clip=ClipSpec(frames=2, size=6, short_side=8),
        policy="uniform-2",
        licence="MIT",
        description="a model for tests",
    )

    def embed_classes(self, classes):
        seeds = [torch.Generator().manual_seed(sum(name.encode())) for name in classes.names]
        return torch.stack([torch.randn(3, generator=seed) for seed in seeds])

    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 3, 4)) + 1


class Scores(Sound):
    card = ModelCard(
        name="scorer",
        clip=ClipSpec(frames=2, size=6, short_side=8),
        policy="uniform-2",
        licence="MIT",
        description="a scorer for tests",
        scores="cosine",
    )
    embed_clips = None

    def score(self, clips, classes):
        return Sound().embed_clips(clips) @ self.embed_classes(classes).T


def test_a_sound_model_keeps_all():
    outcomes = run_rules(Trial(model=Sound()))
    assert named(outcomes, "ok") == [rule.__name__ for rule in RULES]
    assert all(outcome.statement and not outcome.found for outcome in outcomes)


def test_the_first_broken_rule_is_the_one_that_check_model_raises():
    class Several(Sound):
        def embed_clips(self, clips):
            out = super().embed_clips(clips)
            torch.rand(1)
            clips.zero_()
            return out + len(clips)

    outcomes = run_rules(Trial(model=Several()))
    assert named(outcomes, "broken") == [
        "input_is_untouched",
        "random_state_is_untouched",
        "batches_equal_singles",
        "batch_mates_do_not_matter",
        "copies_score_as_one",
    ]
    assert named(outcomes, "not run") == []
    with pytest.raises(BrokenRule) as caught:
        check_model(Several())
    first = next(outcome for outcome in outcomes if outcome.state == "broken")
    assert (caught.value.found, caught.value.fix) == (first.found, first.fix)
    assert first.rule in caught.value.asked


def test_numbers_that_are_not_finite_are_told_once():
    class Fails(Sound):
        def embed_clips(self, clips):
            return super().embed_clips(clips) * float("nan")

    outcomes = run_rules(Trial(model=Fails()))
    assert named(outcomes, "broken") == ["values_are_finite"]
    assert "calls_repeat" in named(outcomes, "not run")


@pytest.mark.parametrize("output", [None, [[1.0]]])
def test_an_output_that_is_no_tensor_is_told_once(output):
    class Returns(Sound):
        def embed_clips(self, clips):  # noqa: ARG002
            return output

    outcomes = run_rules(Trial(model=Returns()))
    assert named(outcomes, "broken") == ["shapes_are_right"]


def test_rules_with_nothing_to_look_at_are_not_run():
    outcomes = run_rules(Trial(model=object()))
    assert named(outcomes, "broken") == ["interface_is_met"]
    assert len(named(outcomes, "not run")) == len(RULES) - 1

    class Squeezes(Sound):
        def embed_clips(self, clips):
            return super().embed_clips(clips).squeeze(0)

    outcomes = run_rules(Trial(model=Squeezes()))
    assert named(outcomes, "broken") == ["shapes_are_right"]
    assert "input_is_untouched" in named(outcomes, "ok")
    assert "calls_repeat" in named(outcomes, "not run")
    assert {o.found for o in outcomes if o.state == "not run"} == {"shapes_are_right comes first"}


def test_what_a_model_raises_is_told_once():
    class Raises(Sound):
        def embed_clips(self, clips):  # noqa: ARG002
            raise ValueError("no\nluck")

    outcomes = run_rules(Trial(model=Raises()))
    (broken,) = [outcome for outcome in outcomes if outcome.state == "broken"]
    assert broken.rule == "shapes_are_right"
    assert broken.found == "the model raised ValueError: no"
    assert named(outcomes, "ok") == ["interface_is_met", "card_is_complete"]


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("cosine", -1.0, 1.0), ("probabilities", 0.0, 1.0)]
)
def test_scores_beyond_their_kind_are_broken(kind, low, high):
    values = {}

    class Bounded(Scores):
        card = ModelCard(**{**vars_of(Scores.card), "scores": kind})

        def score(self, clips, classes):
            return torch.full((len(clips), len(classes)), values["level"])

    for level, kept in ((low, True), (high, True), (low - 0.01, False), (high + 0.01, False)):
        values["level"] = level
        outcomes = run_rules(Trial(model=Bounded()))
        assert ("scores_are_of_their_kind" in named(outcomes, "ok")) == kept
        if not kept:
            (seen,) = [o.found for o in outcomes if o.rule == "scores_are_of_their_kind"]
            assert seen == f"scores from {level:.3g} to {level:.3g} called {kind}"


def vars_of(card):
    return {name: getattr(card, name) for name in ("name", "clip", "policy", "licence")} | {
        "description": card.description
    }


def test_a_model_that_cannot_be_moved_says_so():
    class Stuck(Sound):
        def to(self, device):  # noqa: ARG002
            raise RuntimeError("bolted down")

    with pytest.raises(ModelError, match="Stuck: moving it to cpu: RuntimeError: bolted down"):
        Trial(model=Stuck())


@pytest.mark.parametrize("way", ["one by one", "check_model", "run_rules"])
def test_no_way_of_checking_lets_products_round_to_tf32(way):
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    seen = set()

    class Looks(Sound):
        def embed_classes(self, classes):
            seen.add((convolutions.allow_tf32, products.allow_tf32))
            return super().embed_classes(classes)

        def embed_clips(self, clips):
            seen.add((convolutions.allow_tf32, products.allow_tf32))
            return super().embed_clips(clips)

    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = True
    try:
        if way == "check_model":
            check_model(Looks())
        elif way == "run_rules":
            run_rules(Trial(model=Looks()))
        else:
            for rule in RULES:
                rule(Trial(model=Looks()))
        assert seen == {(False, False)}
        assert (convolutions.allow_tf32, products.allow_tf32) == (True, True)
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def test_an_outcome_is_plain_json():
    outcome = RuleOutcome(rule="r", statement="s", state="broken", found="f", fix="x")
    assert json.loads(json.dumps(outcome.to_json())) == {
        "rule": "r", "statement": "s", "state": "broken", "found": "f", "fix": "x",
    }  # fmt: skip


@pytest.fixture
def verb(tmp_path, monkeypatch):
    (tmp_path / "probe.py").write_text(CODE)
    (tmp_path / "draws.py").write_text(CODE.replace("load = Sound", "load = Draws"))
    (tmp_path / "none.py").write_text("load = None\n")
    (tmp_path / "mine.txt").write_text("archery\nswimming\nfolding napkins\n")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["check-model", *arguments])


def test_the_verb_on_a_sound_model(verb):
    done = verb("path:probe.py", "--set", "prompts=photo-of")
    assert done.exit_code == 0, done.output
    assert f"probe: {len(RULES)} rules: {len(RULES)} ok" in done.stdout
    assert all(rule.__name__ in done.stdout for rule in RULES)


def test_the_verb_shows_in_one_line_what_a_terminal_would_act_on(verb, tmp_path):
    loud = "loud\\x1b[31m\\x9b2J\\u202e"
    raises = "raise ValueError('a\\x1b[31mb\\x07')"
    text = CODE.replace('"probe"', f'"{loud}"').replace(
        "return torch.stack", f"{raises}\n        #"
    )
    (tmp_path / "loud.py").write_text(text)
    done = verb("path:loud.py")
    assert done.exit_code == 3, done.output
    assert done.stdout.replace("\n", "").isprintable()
    assert done.stdout.splitlines()[-1].startswith(
        f"loud\\x1b[31m\\x9b2J\\u202e: {len(RULES)} rules: "
    )
    done = verb("path:loud.py", "--json")
    assert done.stdout.replace("\n", "").isprintable()
    assert json.loads(done.stdout)["model"] == "loud\x1b[31m\x9b2J\u202e"


def test_the_verb_goes_on_after_a_broken_rule(verb):
    done = verb("path:draws.py", "--classes", "mine.txt", "--json")
    assert done.exit_code == 3
    said = json.loads(done.stdout)
    assert (said["model"], said["device"], said["classes"]) == ("probe", "cpu", 3)
    assert said["broken"] == sum(rule["state"] == "broken" for rule in said["rules"]) >= 3
    assert [rule["rule"] for rule in said["rules"]] == [rule.__name__ for rule in RULES]
    assert all(rule["found"] and rule["fix"] for rule in said["rules"] if rule["state"] == "broken")
    done = verb("path:draws.py")
    assert done.exit_code == 3
    assert "draw from a generator of the model's own" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("path:none.py",), "no ModelCard in its attribute 'card'"),
        (("path:absent.py",), "no file or folder absent.py"),
        (("e2e-randon",), "did you mean 'e2e-random'?"),
        (("path:probe.py", "--device", "tpu"), "no such device"),
        (("path:probe.py", "--classes", "ucf11"), "ucf11"),
        (("path:probe.py", "--set", "prompts"), "no NAME=VALUE"),
    ],
)
def test_the_verb_on_what_does_not_load(verb, arguments, told):
    done = verb(*arguments)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
