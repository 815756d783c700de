"""The runs behind the paper's Tables 1 to 3 and supplementary Table 1, as one study.

Claimed numbers come from ``zsl_bench.published``; measured ones only from results of runs whose
configuration is the study's own. What was not measured stays blank, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.figures.claims import ClaimPoint, claims_chart
from zsl_bench.published import claimed, published_rows
from zsl_bench.workflows.studies.paper_rows import (
    FIRST,
    MODELS,
    QUOTED,
    ROWS,
    STARTS_FROM,
    TABLES,
    PaperRow,
)
from zsl_bench.workflows.studies.plan import Kind, Run, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zsl_bench.figures.chart import Chart
    from zsl_bench.published import PublishedRow
    from zsl_bench.workflows.studies.config import Evaluation, StudyConfig
    from zsl_bench.workflows.studies.plan import StudyRow

_METRICS = ("top1", "top5")


@dataclass(frozen=True, kw_only=True)
class PaperCell:
    """One number of the paper's tables, and what was measured for it.

    Attributes:
        claim: The number as published, with its source.
        row: Where it comes from in the study; None where the paper quotes others.
        state: ``measured``, ``measured in part``, ``not run``, ``not in the study`` or ``quoted``.
        reason: Why it is blank; empty for a measured number.
        measured: As a fraction; None where it is blank.
        verdict: Zero-shot verdict of the result in words; empty where it is blank.
        result: The result file, relative to the study's folder; empty where it is blank.
    """

    claim: PublishedRow
    row: PaperRow | None
    state: str
    reason: str = ""
    measured: float | None = None
    verdict: str = ""
    result: str = ""

    @property
    def difference(self) -> float | None:
        """The measured number less the claimed one, a fraction; None where it is blank."""
        return None if self.measured is None else self.measured - self.claim.fraction

    def to_json(self) -> dict[str, Any]:
        """Return the cell as JSON holds it; numbers are fractions."""
        claim, row = self.claim, self.row
        return {
            "table": claim.table,
            "published": claim.id,
            "method": claim.method,
            "backbone": claim.backbone,
            "trained_on": claim.trained_on,
            "pretrained_on": claim.pretrained_on,
            "clips": claim.clips,
            "dataset": claim.dataset,
            "protocol": claim.protocol,
            "metric": claim.metric,
            "claimed": claim.fraction,
            "source": claim.source,
            "measured": self.measured,
            "difference": self.difference,
            "state": self.state,
            "reason": self.reason,
            "verdict": self.verdict,
            "run": row.model if row else None,
            "evaluation": row.evaluation if row else None,
            "open": list(row.open) if row else [],
            "result": self.result,
        }


def expand(config: StudyConfig) -> StudyPlan:
    """Return one run a model, with the evaluations that the tables have of it.

    The names of the models are those of ``paper_rows.MODELS``; some may be missing, and their rows
    then say so. Each evaluation covers the data sets that a table has a number of. The grid's
    ``weights`` names weights to evaluate instead of training a model, by its name.

    Raises:
        ZslBenchError: A model has an unknown name, or one starts from a model that is not there.
    """
    given = _weights(config)
    names = [model.name for model in config.models]
    for name in names:
        if name not in MODELS:
            raise ZslBenchError(
                f"study {config.name}",
                found=f"model {name!r}, which no table has",
                fix=near_matches(name, MODELS),
            )
    needed = {STARTS_FROM[name] for name in names if name in STARTS_FROM and name not in given}
    runs = [
        _run(config, name, given.get(name))
        for name in MODELS
        if name in names and (name != FIRST or name in needed)
    ]
    return StudyPlan(
        config=config,
        runs=tuple(run for run in runs if run.evaluations or run.id == FIRST),
        notes=tuple(_notes(config)),
    )


def _run(config: StudyConfig, name: str, weights: str | None) -> Run:
    model, first = config.model(name), STARTS_FROM.get(name)
    if first is not None and weights is None:
        config.model(first)
    return Run(
        id=name,
        labels={"model": name},
        evaluations=() if name == FIRST else tuple(_evaluations(config, name)),
        config=None if weights else model.config,
        overrides=() if weights else model.overrides,
        weights_from=None if weights else first,
        model=weights,
    )


def _weights(config: StudyConfig) -> Mapping[str, str]:
    given = config.grid.get("weights", {})
    is_table = isinstance(given, dict) and all(isinstance(one, str) for one in given.values())
    unknown = sorted(set(given) - {m.name for m in config.models}) if is_table else []
    if not is_table or unknown:
        raise ZslBenchError(
            f"study {config.name}",
            found=f"grid.weights of {unknown[0]!r}" if unknown else f"grid.weights = {given!r}",
            fix='write [grid.weights] with lines such as e2e-664 = "path:weights/e2e"',
        )
    return {str(name): reference for name, reference in given.items()}


def _evaluations(config: StudyConfig, model: str) -> Iterator[Evaluation]:
    """Yield the evaluations of a model, each with the data sets that a table has a number of."""
    for evaluation in config.evaluations:
        entries = [r.entry for r in ROWS if (r.model, r.evaluation) == (model, evaluation.name)]
        wanted = {claim.dataset for entry in entries for claim in claimed(entry=entry)}
        data = {name: path for name, path in evaluation.data.items() if name in wanted}
        if data:
            yield replace(evaluation, data=data)


def _notes(config: StudyConfig) -> Iterator[str]:
    names = {model.name for model in config.models}
    missing = [name for name in MODELS if name not in names]
    if missing:
        yield f"Models that the study leaves out: {', '.join(missing)}."


def paper_cells(plan: StudyPlan, rows: Sequence[StudyRow]) -> tuple[PaperCell, ...]:
    """Return every number of the four tables, in their order, with what was measured for it.

    Args:
        plan: The study's plan.
        rows: Those of finished runs.
    """
    sources = {row.entry: row for row in ROWS}
    found = {
        (row.run, row.evaluation, row.dataset, row.protocol.partition("@")[0]): row for row in rows
    }
    cells = [
        _cell(plan, claim, sources.get(claim.entry), found)
        for claim in published_rows()
        if claim.table in TABLES and claim.entry.startswith("paper-")
    ]
    places = {row.entry: place for place, row in enumerate(ROWS)}
    return tuple(
        sorted(
            cells,
            key=lambda cell: (TABLES.index(cell.claim.table), places.get(cell.claim.entry, -1)),
        )
    )


def _cell(
    plan: StudyPlan,
    claim: PublishedRow,
    row: PaperRow | None,
    found: Mapping[tuple[str, str, str, str], StudyRow],
) -> PaperCell:
    if row is None:
        return PaperCell(claim=claim, row=None, state="quoted", reason=QUOTED)
    got = found.get((row.model, row.evaluation, claim.dataset, claim.protocol))
    value = getattr(got, claim.metric) if got and claim.metric in _METRICS else None
    if got is None or value is None:
        state, reason = _why_blank(plan, claim, row)
        return PaperCell(claim=claim, row=row, state=state, reason=reason)
    return PaperCell(
        claim=claim,
        row=row,
        state="measured" if got.complete else "measured in part",
        measured=value,
        verdict=got.verdict,
        result=got.result,
    )


def _why_blank(plan: StudyPlan, claim: PublishedRow, row: PaperRow) -> tuple[str, str]:
    run = next((run for run in plan.runs if run.id == row.model), None)
    if run is None:
        return "not in the study", f"The study has no model {row.model}."
    data = [e.data for e in run.evaluations if e.name == row.evaluation]
    if not any(claim.dataset in sets for sets in data):
        return "not in the study", f"The study does not evaluate {row.evaluation} {claim.dataset}."
    return "not run", f"The run {row.model} has not been finished."


def charts(rows: Sequence[StudyRow]) -> list[Chart]:
    """Draw measured beside claimed; nothing where the paper claims nothing for what was run."""
    points: dict[tuple[str, str], ClaimPoint] = {}
    for row in rows:
        for source in ROWS:
            if (source.model, source.evaluation) != (row.labels["model"], row.evaluation):
                continue
            protocol = row.protocol.partition("@")[0]
            for claim in claimed(
                entry=source.entry, dataset=row.dataset, protocol=protocol, metric="top1"
            ):
                name = f"{source.model}, {source.evaluation.replace('-', ' ')}"
                test = f"{row.dataset}, {protocol}"
                point = ClaimPoint(
                    name=name,
                    test=test,
                    claimed=claim.fraction,
                    measured=row.top1,
                    complete=row.complete,
                    verdict=row.verdict,
                    row=claim.id,
                )
                points.setdefault((name, test), point)
    return [claims_chart(list(points.values()))] if points else []


def extra(plan: StudyPlan, rows: Sequence[StudyRow]) -> dict[str, Any]:
    """Return the tables for ``study.json``."""
    return {"tables": [cell.to_json() for cell in paper_cells(plan, rows)]}


PAPER_TABLES = Kind(
    name="paper-tables",
    text="The paper's Tables 1 to 3 and supplementary Table 1, claimed beside measured.",
    expand=expand,
    charts=charts,
    grid=("weights",),
    extra=extra,
)
