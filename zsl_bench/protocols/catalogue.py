"""The frozen protocols: find one, check its lists, make it ready for a class set and its videos."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ProtocolError, listing, near_matches
from zsl_bench.files import asset_path, read_asset
from zsl_bench.protocols.protocol import ALL_VIDEOS, Protocol, Trial, protocol_digest
from zsl_bench.protocols.recipes import RECIPES, needed_distractors, recipe_protocol
from zsl_bench.protocols.video_rules import VIDEO_RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.classes import ClassSet

_ALIASES = {"1": ("brattoli-half", "half"), "2": ("brattoli-full", "full")}
_RECIPE_OF = {"open-label": "open"}


def list_protocols() -> tuple[str, ...]:
    """Return the ids of the frozen protocols, sorted."""
    return tuple(sorted(path.stem for path in asset_path("protocols").glob("*.json")))


def aliases_of(protocol: str) -> tuple[str, ...]:
    """Return the other names of a frozen protocol."""
    return tuple(alias for alias, (known, _) in _ALIASES.items() if known == protocol)


@lru_cache(maxsize=32)
def load_definition(reference: str) -> dict[str, Any]:
    """Load a frozen protocol's definition with its class lists for every data set.

    Args:
        reference: An id, or ``1`` or ``2`` for the paper's Evaluation Protocols.

    Raises:
        ProtocolError: There is no such protocol, or its class lists do not match their hash.
    """
    known = _ALIASES[reference][0] if reference in _ALIASES else reference
    if known not in list_protocols():
        raise ProtocolError(
            f"protocol {reference!r}",
            found="no protocol of that name",
            fix=near_matches(reference, (*list_protocols(), *_ALIASES, *RECIPES)),
        )
    definition = read_asset("protocols", f"{known}.json")
    for dataset, frozen in definition["datasets"].items():
        digest = protocol_digest(
            known, definition["version"], dataset, definition["metric"], frozen_trials(frozen)
        )
        if digest != frozen["sha256"]:
            raise ProtocolError(
                f"protocol {known} on {dataset}",
                found="class lists that do not match their SHA-256",
                fix="install the package again",
            )
    return {**definition, "aliases": list(aliases_of(known))}


def frozen_trials(frozen: dict[str, Any]) -> tuple[Trial, ...]:
    """Return the trials of one data set of a definition.

    Args:
        frozen: ``trials`` holds a list of classes a trial; ``videos`` names one list, or one a
            trial, or is None for every video at hand; ``distractors`` are those of every trial.
    """
    names = frozen["videos"]
    videos = names if isinstance(names, list) else [names] * len(frozen["trials"])
    distractors = tuple(frozen.get("distractors", ()))
    return tuple(
        Trial(classes=tuple(classes), videos=listed, distractors=distractors)
        for classes, listed in zip(frozen["trials"], videos, strict=True)
    )


def resolve_protocol(
    reference: str,
    classes: ClassSet,
    *,
    videos: str = ALL_VIDEOS,
    distractors: Sequence[str] | None = None,
) -> Protocol:
    """Resolve a protocol for a class set.

    Args:
        reference: A frozen id; ``1`` or ``2``, which mean the paper's protocols on the data sets
            they were published for and the recipes on any other; or a recipe: ``half``, ``full`` or
            ``open``.
        classes: The data set's full class list.
        videos: Which videos the manifest lists, such as ``all`` or ``testlist01``. All videos serve
            every official list of a data set; any other list serves only itself.
        distractors: The declared training classes, ``<dataset>/<class>``, for a protocol that has
            them among its candidates.

    Raises:
        ProtocolError: The protocol is unknown, is not defined for these classes or videos, or needs
            distractors and gets None.
    """
    if reference in RECIPES:
        return recipe_protocol(reference, classes, distractors)
    definition = load_definition(reference)
    known = definition["id"]
    frozen = definition["datasets"].get(classes.dataset)
    if frozen is None:
        return _without_lists(reference, definition, classes, distractors)
    trials = frozen_trials(frozen)
    _check_videos(known, classes.dataset, trials, videos)
    foreign = sorted({name for trial in trials for name in trial.classes} - set(classes.names))
    if foreign:
        raise ProtocolError(
            f"protocol {known} on {classes.dataset}",
            found=f"a class list without {foreign[0]!r}",
            fix="use the bundled class set, or the recipe half or full",
        )
    if definition["declared_distractors"]:
        extra = needed_distractors(known, distractors)
        trials = tuple(Trial(classes=t.classes, videos=t.videos, distractors=extra) for t in trials)
    return Protocol(
        id=known,
        version=definition["version"],
        dataset=classes.dataset,
        trials=trials,
        title=definition["title"],
        metric=definition["metric"],
        averaging=definition["averaging"],
        source=definition["source"],
        notes=tuple(definition["notes"]),
        drawn_size=frozen.get("drawn_size"),
        aliases=tuple(definition["aliases"]),
    )


def _without_lists(
    reference: str,
    definition: dict[str, Any],
    classes: ClassSet,
    distractors: Sequence[str] | None,
) -> Protocol:
    """Fall back on a recipe where the reference stands for one as well."""
    if reference in _ALIASES:
        return recipe_protocol(_ALIASES[reference][1], classes, distractors)
    raise ProtocolError(
        f"protocol {reference} on {classes.dataset}",
        found=f"class lists for {', '.join(definition['datasets'])} only",
        fix=f"use the recipe {_RECIPE_OF.get(reference, 'half or full')}",
    )


def _check_videos(protocol: str, dataset: str, trials: Sequence[Trial], videos: str) -> None:
    """Refuse a manifest that does not hold the videos of every trial."""
    rules = {rule.name for rule in VIDEO_RULES}
    named = dict.fromkeys(trial.videos for trial in trials if trial.videos is not None)
    lacking = [name for name in named if name != videos and (videos != ALL_VIDEOS or name in rules)]
    if lacking:
        raise ProtocolError(
            f"protocol {protocol} on {dataset}",
            found=f"the videos of {videos}, where the protocol takes {listing(lacking)}",
            fix="give the videos that it takes, or use the recipe "
            f"{_RECIPE_OF.get(protocol, 'half or full')}",
        )
