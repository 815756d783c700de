"""Telling what data set a features file is from, for the message when it is another one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.datasets import LISTED
from zsl_bench.datasets.recognise import Likeness
from zsl_bench.features.spelling import hits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SAMPLE = 500
_YOUTUBE = re.compile(r"(?:v_)?[\w-]{11}(?:_\d+){0,2}(?:\.\w+)?")


def looks_like_ids(ids: Sequence[str]) -> Likeness | None:
    """Return the data set that most of some ids belong to, or None."""
    sample = ids[:: max(len(ids) // _SAMPLE, 1)]
    for dataset in LISTED:
        hits = hits_of(sample, dataset)
        if 2 * hits > len(sample):
            share = f"{hits:,} of {len(sample):,} ids looked at are its videos"
            return Likeness(dataset=dataset, evidence=share)
    hits = sum(1 for text in sample if _YOUTUBE.fullmatch(text.rpartition("/")[2]))
    if 2 * hits > len(sample):
        share = f"{hits:,} of {len(sample):,} ids looked at are like YouTube's"
        return Likeness(dataset="Kinetics or ActivityNet", evidence=share)
    return None


def looks_like_classes(names: Iterable[str], *, but: str) -> Likeness | None:
    """Return the bundled class set that most of some names belong to, or None.

    Args:
        names: Names of classes.
        but: The data set that was asked for, which is not the answer.
    """
    wanted = set(names)
    best: tuple[float, str, int] = (0.0, "", 0)
    for dataset in bundled_class_sets():
        if dataset == but:
            continue
        classes = load_class_set(dataset)
        hits = sum(1 for name in wanted if classes.find(name))
        best = max(best, (hits - len(classes) / 1e6, dataset, hits))
    _, dataset, hits = best
    if hits < 2 or 2 * hits <= len(wanted):
        return None
    evidence = f"{hits} of {len(wanted)} class names are its own"
    return Likeness(dataset=dataset, evidence=evidence)
