"""Names of data sets, as users spell them."""

from __future__ import annotations

import re

from zsl_bench.classes import bundled_class_sets, bundled_name, fold
from zsl_bench.errors import DatasetError

_OTHER_NAMES = {
    "activitynet100": "activitynet100",
    "activitynet12": "activitynet100",
    "activitynetv12": "activitynet100",
    "activitynetv13": "activitynet200",
    "anet100": "activitynet100",
    "anet12": "activitynet100",
    "anet13": "activitynet200",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def known_datasets() -> tuple[str, ...]:
    """Return the names that stand for a certain data set; any other name is a user's own."""
    return tuple(sorted({*bundled_class_sets(), *_OTHER_NAMES.values()}))


def dataset_name(name: str) -> str:
    """Return the known data set that ``UCF-101`` or ``k400`` stands for, or the name itself.

    ``activitynet-1.2`` is ``activitynet100``, the classes of which its annotations tell.

    Raises:
        DatasetError: The name cannot be part of a file name.
    """
    dataset = bundled_name(name) or _OTHER_NAMES.get(fold(name), name)
    if not _NAME.fullmatch(dataset):
        raise DatasetError(
            f"data set {name!r}",
            found="a name that cannot be part of a file name",
            fix="use letters, digits, '-', '_', '+' and '.', such as my-videos",
        )
    return dataset
