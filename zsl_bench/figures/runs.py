"""Which results may share a panel, under which protocol, and how they are named there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.assessment.reload import resolve_for
from zsl_bench.errors import ProtocolError, ResultError, listing, one_line
from zsl_bench.figures.chart import LOOKS
from zsl_bench.protocols import CUSTOM, custom_protocol, rank_trials
from zsl_bench.results import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from zsl_bench.assessment.evidence import Evidence
    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.protocols import Protocol, TrialRanks
    from zsl_bench.results import EvaluationResult

ALL_CLASSES = ("2", "full")
"""The protocol with every class as a candidate: the published one, else the recipe."""
_UNKNOWN = " (unknown)"
_LONGEST = 44
_LETTERS_AN_INCH, _HANDLE_INCHES = 14.0, 0.65


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One result under one protocol.

    Attributes:
        name: What it is called in the figure; no two runs of a panel share a name.
        result: The result.
        evidence: Its score matrix, and what the rows and columns are.
        protocol: The protocol.
        ranked: Its trials, ranked.
    """

    name: str
    result: EvaluationResult
    evidence: Evidence
    protocol: Protocol
    ranked: tuple[TrialRanks, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Name, twelve digits of the identity and the protocol's id: the first cells of a row."""
        return self.name, self.result.sha256[:12], self.protocol.id


KEY = ("model", "identity", "protocol")
"""Headings of :attr:`Run.key`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Results that stand beside one another.

    Attributes:
        runs: One or more, on one class list.
        differs: The fields in which they are not comparable; empty unless that was asked for.
    """

    runs: tuple[Run, ...]
    differs: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The data set and the protocol."""
        first = self.runs[0].protocol
        return f"{first.dataset}, {first.id} v{first.version}"

    def caption(self, *sentences: str) -> str:
        """Return sentences, then protocol, verdicts, and what stands in the way of a comparison."""
        verdicts = "; ".join(f"{run.name}: {run.result.verdict}" for run in self.runs)
        incomplete = [run.name for run in self.runs if not run.result.complete]
        told = [*sentences, f"Data set and protocol: {self.heading}.", f"Verdicts: {verdicts}."]
        if incomplete:
            told.append(f"Incomplete, of the videos at hand only: {'; '.join(incomplete)}.")
        if self.differs:
            told.append(not_comparable(self.differs))
        return " ".join(told)


def gather(
    reloaded: Sequence[Reloaded], *, protocol: str | None = None, anyway: bool = False
) -> Panel:
    """Rank every result's videos under one protocol, where the results may share a panel.

    Args:
        reloaded: Results with their arrays.
        protocol: Its id; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable; the panel says what differs.

    Raises:
        ResultError: There is no result, or too many to tell apart, or one twice; they have
            different class lists; or they are not comparable.
        ProtocolError: The protocol is unknown or does not fit the classes or the videos.
    """
    check_number(len(reloaded))
    results = [one.result for one in reloaded]
    _check_classes(reloaded)
    protocols = [_resolve(one, protocol) for one in reloaded]
    differs = set(differing(results)) - {"protocols"}
    if any(one.trials != protocols[0].trials for one in protocols):
        differs.add("protocols")
    refuse(differs, results, anyway=anyway)
    runs = tuple(
        Run(
            name=name,
            result=one.result,
            evidence=one.evidence,
            protocol=resolved,
            ranked=rank_trials(one.evidence.matrix, resolved, lists=one.evidence.lists),
        )
        for name, one, resolved in zip(names(results), reloaded, protocols, strict=True)
    )
    return Panel(runs=runs, differs=tuple(sorted(differs)))


def check_number(number: int) -> None:
    """Refuse a panel of no result, or of more than there are looks to tell them apart.

    Raises:
        ResultError: There are too few or too many.
    """
    if not 1 <= number <= len(LOOKS):
        raise ResultError(
            f"a figure of {number} results",
            found="none" if not number else "more than can be told apart",
            fix=f"give 1 to {len(LOOKS)}",
        )


def differing(results: Sequence[EvaluationResult]) -> tuple[str, ...]:
    """Return the identity fields in which any two of the results differ, sorted."""
    pairs = ((a, b) for number, a in enumerate(results) for b in results[:number])
    return tuple(sorted({field for a, b in pairs for field in comparable(a, b)}))


def refuse(differs: Iterable[str], results: Sequence[EvaluationResult], *, anyway: bool) -> None:
    """Refuse to put results beside one another that are not comparable.

    Raises:
        ResultError: They differ, and nobody asked for it.
    """
    fields = sorted(differs)
    if fields and not anyway:
        raise ResultError(
            f"{listing([one.model for one in results], limit=3)} in one panel",
            found=f"results that differ in {listing(fields, limit=6)}",
            fix="score them alike, or give --anyway (anyway=True) and the caption says so",
        )


def names(results: Sequence[EvaluationResult]) -> tuple[str, ...]:
    """Return a name for each result, which as part of a file's name is another for each too.

    It is the model's, with digits of the identity where two would be the same.

    Raises:
        ResultError: One result is given twice.
    """
    if len({one.sha256 for one in results}) < len(results):
        raise ResultError(
            f"a figure of {len(results)} results", found="one of them twice", fix="give it once"
        )
    short = [shortened(one.model) for one in results]
    times = Counter(map(file_part, short))
    return tuple(
        name if times[file_part(name)] == 1 else f"{name} [{one.sha256[:8]}]"
        for name, one in zip(short, results, strict=True)
    )


def not_comparable(differs: Iterable[str]) -> str:
    """Return the warning that stands in a caption."""
    fields = list(differs)
    unknown = [one.removesuffix(_UNKNOWN) for one in fields if one.endswith(_UNKNOWN)]
    known = [one for one in fields if not one.endswith(_UNKNOWN)]
    told = [f"the results differ in {', '.join(known)}"] if known else []
    told += [f"nobody knows whether they agree in {', '.join(unknown)}"] if unknown else []
    return f"NOT COMPARABLE: {'; '.join(told)}."


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return foreign text in one line of at most so many letters, the middle left out."""
    line = one_line(text)
    if len(line) <= longest:
        return line
    head = longest // 2
    return f"{line[:head].rstrip()}…{line[-(longest - head - 1) :].lstrip()}"


def file_part(name: str) -> str:
    """Return a name as it stands in a file's name, the same for large and small letters."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).casefold()


def shown(text: str) -> str:
    """Return text that matplotlib draws as it is: no mathematics, nothing left out of a legend."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def points(gain: float) -> str:
    """Return a gain in accuracy as whole points with a sign."""
    whole = round(100 * gain)
    return f"{whole:+d}".replace("-", "\N{MINUS SIGN}") if whole else "±0"


def legend_above(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put a legend above all panels, in as many columns as its names leave room for."""
    longest = max(len(label) for label in labels)
    width = longest / _LETTERS_AN_INCH + _HANDLE_INCHES
    columns = max(min(len(labels), int(figure.get_figwidth() / width)), 1)
    figure.legend(handles, list(map(shown, labels)), loc="outside upper center", ncols=columns)


def _check_classes(reloaded: Sequence[Reloaded]) -> None:
    first = reloaded[0].evidence.classes
    for one in reloaded[1:]:
        other = one.evidence.classes
        if other.names != first.names:
            raise ResultError(
                f"{first.dataset} and {other.dataset} in one panel",
                found="different class lists",
                fix="make one figure for each data set",
            )


def _resolve(reloaded: Reloaded, reference: str | None) -> Protocol:
    if reference is None:
        try:
            return resolve_for(reloaded.evidence, ALL_CLASSES[:1])[0]
        except ProtocolError:
            return resolve_for(reloaded.evidence, ALL_CLASSES[1:])[0]
    if reference == CUSTOM:
        return _custom(reloaded)
    return resolve_for(reloaded.evidence, [reference.partition("@")[0]])[0]


def _custom(reloaded: Reloaded) -> Protocol:
    scores = reloaded.result.scores.get(CUSTOM)
    if scores is None:
        raise ProtocolError(
            f"protocol {CUSTOM} of {reloaded.result.model}",
            found="a result that was not scored under it",
            fix="name another protocol",
        )
    return custom_protocol(reloaded.evidence.classes, scores["classes"][0])
