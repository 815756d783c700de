"""Held-out videos of training classes: which columns are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.classes import fold
from zsl_bench.errors import DatasetError, listing
from zsl_bench.verdict.declared import declared_sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.verdict import Declared, Distractors


def seen_columns(
    labels: Sequence[str],
    declared: Declared,
    distractors: Distractors | None,
    *,
    num_test_classes: int,
    asked: str,
) -> dict[str, int]:
    """Return the column of each class that held-out videos have.

    A class that an earlier declared set has too, by name or by words, has the column of that one.
    A class that counts as a test class has no column of its own and is left out.

    Args:
        labels: The classes of the held-out videos, as ``abseiling`` or ``kinetics400/abseiling``.
        declared: What the model declares.
        distractors: The declared classes beside the test classes; their columns come right behind
            those of the test classes. None where there are none.
        num_test_classes: Columns before them.
        asked: The beginning of a message.

    Raises:
        DatasetError: A class is none that the model declares, or all count as test classes.
    """
    names = () if distractors is None else distractors.names
    candidates = {} if distractors is None else distractors.candidates
    place = {name: num_test_classes + i for i, name in enumerate(names)}
    full_names = _full_names(declared)
    known = {label: full_names.get(label) or full_names.get(fold(label), "") for label in labels}
    strangers = [label for label, name in known.items() if name not in candidates]
    stands_for = {label: candidates.get(name) for label, name in known.items()}
    columns = {label: place[name] for label, name in stands_for.items() if name is not None}
    if strangers or not columns:
        raise DatasetError(
            asked,
            found=f"classes that the model does not declare: {listing(strangers)}"
            if strangers
            else "only classes that count as test classes",
            fix="give videos of the classes in trained_on or pretrained_on",
        )
    return columns


def _full_names(declared: Declared) -> dict[str, str]:
    """Return ``<data set>/<class>`` behind every spelling; exact ones and short ones come first."""
    pairs = [
        (name, f"{entry.classes.dataset}/{name}")
        for entry in declared_sets(declared)
        for name in entry.classes.names
    ]
    spelt: dict[str, str] = {}
    for short, full in pairs:
        spelt.setdefault(short, full)
    for _, full in pairs:
        spelt.setdefault(full, full)
    for short, full in pairs:
        spelt.setdefault(fold(short), full)
    for _, full in pairs:
        spelt.setdefault(fold(full), full)
    return spelt
