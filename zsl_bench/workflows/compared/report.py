"""The report of a comparison: Markdown, CSV, JSON and one page."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.files import atomic_write, check_writable, write_json
from zsl_bench.pages import Cell, PageTable, number_cell, render_page
from zsl_bench.report.formats import markdown
from zsl_bench.report.units import count, percent
from zsl_bench.workflows.compared.notes import plan_notes, row_notes
from zsl_bench.workflows.compared.rows import (
    GENERALISED,
    LEAK_FREE,
    LEAKS,
    PLAIN,
    UNDECLARED,
    ComparedRow,
    compared_rows,
)
from zsl_bench.workflows.compared.systems import SYSTEMS, published_systems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.workflows.compared.config import ProtocolRow
    from zsl_bench.workflows.compared.plan import ComparedPlan

READING = (
    "Each table is one protocol; numbers of different tables do not compare. Accuracies are in "
    "percent: the mean over splits and seeds, its standard deviation (population), its standard "
    "error and n, the number of splits times seeds. Splits that share classes are not independent, "
    "and the standard error is then too small."
)
NAMES = {
    "per_class": "per class",
    "per_video": "per video",
    "unseen_accuracy": "unseen",
    "seen_accuracy": "seen",
    "harmonic_mean": "harmonic mean",
    "area": "area",
}
PUBLISHED = (
    "As published, each under a protocol, with features and on splits of its own: none of them is "
    "the protocol of a table above, and none is comparable with a number there."
)
TONES = {LEAK_FREE: "good", LEAKS: "bad", UNDECLARED: "doubt", "done": "good", "failed": "bad",
         "cannot run": "doubt"}  # fmt: skip
_ABOUT = ("method", "fidelity", "setting", "features", "pretraining", "side data", "overlap")
_PUBLISHED_HEADER = ("system", "features", "trained on", "data set", "protocol", "top-1 %",
                     "source")  # fmt: skip
_METHOD_HEADER = ("method", "what it is", "sources", "assumed")
_SYSTEM_HEADER = ("system", "stands for it here", "remark")


@dataclass(frozen=True, kw_only=True, eq=False)
class ProtocolTable:
    """The rows of one protocol.

    Attributes:
        protocol: The protocol.
        rows: Its rows.
        notes: What a reader should know, in sentences.
    """

    protocol: ProtocolRow
    rows: tuple[ComparedRow, ...]
    notes: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the accuracies, the first with its spread."""
        return GENERALISED if self.protocol.generalised else PLAIN

    @property
    def title(self) -> str:
        """Its heading."""
        filtered = ", filtered" if self.protocol.filtered else ""
        generalised = ", generalised" if self.protocol.generalised else ""
        return f"{self.protocol.name}{filtered}{generalised}"

    @property
    def text(self) -> str:
        """What it is, in one sentence."""
        row = self.protocol
        inner = row.train == (row.test,)
        learned = (
            f"the other classes of {row.test}" if inner else f"videos of {', '.join(row.train)}"
        )
        kept = (
            "training classes within the threshold of a test class are left out"
            if row.filtered
            else "the threshold is not enforced, and what it would leave out is told"
        )
        return f"Fitted to {learned}, tested on {row.protocol} of {row.test}; {kept}."


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedReport:
    """All tables of a comparison.

    Attributes:
        plan: Its plan.
        tables: One a protocol.
        notes: What a reader should know of the whole.
    """

    plan: ComparedPlan
    tables: tuple[ProtocolTable, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[ComparedRow, ...]:
        """All rows."""
        return tuple(row for table in self.tables for row in table.rows)

    @property
    def standing(self) -> str:
        """How far it is, in one sentence."""
        states = [row.state for row in self.rows]
        other = [f"{states.count(s)} {s}" for s in dict.fromkeys(states) if s != "done"]
        told = f"; {', '.join(other)}" if other else ""
        return f"{states.count('done')} of {count(len(states), 'row')} done{told}."

    def published(self) -> list[tuple[str, ...]]:
        """Return the numbers of the paper's Table 1 on these test sets, as published."""
        tests = tuple(dict.fromkeys(row.test for row in self.plan.config.protocols))
        return [
            (row.method, row.backbone or "-", row.trained_on or "-", row.dataset, row.protocol,
             f"{row.value:.1f}", f"{row.source}, {row.table}")
            for row in published_systems(tests)
        ]  # fmt: skip

    def systems(self) -> list[tuple[str, str, str]]:
        """Return what stands for each system of the paper's Table 1, or why nothing does."""
        methods = self.plan.config.methods
        return [(system.name, system.standing(methods), system.remark) for system in SYSTEMS]

    def methods(self) -> list[tuple[str, str, str, str]]:
        """Return what each method is, where it was read, and what had to be assumed."""
        specs = {row.method: row.spec for row in reversed(self.rows)}
        return [
            (name, str(specs[name]["title"]), "; ".join(specs[name]["sources"]) or "-",
             "; ".join(specs[name]["assumed"]) or "-")
            for name in dict.fromkeys(row.method for row in self.rows)
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON holds it; accuracies from 0 to 1."""
        config = self.plan.config
        return {
            "schema": 1,
            "kind": "compared-methods",
            "name": config.name,
            "threshold": config.threshold,
            "standing": self.standing,
            "rows": [row.to_json() for row in self.rows],
            "systems": [dict(zip(_SYSTEM_HEADER, row, strict=True)) for row in self.systems()],
            "published": [
                dict(zip(_PUBLISHED_HEADER, row, strict=True)) for row in self.published()
            ],
            "notes": [*self.notes, *(note for table in self.tables for note in table.notes)],
        }


def compared_report(plan: ComparedPlan) -> ComparedReport:
    """Read what the finished cells of a comparison say; none needs to be finished."""
    rows = compared_rows(plan)
    tables = []
    for protocol in plan.config.protocols:
        own = tuple(row for row in rows if row.protocol == protocol.name)
        tables.append(ProtocolTable(protocol=protocol, rows=own, notes=tuple(row_notes(own))))
    return ComparedReport(plan=plan, tables=tuple(tables), notes=tuple(plan_notes(plan)))


def write_report(report: ComparedReport) -> tuple[Path, ...]:
    """Write ``compared.json``, ``compared.csv``, ``compared.md`` and ``index.html``.

    Raises:
        ResultError: The folder cannot be written.
    """
    folder = report.plan.config.out
    check_writable(folder)
    write_json(folder / "compared.json", report.to_json())
    texts = {
        "compared.csv": to_csv(report),
        "compared.md": to_markdown(report),
        "index.html": to_page(report),
    }
    for name, text in texts.items():
        with atomic_write(folder / name) as stream:
            stream.write(text.encode())
    return tuple(folder / name for name in ("compared.json", *texts))


def to_csv(report: ComparedReport) -> str:
    """Return a line a row and accuracy; accuracies from 0 to 1, an empty one where none is."""
    text = io.StringIO()
    fields = ("protocol", "features", "method", "fidelity", "setting", "side_data", "pretraining",
              "leakage", "overlap", "clean", "quick", "metric", "mean", "sd", "se", "n", "chance",
              "splits", "seeds", "state", "reason")  # fmt: skip
    writer = csv.DictWriter(text, fieldnames=fields, lineterminator="\n")
    writer.writeheader()
    for table in report.tables:
        for row in table.rows:
            for metric in table.metrics:
                spread = row.values.get(metric)
                numbers = {} if spread is None else vars(spread)
                shared = {name: getattr(row, name) for name in fields if hasattr(row, name)}
                writer.writerow(
                    {
                        **shared,
                        "fidelity": row.spec["fidelity"],
                        "setting": row.spec["setting"],
                        "side_data": "; ".join(row.spec["side_data"]),
                        "leakage": "; ".join(row.leakage),
                        "metric": metric,
                        **numbers,
                    }
                )
    return text.getvalue()


def text_rows(table: ProtocolTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and rows of a protocol as plain texts."""
    first, *others = (NAMES[name] for name in table.metrics)
    header = (*_ABOUT, f"{first} %", "SD", "SE", "n", *(f"{name} %" for name in others), "state")
    return header, [_text_row(row, table.metrics) for row in table.rows]


def _text_row(row: ComparedRow, metrics: Sequence[str]) -> tuple[str, ...]:
    first = row.values.get(metrics[0])
    spread = (first.mean, first.sd, first.se) if first else (None, None, None)
    others = [row.values.get(name) for name in metrics[1:]]
    state = f"{row.state}, small settings" if row.quick and first else row.state
    return (
        row.method,
        row.spec["fidelity"],
        row.spec["setting"],
        row.features,
        row.pretraining if row.pretraining != LEAKS else "; ".join(row.leakage),
        "; ".join(row.spec["side_data"]) or "none",
        row.overlap,
        *map(percent, spread),
        str(first.n) if first else "-",
        *(percent(one.mean if one else None) for one in others),
        state,
    )


def to_markdown(report: ComparedReport) -> str:
    """Return the tables as Markdown; foreign text is escaped."""
    config = report.plan.config
    parts = [f"# {markdown(config.description or config.name)}", markdown(report.standing), READING]
    for table in report.tables:
        parts += [f"## {markdown(table.title)}", markdown(table.text), _pipes(*text_rows(table))]
        parts += ["\n".join(f"* {markdown(note)}" for note in table.notes)] if table.notes else []
    parts += ["## Methods", _pipes(_METHOD_HEADER, report.methods())]
    parts += ["## Systems of the paper's Table 1", _pipes(_SYSTEM_HEADER, report.systems())]
    published = report.published()
    if published:
        parts += ["## Published numbers", PUBLISHED, _pipes(_PUBLISHED_HEADER, published)]
    parts += ["\n".join(f"* {markdown(note)}" for note in report.notes)] if report.notes else []
    return "\n\n".join(parts) + "\n"


def to_page(report: ComparedReport) -> str:
    """Return the tables as one page that needs nothing else."""
    config = report.plan.config
    return render_page(
        "compared.html.j2",
        title=config.description or config.name,
        standing=report.standing,
        reading=READING,
        tables=[
            {
                "anchor": f"protocol-{number}",
                "title": table.title,
                "text": table.text,
                "table": _page_table(table, number),
                "notes": table.notes,
            }
            for number, table in enumerate(report.tables, start=1)
        ],
        methods=[
            dict(zip(("name", "title", "sources", "assumed"), one, strict=True))
            for one in report.methods()
        ],
        systems=PageTable(header=_SYSTEM_HEADER, rows=tuple(report.systems()), name="system-table"),
        published_text=PUBLISHED,
        published=PageTable(
            header=_PUBLISHED_HEADER,
            rows=tuple(
                (*row[:5], Cell(text=row[5], order=float(row[5])), row[6])
                for row in report.published()
            ),
            name="published-table",
        ),
        notes=report.notes,
    )


def _page_table(table: ProtocolTable, number: int) -> PageTable:
    header, _ = text_rows(table)
    features = {row.features for row in table.rows}
    return PageTable(
        header=header,
        rows=tuple(_page_row(row, table.metrics) for row in table.rows),
        name=f"table-{number}",
        filters=("features", "setting") if len(features) > 1 else (),
    )


def _page_row(row: ComparedRow, metrics: Sequence[str]) -> tuple[str | Cell, ...]:
    text = _text_row(row, metrics)
    first = row.values.get(metrics[0])
    spread = (first.mean, first.sd, first.se) if first else (None, None, None)
    others = [row.values.get(name) for name in metrics[1:]]
    close, _, pairs = row.overlap.partition(": ")
    reach = row.splits * row.seeds
    return (
        Cell(text=text[0], title=str(row.spec["title"])),
        text[1],
        Cell(text=text[2], tone="" if text[2] == "inductive" else "doubt"),
        row.features,
        Cell(
            text=row.pretraining,
            tone=TONES[row.pretraining],
            detail="" if row.pretraining == LEAK_FREE else "; ".join(row.leakage),
        ),
        text[5],
        Cell(text=close, tone="bad" if row.left else "", detail=pairs),
        *(number_cell(value) for value in spread),
        Cell(text=text[10], order=first.n if first else 0,
             title=f"{row.splits} splits x {row.seeds} seeds" if reach else ""),
        *(number_cell(one.mean if one else None) for one in others),
        Cell(text=text[-1], tone=TONES.get(row.state, ""), title=row.reason),
    )  # fmt: skip


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    escaped = [[text if text == "---" else markdown(text) for text in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
