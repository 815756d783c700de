"""Held-out videos of training classes: which columns are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.classes import fold
from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.classes import ClassSet
    from zsl_bench.verdict import Declared


def seen_columns(
    labels: Sequence[str],
    declared: Declared,
    distractors: ClassSet | None,
    *,
    num_test_classes: int,
    asked: str,
) -> dict[str, int]:
    """Return the column of each class that held-out videos have.

    A class that counts as a test class has no column of its own and is left out.

    Args:
        labels: The classes of the held-out videos.
        declared: What the model declares.
        distractors: The declared classes that stand behind the test classes, or None.
        num_test_classes: Columns before them.
        asked: The beginning of a message.

    Raises:
        DatasetError: A class is none that the model declares, or all count as test classes.
    """
    behind = () if distractors is None else distractors.names
    by_name = {fold(name.partition("/")[2]): num_test_classes + i for i, name in enumerate(behind)}
    known = _declared_names(declared)
    strangers = [name for name in labels if fold(name) not in known]
    columns = {name: by_name[fold(name)] for name in labels if fold(name) in by_name}
    if strangers or not columns:
        raise DatasetError(
            asked,
            found=f"classes that the model does not declare: {listing(strangers)}"
            if strangers
            else "only classes that count as test classes",
            fix="give videos of the classes in trained_on or pretrained_on",
        )
    return columns


def _declared_names(declared: Declared) -> set[str]:
    return {
        fold(name)
        for data in (declared.trained_on, declared.pretrained_on)
        if isinstance(data, tuple)
        for classes in data
        for name in classes.names
    }
