"""Which protocols, and which candidates beside the test classes they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.assessment.sight import distractors_of
from zsl_bench.classes import ClassSet
from zsl_bench.errors import DatasetError, ProtocolError
from zsl_bench.protocols import (
    distractor_class_set,
    needs_distractors,
    needs_seen_videos,
    resolve_protocol,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.protocols import Protocol
    from zsl_bench.verdict import Declared, Distractors
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Protocols for one manifest, and the candidates that they need beside its classes.

    Attributes:
        protocols: Each once.
        distractors: All that any of them needs, the declared ones first; None where none needs one.
        declared: Those that are declared training classes; None where no protocol asks for them.
            Of a model with an open or undeclared field they hold only what the other declares.
    """

    protocols: tuple[Protocol, ...]
    distractors: ClassSet | None
    declared: Distractors | None


NOTHING_PLANNED = Planned(protocols=(), distractors=None, declared=None)
_PAPER, _RECIPES = ("1", "2"), ("half", "full")


def choose_protocols(
    manifest: Manifest, asked: str | Sequence[str] | None, *, restricted: bool
) -> tuple[str, ...]:
    """Return the protocols to score under.

    Args:
        manifest: The videos and test classes.
        asked: What the user asked for; None for the paper's two, or for the recipes ``half`` and
            ``full`` where the videos are not those that the paper's take.
        restricted: Whether only the classes present are to be candidates, under ``custom``.

    Raises:
        ProtocolError: Protocols are asked for that ``custom`` cannot stand in for.
    """
    if restricted:
        if asked is not None:
            raise ProtocolError(
                "--restrict-to-present",
                found="protocols beside it, whose candidates are frozen",
                fix="leave either of them out: it scores under custom alone",
            )
        return ()
    if asked is not None:
        return (asked,) if isinstance(asked, str) else tuple(map(str, asked))
    try:
        for reference in _PAPER:
            resolve_protocol(reference, manifest.classes, videos=manifest.split)
    except ProtocolError:
        return _RECIPES
    return _PAPER


def check_protocols(
    manifest: Manifest, references: Sequence[str], *, has_seen_videos: bool
) -> None:
    """Refuse protocols that are unknown or do not fit, before anything is loaded or run.

    Raises:
        ProtocolError: A protocol is unknown, or is not defined for these classes or videos.
        DatasetError: One needs held-out videos of training classes and there are none, or the
            other way round.
    """
    for reference in references:
        resolve_protocol(reference, manifest.classes, videos=manifest.split, distractors=())
    wanted = [reference for reference in references if needs_seen_videos(reference)]
    if wanted and not has_seen_videos:
        raise DatasetError(
            f"protocol {wanted[0]}",
            found="no held-out videos of training classes",
            fix="give them with --seen; the harmonic mean needs both accuracies",
        )
    if has_seen_videos and not wanted:
        raise DatasetError(
            "held-out videos of training classes",
            found="no protocol that takes them",
            fix="give --protocol gzsl, or leave --seen out",
        )


def plan_protocols(
    manifest: Manifest, references: Sequence[str], declared: Declared, *, vectors: str | None
) -> Planned:
    """Resolve protocols for a manifest and a model.

    Args:
        manifest: The videos and test classes.
        references: Protocol ids, aliases or recipes.
        declared: What the model declares.
        vectors: Word vectors, which tell what declared classes equal test classes.

    Raises:
        ProtocolError: A protocol is unknown, does not fit, or needs declared training classes where
            no class is declared and a field is open or undeclared.
    """
    classes = manifest.classes
    found = None
    if any(map(needs_distractors, references)):
        found = distractors_of(declared, classes, vectors=vectors)
    names = None if found is None else found.names
    sets = [] if found is None or found.classes is None else [found.classes]
    resolved = [
        resolve_protocol(reference, classes, videos=manifest.split, distractors=names)
        for reference in references
    ]
    frozen = {name: None for p in resolved for t in p.trials for name in t.distractors}
    others = [name for name in frozen if name not in (names or ())]
    if others:
        sets.append(distractor_class_set(others, rules=classes.rules))
    return Planned(
        protocols=tuple({protocol.id: protocol for protocol in resolved}.values()),
        distractors=_joined(sets),
        declared=found,
    )


def _joined(sets: Sequence[ClassSet]) -> ClassSet | None:
    if not sets:
        return None
    first = sets[0]
    if len(sets) == 1:
        return first
    return ClassSet(
        dataset="distractors",
        version=1,
        names=tuple(name for classes in sets for name in classes.names),
        words=tuple(words for classes in sets for words in classes.words),
        labels=tuple(label for classes in sets for label in classes.labels),
        aliases=tuple(aliases for classes in sets for aliases in classes.aliases),
        rules=first.rules,
        source=" and ".join(classes.source for classes in sets),
    )
