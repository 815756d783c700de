"""The audit before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zsl_bench.baselines.training.guard import audit_classes
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ClassSetError
from zsl_bench.splits import load_split
from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from zsl_bench.baselines.training.config import TrainConfig

TESTS = {"against": ("ucf101", "hmdb51")}


def _names(*names: str):
    return class_set_from_names(names, dataset="mine", source="a test")


def test_the_paper_s_split_comes_out(tiny_config: Callable[..., TrainConfig]) -> None:
    config = tiny_config(audit={**TESTS, "remove_overlap": True})
    audit = audit_classes(
        load_class_set("kinetics700"), (), config, vectors=load_word_vectors(words=())
    )
    published = load_split("tp1")
    assert audit.kept.names == published.kept
    assert set(audit.removed) == set(published.removed)
    assert audit.overlap == ()
    split = audit.split(audit.kept, split_id="mine")
    assert split is not None
    assert split.kept == published.kept


def test_an_overlap_stops_the_run(tiny_config: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ClassSetError, match=r"archery \(mine\) = Archery \(ucf101\).*remove_over"):
        audit_classes(
            _names("archery", "milking cow"), (), tiny_config(audit=TESTS),
            vectors=load_word_vectors(words=()),
        )  # fmt: skip


def test_a_pretraining_overlap_stops_the_run_too(tiny_config: Callable[..., TrainConfig]) -> None:
    config = tiny_config(audit={**TESTS, "remove_overlap": True})
    with pytest.raises(ClassSetError, match=r"archery \(kinetics400\)") as caught:
        audit_classes(
            _names("milking cow", "baking cookies"), (load_class_set("kinetics400"),), config,
            vectors=load_word_vectors(words=()),
        )  # fmt: skip
    assert "remove_overlap" not in str(caught.value)


@pytest.mark.parametrize(("declared", "word"), [(None, "undeclared"), ("open", "open")])
def test_pretraining_that_cannot_be_audited_stops_the_run(tiny_config, declared, word) -> None:
    with pytest.raises(ClassSetError, match=f"their training data is {word}"):
        audit_classes(
            _names("milking cow"), declared, tiny_config(audit=TESTS),
            vectors=load_word_vectors(words=()),
        )  # fmt: skip


def test_an_allowed_overlap_is_on_record(tiny_config: Callable[..., TrainConfig]) -> None:
    config = tiny_config(audit={**TESTS, "allow_overlap": True})
    names = _names("archery", "milking cow")
    audit = audit_classes(names, "open", config, vectors=load_word_vectors(words=()))
    assert audit.kept.names == ("archery", "milking cow")
    assert [(name, n.name, n.nearest) for name, n in audit.overlap] == [
        ("mine", "archery", "Archery")
    ]
    assert audit.split(audit.kept, split_id="mine") is None
    record = audit.to_json()
    assert record["overlap"][0]["name"] == "archery"
    assert record["pretraining_silent"] == "open"


def test_nothing_left_is_refused(tiny_config: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ClassSetError, match="every one of 1 classes overlaps"):
        audit_classes(
            _names("archery"), (), tiny_config(audit={**TESTS, "remove_overlap": True}),
            vectors=load_word_vectors(words=()),
        )  # fmt: skip
