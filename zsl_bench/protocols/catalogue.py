"""Protocols as frozen class lists for the named data sets, and as recipes for anyone's classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ProtocolError, near_matches
from zsl_bench.files import asset_path, read_asset, sha256_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.classes import ClassSet

CUSTOM = "custom"
ALL_VIDEOS = "all"
NUM_DRAWS = 10
MIN_CLASSES = 4
_ALIASES = {"1": ("brattoli-half", "half"), "2": ("brattoli-full", "full")}
RECIPES = {
    "half": "a recipe for any class set: half of its classes (n // 2), ten draws by "
    "RandomState(0..9) over the names in code-point order; scored under half@<fingerprint>",
    "full": "a recipe for any class set: all of its classes; scored under full@<fingerprint>",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One protocol on one data set, with explicit class lists.

    Attributes:
        id: Such as ``brattoli-half``, ``half@3f0c...`` or ``custom``.
        version: Raised whenever a number under this id could change.
        dataset: The data set that the class lists belong to.
        trials: For each trial its classes, which are also its only candidates.
        source: Where the definition comes from.
    """

    id: str
    version: int
    dataset: str
    trials: tuple[tuple[str, ...], ...]
    source: str

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over id, version, data set and class lists."""
        return trials_digest(self.id, self.version, self.dataset, self.trials)


def trials_digest(
    protocol: str, version: int, dataset: str, trials: Sequence[Sequence[str]]
) -> str:
    """Return the SHA-256 that identifies a protocol's class lists on one data set."""
    return sha256_json(
        {
            "id": protocol,
            "version": version,
            "dataset": dataset,
            "trials": [list(trial) for trial in trials],
        }
    )


def list_protocols() -> tuple[str, ...]:
    """Return the ids of the frozen protocols, sorted."""
    return tuple(sorted(path.stem for path in asset_path("protocols").glob("*.json")))


@lru_cache(maxsize=16)
def load_definition(protocol: str) -> dict[str, Any]:
    """Load a frozen protocol's definition with its class lists for every data set.

    Args:
        protocol: An id, or ``1`` or ``2`` for the paper's Evaluation Protocols.

    Raises:
        ProtocolError: There is no such protocol, or its class lists do not match their hash.
    """
    known = _ALIASES[protocol][0] if protocol in _ALIASES else protocol
    if known not in list_protocols():
        raise ProtocolError(
            f"protocol {protocol!r}",
            found="no protocol of that name",
            fix=near_matches(protocol, (*list_protocols(), *_ALIASES, *RECIPES)),
        )
    definition = read_asset("protocols", f"{known}.json")
    for dataset, frozen in definition["datasets"].items():
        digest = trials_digest(known, definition["version"], dataset, frozen["trials"])
        if digest != frozen["sha256"]:
            raise ProtocolError(
                f"protocol {known} on {dataset}",
                found="class lists that do not match their SHA-256",
                fix="install the package again",
            )
    return definition


def resolve_protocol(reference: str, classes: ClassSet, *, videos: str = ALL_VIDEOS) -> Protocol:
    """Resolve a protocol for a class set.

    Args:
        reference: A frozen id; ``1`` or ``2``, which mean the paper's protocols on the data sets
            they were published for and the recipes on any other; or a recipe, ``half`` or
            ``full``.
        classes: The data set's full class list.
        videos: Which videos the manifest lists, such as ``all`` or ``testlist01``.

    Raises:
        ProtocolError: The protocol is unknown, or is not defined for these classes or videos.
    """
    if reference in RECIPES:
        return _recipe(reference, classes)
    definition = load_definition(reference)
    frozen = definition["datasets"].get(classes.dataset)
    if frozen is None:
        if reference in _ALIASES:
            return _recipe(_ALIASES[reference][1], classes)
        raise ProtocolError(
            f"protocol {reference} on {classes.dataset}",
            found=f"class lists for {', '.join(definition['datasets'])} only",
            fix="use the recipe half or full",
        )
    protocol = definition["id"]
    if frozen["videos"] != videos:
        raise ProtocolError(
            f"protocol {protocol} on {classes.dataset}",
            found=f"the videos of {videos}, where the protocol takes {frozen['videos']}",
            fix="give the videos that it takes, or use the recipe half or full",
        )
    trials = tuple(tuple(trial) for trial in frozen["trials"])
    foreign = sorted({name for trial in trials for name in trial} - set(classes.names))
    if foreign:
        raise ProtocolError(
            f"protocol {protocol} on {classes.dataset}",
            found=f"a class list without {foreign[0]!r}",
            fix="use the bundled class set, or the recipe half or full",
        )
    return Protocol(
        id=protocol,
        version=definition["version"],
        dataset=classes.dataset,
        trials=trials,
        source=definition["source"],
    )


def half_draws(names: Sequence[str], *, num_draws: int = NUM_DRAWS) -> list[list[str]]:
    """Draw half of the classes as the paper's released code does, ``num_draws`` times.

    Draw ``s`` takes the first ``n // 2`` of ``RandomState(s).permutation(n)`` over the names in
    code-point order.

    Raises:
        ProtocolError: There are too few classes to leave a choice.
    """
    ordered = sorted(names)
    if len(ordered) < MIN_CLASSES:
        raise ProtocolError(
            f"half of {len(ordered)} classes",
            found=f"fewer than {MIN_CLASSES} classes, so that no choice is left",
            fix="use the protocol full",
        )
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
        trials=(tuple(present),),
        source="the classes that have a video here; not comparable with any published protocol",
    )


def _recipe(name: str, classes: ClassSet) -> Protocol:
    trials = half_draws(classes.names) if name == "half" else [list(classes.names)]
    return Protocol(
        id=f"{name}@{classes.fingerprint[:12]}",
        version=1,
        dataset=classes.dataset,
        trials=tuple(tuple(trial) for trial in trials),
        source=f"recipe {name} applied to the classes of {classes.dataset}",
    )
