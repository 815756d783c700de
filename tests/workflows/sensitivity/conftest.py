"""A text model with vectors that a hand can compute, and result files made without a video."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from zsl_bench.assessment.result import build_result
from zsl_bench.assessment.scored import ClassColumns, Clips, Scored, Sight
from zsl_bench.classes import ClassSet, class_set_from_names
from zsl_bench.model import ModelCard
from zsl_bench.model_digest import weights_digest
from zsl_bench.protocols import resolve_protocol
from zsl_bench.verdict import Declared, zero_shot_verdicts
from zsl_bench.videos import Manifest, Video

NAMES = ("RedBall", "BlueBox")


def angle(text):
    """Where the text model puts a text, in degrees."""
    red = "red" in text.lower()
    if text in NAMES:
        return 90.0 if red else 0.0
    if text == "Blue Box":
        return 36.87
    if text.startswith("a photo of"):
        return 0.0 if red else 180.0
    if text.startswith("my "):
        return 80.0 if red else 10.0
    if text.startswith("your "):
        return 0.0 if red else 20.0
    return 0.0 if red else 90.0


def unit(degrees):
    radians = np.radians(degrees)
    return np.array([np.cos(radians), np.sin(radians)])


class TextModel:
    """Embeds a class by the angle of its label."""

    def __init__(self, **fields):
        self.card = ModelCard(
            **{"name": "text", "revision": "1", "trained_on": (), "pretrained_on": (), **fields}
        )
        self.embedded = []

    def embed_classes(self, classes):
        self.embedded.append(classes.labels)
        return torch.tensor(np.stack([unit(angle(label)) for label in classes.labels]))

    def embed_clips(self, clips):  # noqa: ARG002
        raise AssertionError("a sensitivity study ran a video")


@pytest.fixture
def text_model():
    return TextModel


@dataclass
class Case:
    """What a result is made of."""

    classes: ClassSet
    rows: np.ndarray
    labels: list
    class_vectors: np.ndarray | None
    kind: str = "the model's own"
    card: ModelCard = field(default_factory=lambda: TextModel().card)
    weights: str = "1"
    clips: Clips | None = None
    protocols: tuple = ("full",)
    ids: list | None = None
    distractors: tuple = ()
    source: dict = field(default_factory=dict)
    allow_approximate: bool = False


@pytest.fixture
def write_result(tmp_path):
    """Return a function that writes a case's result and arrays and returns the result's path."""

    def write(case, folder=None):
        ids = case.ids or [f"video{i:03d}" for i in range(len(case.labels))]
        manifest = Manifest(
            dataset=case.classes.dataset,
            classes=case.classes,
            split="all",
            root=tmp_path,
            videos=tuple(
                Video(id=i, label=case.classes.names[label], path=i, group=i)
                for i, label in zip(ids, case.labels, strict=True)
            ),
        )
        declared = Declared(trained_on=(), pretrained_on=())
        scored = Scored(
            manifest=manifest,
            positions=np.arange(len(case.labels)),
            rows=case.rows,
            columns=ClassColumns(
                vectors=case.class_vectors,
                source={"kind": case.kind, **case.source},
                distractors=case.distractors,
            ),
            reasons={},
            sight=Sight(
                declared=declared,
                by_user=(),
                verdicts=zero_shot_verdicts(declared, case.classes),
                distances=None,
                distractors=case.distractors or None,
            ),
            run={
                "model": {
                    "name": case.card.name,
                    "weights": case.weights,
                    "pooling": case.card.pooling,
                },
                "manifest": {
                    "dataset": manifest.dataset, "videos": "all", "digest": manifest.digest,
                },
                "clip_policy": case.card.policy,
                "options": {"allow_approximate": case.allow_approximate},
            },
            clips=case.clips,
        )  # fmt: skip
        protocols = [
            resolve_protocol(p, case.classes, distractors=case.distractors or None)
            for p in case.protocols
        ]
        out = folder or tmp_path / "results"
        return out / f"{build_result(scored, protocols, out=out).stem}.json"

    return write


@pytest.fixture
def make_case():
    return Case


@pytest.fixture
def two_classes():
    """Two classes and four videos that the plain labels name rightly.

    The videos are at 0 and 36.87 degrees (red) and at 90 and 53.13 degrees (blue).
    """
    classes = class_set_from_names(NAMES, dataset="mine", source="test")
    assert classes.labels == ("red ball", "blue box")
    vectors = np.stack([unit(angle(label)) for label in classes.labels])
    return Case(
        classes=classes,
        rows=np.stack([unit(a) for a in (0.0, 36.87, 90.0, 53.13)]).astype(np.float32),
        labels=[0, 0, 1, 1],
        class_vectors=vectors,
        weights=weights_digest(TextModel()),
    )
