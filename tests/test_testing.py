"""Every rule of the conformance suite is tripped by a model that breaks just this one."""

import random

import numpy as np
import pytest
import torch

from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import WordVectorError, ZslBenchError
from zsl_bench.model import ModelCard
from zsl_bench.testing import RULES, BrokenRule, Trial, check_model
from zsl_bench.video import ClipSpec

CLIP = ClipSpec(frames=2, size=6, short_side=8)
CARD = {
    "name": "probe",
    "clip": CLIP,
    "policy": "uniform-2",
    "licence": "MIT",
    "description": "a model for tests",
}


def vector_of(name):
    """A direction for a class that depends on its name alone."""
    return torch.randn(4, generator=torch.Generator().manual_seed(sum(name.encode())))


class Sound:
    """A model that keeps every rule."""

    card = ModelCard(**CARD)

    def __init__(self):
        self.projection = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))

    def embed_classes(self, classes):
        return torch.stack([vector_of(name) for name in classes.names]).to(self.projection.device)

    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 3, 4)) @ self.projection + 1


class SoundScorer:
    """A scoring model that keeps every rule."""

    card = ModelCard(**CARD, scores="logits")

    def score(self, clips, classes):
        return Sound().embed_clips(clips) @ Sound().embed_classes(classes).T


class SoftmaxScorer(SoundScorer):
    card = ModelCard(**CARD, scores="probabilities")

    def score(self, clips, classes):
        return (super().score(clips, classes) / 100).softmax(dim=1)


class NoCard(Sound):
    card = None


class NoLicence(Sound):
    card = ModelCard(**{**CARD, "licence": " "})


class Squeezes(Sound):
    def embed_clips(self, clips):
        return super().embed_clips(clips).squeeze(0)


class TwoSpaces(Sound):
    def embed_classes(self, classes):
        return super().embed_classes(classes)[:, :3]


class Integers(Sound):
    def embed_clips(self, clips):
        return super().embed_clips(clips).round().long()


class NoTensor(Sound):
    def embed_clips(self, clips):
        return super().embed_clips(clips).numpy()


class OneScore(SoundScorer):
    def score(self, clips, classes):
        return super().score(clips, classes)[:, :1]


class Elsewhere(Sound):
    def embed_classes(self, classes):
        return super().embed_classes(classes).to("meta")


class DividesByNothing(Sound):
    def embed_clips(self, clips):
        flat = clips.float().flatten(1)
        return super().embed_clips(clips) * (flat.std(dim=1) / flat.std(dim=1)).unsqueeze(1)


class NoDirection(Sound):
    def embed_classes(self, classes):
        rows = super().embed_classes(classes)
        swims = torch.tensor([name == "swimming" for name in classes.names])
        return torch.where(swims[:, None], 0.0, rows)


class KeepsGradients(Sound):
    def embed_clips(self, clips):
        with torch.enable_grad():
            return super().embed_clips(clips) + torch.zeros(4, requires_grad=True)


class SwitchesGradientsOn(Sound):
    def embed_clips(self, clips):
        out = super().embed_clips(clips)
        torch.set_grad_enabled(True)
        return out


class Overwrites(Sound):
    def embed_clips(self, clips):
        out = super().embed_clips(clips)
        clips.zero_()
        return out


class DrawsTorch(Sound):
    def embed_clips(self, clips):
        torch.rand(1)
        return super().embed_clips(clips)


class DrawsNumpy(Sound):
    def embed_classes(self, classes):
        np.random.rand(1)  # noqa: NPY002
        return super().embed_classes(classes)


class DrawsPython(SoundScorer):
    def score(self, clips, classes):
        random.random()  # noqa: S311
        return super().score(clips, classes)


class Counts(Sound):
    """Another answer the second time, and from then on the same."""

    calls = 0

    def embed_clips(self, clips):
        self.calls += len(clips) == 1
        changed = len(clips) == 1 and self.calls == 5
        return super().embed_clips(clips) + (100 if changed else 0)


class CountsClasses(Sound):
    calls = 0

    def embed_classes(self, classes):
        self.calls += 1
        return super().embed_classes(classes) + (1 if self.calls == 2 else 0)


class CentresBatch(Sound):
    def embed_clips(self, clips):
        out = super().embed_clips(clips)
        return out - out.mean(0) if len(out) == 4 else out


class LooksAtMates(Sound):
    def embed_clips(self, clips):
        return super().embed_clips(clips) + (clips.float().mean(dim=(1, 2, 3, 4)).min() < 1)


class SpotsCopies(Sound):
    def embed_clips(self, clips):
        return super().embed_clips(clips) + len(clips) - len(torch.unique(clips, dim=0))


class NumbersClasses(Sound):
    """Rows that depend on the place in the list; evenly thinned lists keep their places."""

    def embed_classes(self, classes):
        rows = super().embed_classes(classes)
        forwards = classes.names[0] == "archery"
        return rows if forwards else rows + torch.arange(len(rows)).unsqueeze(1)


class CentresClasses(Sound):
    def embed_classes(self, classes):
        rows = super().embed_classes(classes)
        return rows - rows.mean(0)


class LogitsCalledCosine(SoundScorer):
    card = ModelCard(**CARD, scores="cosine")


class SoftmaxCalledLogits(SoftmaxScorer):
    card = ModelCard(**CARD, scores="logits")


class Raises(Sound):
    def embed_clips(self, clips):  # noqa: ARG002
        raise ValueError("no\nsuch thing")


class Fast(Sound):
    """A model whose faster form gives vectors that are longer by a millionth."""

    longer, scale = 1.000_001, 1.0

    def accelerate(self, options):
        self.scale = self.longer if options.inference == "fast" else 1.0

    def embed_clips(self, clips):
        return super().embed_clips(clips) * self.scale


class FastButOff(Fast):
    longer = 1.000_1


class FastForever(Fast):
    def accelerate(self, options):
        self.scale = max(self.scale, 1.000_008 if options.inference == "fast" else 1.0)


class FastInPlace(Fast):
    def state_dict(self):
        return {"scale": torch.tensor(self.scale)}


BROKEN = [
    (NoCard, "interface_is_met"),
    (NoLicence, "card_is_complete"),
    (Squeezes, "shapes_are_right"),
    (TwoSpaces, "shapes_are_right"),
    (Integers, "shapes_are_right"),
    (NoTensor, "shapes_are_right"),
    (OneScore, "shapes_are_right"),
    (Raises, "shapes_are_right"),
    (Elsewhere, "device_is_kept"),
    (DividesByNothing, "values_are_finite"),
    (NoDirection, "values_are_finite"),
    (LogitsCalledCosine, "scores_are_of_their_kind"),
    (KeepsGradients, "gradients_stay_off"),
    (SwitchesGradientsOn, "gradients_stay_off"),
    (Overwrites, "input_is_untouched"),
    (DrawsTorch, "random_state_is_untouched"),
    (DrawsNumpy, "random_state_is_untouched"),
    (DrawsPython, "random_state_is_untouched"),
    (Counts, "calls_repeat"),
    (CountsClasses, "calls_repeat"),
    (CentresBatch, "batches_equal_singles"),
    (LooksAtMates, "batch_mates_do_not_matter"),
    (SpotsCopies, "copies_score_as_one"),
    (NumbersClasses, "classes_permute"),
    (CentresClasses, "classes_subset"),
    (SoftmaxCalledLogits, "classes_subset"),
    (FastButOff, "faster_form_agrees"),
    (FastForever, "faster_form_agrees"),
    (FastInPlace, "faster_form_agrees"),
]
CASCADING = {NoCard, Squeezes, NoTensor, Integers, OneScore, Raises, Elsewhere, TwoSpaces}


@pytest.mark.parametrize(
    "model", [Sound, SoundScorer, SoftmaxScorer, Fast], ids=lambda m: m.__name__
)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_model_keeps_each_rule(rule, model):
    rule(Trial(model=model()))


def test_every_rule_has_a_model_that_breaks_it():
    assert {rule.__name__ for rule in RULES} == {name for _, name in BROKEN}


@pytest.mark.parametrize(("model", "name"), BROKEN, ids=lambda x: getattr(x, "__name__", x))
def test_a_broken_model_trips_its_rule(model, name):
    with pytest.raises(BrokenRule, match=rf"rule {name} \(") as caught:
        check_model(model())
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, ZslBenchError)
    assert "\n" not in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("model", "name"),
    [pair for pair in BROKEN if pair[0] not in CASCADING],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_and_no_other(model, name):
    trial = Trial(model=model())
    tripped = []
    for rule in RULES:
        try:
            rule(trial)
        except BrokenRule:
            tripped.append(rule.__name__)
    assert tripped == [name]


def test_the_message_says_rule_sight_and_mending():
    with pytest.raises(BrokenRule) as caught:
        check_model(NoLicence())
    assert str(caught.value) == (
        "model 'probe', rule card_is_complete (The card says in a line what the model is, and "
        "under which licence its weights are): no licence; fill it in; 'unknown' is an answer"
    )
    with pytest.raises(BrokenRule, match="the model raised ValueError: no; mend what it raised"):
        check_model(Raises())


def test_errors_of_the_family_pass_through():
    class NoVectors(Sound):
        def embed_classes(self, classes):  # noqa: ARG002
            raise WordVectorError("class vectors", found="none", fix="give some")

    with pytest.raises(WordVectorError, match="class vectors: none; give some"):
        check_model(NoVectors())


def test_a_module_is_put_in_evaluation_mode_as_in_an_evaluation():
    class Module(torch.nn.Module, Sound):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.drop = torch.nn.Dropout(0.5)
            self.register_buffer("projection", torch.ones(3, 4))

        def embed_clips(self, clips):
            return self.drop(Sound.embed_clips(self, clips))

    check_model(Module())


def test_a_model_is_moved_to_the_device_asked_for():
    class Movable(Sound):
        moved = None

        def to(self, device):
            self.moved = device

    model = Movable()
    check_model(model, device="cpu")
    assert model.moved == "cpu"


@pytest.mark.gpu
def test_a_model_that_stays_on_the_cpu_trips_the_device_rule():
    class Stays(Sound):
        def embed_clips(self, clips):
            return super().embed_clips(clips.cpu())

    with pytest.raises(BrokenRule, match=r"device_is_kept.*cpu where cuda:0 was asked"):
        check_model(Stays(), device="cuda:0")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_clips_are_what_the_card_asks_for(dtype):
    class Typed(Sound):
        card = ModelCard(**{**CARD, "clip": ClipSpec(frames=2, size=6, short_side=8, dtype=dtype)})

    clips = Trial(model=Typed()).clips
    assert clips.shape == (4, 2, 3, 6, 6)
    assert str(clips.dtype) == f"torch.{dtype}"
    assert clips.float().min() >= 0
    assert 250 < clips.float().max() <= 255


def test_ones_own_classes_are_tried():
    seen = []

    class Records(Sound):
        def embed_classes(self, classes):
            seen.append(classes.names)
            return super().embed_classes(classes)

    own = class_set_from_names(["archery", "swimming"], dataset="d", source="s")
    check_model(Records(), classes=own)
    assert set(seen) == {("archery", "swimming"), ("swimming", "archery"), ("archery",)}
    check_model(Sound(), classes=load_class_set("ucf101").select(["Archery"]))


@pytest.mark.parametrize("pooling", ["mean", "mean-of-unit"])
def test_copies_are_pooled_as_the_card_says(pooling):
    class Pooled(Sound):
        card = ModelCard(**CARD, pooling=pooling)

    check_model(Pooled())
