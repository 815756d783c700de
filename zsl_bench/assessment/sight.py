"""What a model has seen: its card or the user's word, held against the test classes and videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.assessment.scored import Sight
from zsl_bench.assessment.shared_videos import shared_videos
from zsl_bench.classes import with_rules
from zsl_bench.errors import ModelError
from zsl_bench.verdict import (
    FIELDS,
    Declared,
    class_distances,
    distractor_classes,
    parse_declaration,
    zero_shot_verdicts,
)
from zsl_bench.videos import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard, TrainingData
    from zsl_bench.verdict import Distractors


def declare(
    card: Declared | ModelCard, *, trained_on: Sequence[str], pretrained_on: Sequence[str], of: str
) -> tuple[Declared, tuple[str, ...]]:
    """Join what a card declares with what a user declares where the card is silent.

    Args:
        card: The card; an empty :class:`Declared` where there is none.
        trained_on: What the user gave with ``--trained-on``.
        pretrained_on: What the user gave with ``--pretrained-on``.
        of: Name of the model, for messages.

    Returns:
        The declaration, and the fields that the user filled.

    Raises:
        ModelError: The card declares that field itself.
        ClassSetError: What the user gave stands for no classes.
    """
    fields: dict[str, TrainingData] = {name: getattr(card, name) for name in FIELDS}
    by_user = []
    for name, texts in zip(FIELDS, (trained_on, pretrained_on), strict=True):
        if not texts:
            continue
        if fields[name] is not None:
            option = name.replace("_", "-")
            raise ModelError(
                f"--{option} {' '.join(texts)} for {of}",
                found="a card that declares it already",
                fix=f"leave --{option} out, or mend the card",
            )
        fields[name] = parse_declaration(texts)
        by_user.append(name)
    return Declared(**fields), tuple(by_user)


def look(
    declared: Declared,
    by_user: tuple[str, ...],
    manifest: Manifest,
    *,
    vectors: str | None,
    train_manifest: Path | None = None,
    distractors: Distractors | None = None,
) -> Sight:
    """Hold a declaration against the test classes by every rule, and training videos against rows.

    Args:
        declared: What the model declares.
        by_user: The fields that the user declared.
        manifest: The test videos and classes.
        vectors: Word vectors; None for the bundled ones.
        train_manifest: Manifest of the training videos, or None.
        distractors: The declared classes that stand beside the test classes; None where no
            protocol asks for them.

    Raises:
        WordVectorError: The vectors cannot be read.
        DatasetError: The training manifest cannot be read.
    """
    classes = manifest.classes
    same_rules = under_rules(declared, classes.rules)
    shared = None
    if train_manifest is not None:
        shared = shared_videos(Manifest.load(train_manifest), manifest, content=True)
    return Sight(
        declared=declared,
        by_user=by_user,
        verdicts=zero_shot_verdicts(same_rules, classes, vectors=vectors),
        distances=class_distances(same_rules, classes, vectors=vectors),
        shared=shared,
        distractors=None if distractors is None else distractors.names,
    )


def distractors_of(
    declared: Declared, classes: ClassSet, *, vectors: str | None
) -> Distractors | None:
    """Return the declared classes that stand beside the test classes.

    Args:
        declared: What the model declares.
        classes: The test classes.
        vectors: Word vectors; None for the bundled ones.

    Returns:
        They, perhaps none; None where no class is declared and a field is open or undeclared.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    return distractor_classes(under_rules(declared, classes.rules), classes, vectors=vectors)


def under_rules(declared: Declared, rules: str) -> Declared:
    """Return a declaration whose class sets have their words by one rule set."""
    return Declared(
        **{
            name: tuple(with_rules(classes, rules) for classes in data)
            if isinstance(data := getattr(declared, name), tuple)
            else data
            for name in FIELDS
        }
    )
