"""Protocols for anyone's classes: recipes that write out explicit lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ProtocolError
from zsl_bench.protocols.protocol import Protocol, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.classes import ClassSet

CUSTOM = "custom"
NUM_DRAWS = 10
MIN_CLASSES = 4
RECIPES = {
    "half": "half of any class set's classes (n // 2), ten draws by RandomState(0..9) over the "
    "names in code-point order; scored under half@<fingerprint>",
    "full": "all classes of any class set; scored under full@<fingerprint>",
    "open": "all classes of any class set, with the declared training classes as distractors; "
    "scored under open@<fingerprint>",
}
_OVER_DRAWS = "mean and population standard deviation over the ten draws"


def half_draws(names: Sequence[str], *, num_draws: int = NUM_DRAWS) -> list[list[str]]:
    """Draw half of the classes as the paper's released code does, ``num_draws`` times.

    Draw ``s`` takes the first ``n // 2`` of ``RandomState(s).permutation(n)`` over the names in
    code-point order.

    Raises:
        ProtocolError: There are too few classes to leave a choice.
    """
    if len(names) < MIN_CLASSES:
        raise ProtocolError(
            f"half of {len(names)} classes",
            found=f"fewer than {MIN_CLASSES} classes, so that no choice is left",
            fix="use the protocol full",
        )
    return seeded_halves(sorted(names), num_draws=num_draws)


def seeded_halves(ordered: Sequence[str], *, num_draws: int = NUM_DRAWS) -> list[list[str]]:
    """Draw half of the classes in the order given, with the seeds 0, 1 and so on."""
    draws = []
    for seed in range(num_draws):
        order = np.random.RandomState(seed).permutation(len(ordered))
        draws.append([ordered[i] for i in order[: len(ordered) // 2]])
    return draws


def custom_protocol(classes: ClassSet, present: Sequence[str]) -> Protocol:
    """Return the protocol ``custom``: the classes present are the only candidates, one trial."""
    return Protocol(
        id=CUSTOM,
        version=1,
        dataset=classes.dataset,
        trials=(Trial(classes=tuple(present), videos=None),),
        title="the classes that have a video here",
        metric="top1",
        averaging="one trial",
        source="the classes that have a video here; not comparable with any published protocol",
    )


def recipe_protocol(name: str, classes: ClassSet, distractors: Sequence[str] | None) -> Protocol:
    """Apply a recipe to a class set.

    Args:
        name: ``half``, ``full`` or ``open``.
        classes: The data set's full class list.
        distractors: The declared training classes, for ``open``.

    Raises:
        ProtocolError: There are too few classes, or ``open`` has no declared training classes.
    """
    lists = half_draws(classes.names) if name == "half" else [list(classes.names)]
    extra = needed_distractors(name, distractors) if name == "open" else ()
    return Protocol(
        id=f"{name}@{classes.fingerprint[:12]}",
        version=1,
        dataset=classes.dataset,
        trials=tuple(Trial(classes=tuple(t), videos=None, distractors=extra) for t in lists),
        title=f"recipe {name}",
        metric="top1",
        averaging=_OVER_DRAWS if name == "half" else "one trial",
        source=f"recipe {name} applied to the classes of {classes.dataset}",
        drawn_size=len(classes) // 2 if name == "half" else None,
    )


def needed_distractors(protocol: str, distractors: Sequence[str] | None) -> tuple[str, ...]:
    """Return the distractors that a protocol cannot do without.

    Raises:
        ProtocolError: None are given, which is not the same as an empty list.
    """
    if distractors is None:
        raise ProtocolError(
            f"protocol {protocol}",
            found="a model of which no training class is declared",
            fix="declare them with --trained-on or --pretrained-on",
        )
    return tuple(distractors)
