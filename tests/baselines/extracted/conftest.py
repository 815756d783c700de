"""Files of clip features of made-up videos."""

from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.baselines.extracted import BackboneRecord, ClipFile, write_clip_file
from zsl_bench.classes import class_set_from_names
from zsl_bench.model import ModelCard

NAMES = ("cooking rice", "painting walls", "climbing tree", "washing car")


def record(**fields):
    """A backbone that has seen nothing, or what the fields say."""
    card = ModelCard(
        name="net", **{"trained_on": (), "pretrained_on": (), "revision": "r1", **fields}
    )
    return BackboneRecord(
        card=card,
        weights={"weights": "r1", "code": "c"},
        output="features",
        reference="path:weights",
        given={"weights": None, "settings": []},
    )


@pytest.fixture
def made(tmp_path):
    """Return a function that writes a file of 4 classes, 3 videos each, and returns its parts."""

    def make(name="clips.safetensors", *, dtype="float32", names=NAMES, backbone=True, **fields):
        rng = np.random.default_rng(3)
        labels = np.repeat(np.arange(len(names)), 3)
        lengths = rng.integers(1, 6, size=len(labels))
        centres = rng.normal(size=(len(names), 7))
        rows = [
            (centres[label] + 0.1 * rng.normal(size=(length, 7))).astype(np.float32)
            for label, length in zip(labels, lengths, strict=True)
        ]
        content = ClipFile(
            source=name,
            features=np.broadcast_to(np.zeros((), dtype), (len(rows), int(lengths.max()), 7)),
            lengths=lengths,
            labels=labels,
            classes=class_set_from_names(names, dataset="mine", source="a test"),
            ids=tuple(f"{names[label]}/{i}.mp4" for i, label in enumerate(labels)),
            groups=tuple(f"g{i // 2}" for i in range(len(rows))),
            backbone=record(**fields) if backbone else None,
            run={"clip_policy": "paper-25", "manifest": {"digest": "d"}},
            unreadable=(("lost.mp4", "no video"),),
            versions={"numpy": "2"},
        )
        path = tmp_path / name
        write_clip_file(path, content, iter(rows))
        return path, content, rows

    return make
