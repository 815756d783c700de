"""Class text and prompts: hand-made scores, brute-force averages, models that are not the run's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from zsl_bench.classes import load_class_set
from zsl_bench.errors import ModelError
from zsl_bench.prompts import bundled_prompts, load_prompts
from zsl_bench.workflows.sensitivity import sensitivity
from zsl_bench.workflows.sensitivity.class_texts import class_texts, text_vectors


def by_name(study):
    return {row.name: row for row in study.rows}


def top1(study, name):
    (figures,) = by_name(study)[name].scores.values()
    return figures.top1


def left_out(study):
    return {(item.kind, item.name): item.reason for item in study.left_out}


def test_each_text_has_the_score_that_a_hand_computes(two_classes, write_result, text_model):
    study = sensitivity(write_result(two_classes), model=text_model())
    assert study.rows[0].name == "baseline"
    assert top1(study, "baseline") == 1.0
    # The official names change places: every video is nearer to the wrong one.
    assert top1(study, "official name") == 0.0
    # "Blue Box" at 36.87 degrees: the red video there is lost, and the blue ones keep theirs.
    assert top1(study, "spaced capitals") == 0.75
    # "a photo of blue box" at 180 degrees: no video is nearer to it than to the red one at 0.
    assert top1(study, "photo-of") == 0.5
    reasons = left_out(study)
    templates = {each.name: each.templates for each in bundled_prompts()}
    for kind, name in (("class text", "spaced lower case"), ("prompts", "bare")):
        assert reasons[kind, name] == "the same text as the baseline"
    for name in ("video-of", "person", "clip-ucf101"):
        changes = "a photo" in " ".join(templates[name])
        assert (("prompts", name) in reasons) is not changes
    (protocol,) = study.protocols
    assert study.difference(by_name(study)["official name"], protocol.id) == -1.0
    spread = {s.kind: s for s in study.spreads(protocol.id)}["all"]
    assert (spread.low, spread.high, spread.width) == (0.0, 1.0, 1.0)
    assert (spread.lowest, spread.highest) == ("official name", "baseline")


def test_several_templates_are_averaged_as_unit_vectors(
    two_classes, write_result, text_model, tmp_path
):
    """Against a loop over videos, classes and templates, with a model whose lengths differ."""

    class Long(text_model):
        def embed_classes(self, classes):
            made = super().embed_classes(classes)
            return made * torch.tensor([[len(label)] for label in classes.labels]) ** 2

    two_classes.class_vectors = Long().embed_classes(two_classes.classes).numpy()
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"mine": ["my {label}", "your {label}", "{label}"]}))
    study = sensitivity(write_result(two_classes), model=Long(), prompts=own)
    vectors = []
    for text in two_classes.classes.labels:
        total = np.zeros(2)
        for template in ("my {}", "your {}", "{}"):
            made = _vector(Long(), template.format(text))
            total += made / np.linalg.norm(made)
        vectors.append(total / 3)
    right = 0
    for row, label in zip(two_classes.rows, two_classes.labels, strict=True):
        scores = [float(row @ vector / np.linalg.norm(vector)) for vector in vectors]
        right += scores[label] > scores[1 - label]
    assert top1(study, "mine") == right / 4
    assert "3 templates, first 'my red ball'" in by_name(study)["mine"].detail
    (text,) = (t for t in class_texts(two_classes.classes, load_prompts(own)) if t.name == "mine")
    direct = text_vectors(text, two_classes.classes, lambda c: Long().embed_classes(c).numpy())
    assert direct == pytest.approx(np.stack(vectors), abs=1e-12)


def test_a_model_with_prompts_of_its_own_is_asked_without_them(
    two_classes, write_result, text_model
):
    class Prompted(text_model):
        def embed_labels(self, classes):
            return super().embed_classes(classes)

        def embed_classes(self, classes):
            labels = tuple(f"a photo of {label}." for label in classes.labels)
            return super().embed_classes(replace(classes, labels=labels))

    two_classes.class_vectors = Prompted().embed_classes(two_classes.classes).numpy()
    study = sensitivity(write_result(two_classes), model=Prompted())
    assert top1(study, "baseline") == 0.5
    assert top1(study, "bare") == 1.0
    assert top1(study, "official name") == 0.0


def _vector(model, text):
    """The class vector of one text alone."""
    one = replace(load_class_set("hmdb51").select(["wave"]), labels=(text,))
    return model.embed_classes(one).numpy()[0]


def test_texts_of_a_real_class_set():
    texts = {text.name: text for text in class_texts(load_class_set("ucf101"), bundled_prompts())}
    assert texts["official name"].texts[0][0] == "ApplyEyeMakeup"
    assert texts["spaced lower case"].texts[0][0] == "apply eye makeup"
    assert texts["spaced capitals"].texts[0][0] == "Apply Eye Makeup"
    assert texts["video-of"].texts == (
        tuple(f"a video of {label}." for label in load_class_set("ucf101").labels),
    )
    counts = {name: len(text.texts) for name, text in texts.items()}
    assert counts["clip-ucf101"] == 48
    assert counts["clip-kinetics700"] == 28
    assert counts["actionclip"] == 16


def test_without_a_model_every_text_says_that_it_needs_one(two_classes, write_result):
    study = sensitivity(write_result(two_classes))
    assert [row.name for row in study.rows] == ["baseline"]
    assert left_out(study)["prompts", "person"] == "it needs the model: give --model REF"
    assert left_out(study)["word rules", "plain"] == (
        "the class vectors are not made of word vectors"
    )


def test_a_model_that_does_not_read_labels_is_told_so(two_classes, write_result, text_model):
    class ByName(text_model):
        def embed_classes(self, classes):
            return torch.eye(2)[: len(classes)]

    study = sensitivity(write_result(two_classes), model=ByName())
    assert [row.name for row in study.rows] == ["baseline"]
    assert left_out(study)["prompts", "clip-ucf101"] == "class vectors that do not change"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revision": "2"}, "text with weights 2, where the result has 1; give the model"),
        ({"revision": None}, "source-sha256"),
    ],
)
def test_other_weights_are_one_clear_error(two_classes, write_result, text_model, change, words):
    with pytest.raises(ModelError, match=words):
        sensitivity(write_result(two_classes), model=text_model(**change))


def test_the_same_weights_with_other_class_vectors_are_refused(
    two_classes, write_result, text_model
):
    class Turned(text_model):
        def embed_classes(self, classes):
            return super().embed_classes(classes).flip(1)

    with pytest.raises(ModelError, match="others than those of the result"):
        sensitivity(write_result(two_classes), model=Turned())


def test_a_scoring_model_has_no_text_to_vary(two_classes, write_result, text_model):
    two_classes.rows = np.array([[1.0, 0.0], [0.2, 0.4], [0.1, 0.9], [0.3, 0.4]])
    two_classes.class_vectors = None
    study = sensitivity(write_result(two_classes))
    assert top1(study, "baseline") == 0.75
    assert "scores the classes itself" in left_out(study)["class text", "official name"]
    with pytest.raises(ModelError, match="on one side only"):
        sensitivity(write_result(two_classes), model=text_model())
