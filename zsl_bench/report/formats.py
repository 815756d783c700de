"""Tables as text: for a terminal, Markdown, LaTeX, CSV and JSON. Foreign text is escaped."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import one_line
from zsl_bench.report.tables import BOLD, Span, entry_of, separating, shows
from zsl_bench.report.units import harmless, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zsl_bench.report.tables import Entry, Row, ScoreTable

INCOMPLETE = "†"
_VERDICT = "verdict"
_METRICS = ("top1", "mean_per_class", "top5")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~$&])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "[": "{[}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    **{special: f"\\{special}" for special in "&%$#_"},
}


@dataclass(frozen=True, kw_only=True)
class TextCell:
    """A cell of a table of text.

    Attributes:
        text: What it says.
        spans: Intervals that belong to it.
        mark: A sign behind it, or empty.
        bold: Whether it is set in bold.
    """

    text: str
    spans: tuple[str, ...] = ()
    mark: str = ""
    bold: bool = False

    @property
    def line(self) -> str:
        """All of it in one line, the intervals in parentheses."""
        around = f" ({'; '.join(self.spans)})" if self.spans else ""
        return f"{self.text}{around}{self.mark and f' {self.mark}'}"


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text, not escaped yet.

    Attributes:
        above: For each column what it has in common with those beside it; empty for the first.
        header: Headings.
        rows: Cells.
        notes: What stands below it, one sentence each.
    """

    above: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[TextCell, ...], ...]
    notes: tuple[str, ...]


def text_table(table: ScoreTable, *, dataset: str | None = None) -> TextTable:
    """Return a table as text: for each data set the verdict, then every figure in percent.

    Args:
        table: The table.
        dataset: Show this data set only, and the models that have a result on it.
    """
    if dataset is not None:
        table = replace(
            table,
            rows=tuple(row for row in table.rows if row.on(dataset) is not None),
            columns=tuple(column for column in table.columns if column.dataset == dataset),
        )
    above, header = [""], ["model"]
    columns: list[list[TextCell]] = [[TextCell(text=row.name) for row in table.rows]]
    for name in table.datasets:
        above.append(name)
        header.append(_VERDICT)
        columns.append([TextCell(text=_verdict(row, name)) for row in table.rows])
        for column in (one for one in table.columns if one.dataset == name):
            above.append(name)
            header.append(f"{column.title} %")
            entries = table.column(column)
            columns.append([_cell(entry, with_spans=column.own) for entry in entries])
    return TextTable(
        above=tuple(above),
        header=tuple(header),
        rows=tuple(zip(*columns, strict=True)),
        notes=tuple(_notes(table)),
    )


def apart(tables: Sequence[ScoreTable]) -> str:
    """Say why results stand in several tables; empty where there is one."""
    fields = separating(tables)
    if not fields:
        return ""
    return (
        "results in different tables are not comparable, and are not ranked with each other: they "
        f"differ in {', '.join(fields)}"
    )


def to_markdown(tables: Sequence[ScoreTable]) -> str:
    """Return pipe tables, with notes below each."""
    parts = []
    for table in map(text_table, tables):
        heads = [
            markdown(f"{over} {head}".strip())
            for over, head in zip(table.above, table.header, strict=True)
        ]
        rule = ["---" if head in ("model", _VERDICT) else "---:" for head in table.header]
        body = [[_markdown_cell(cell) for cell in row] for row in table.rows]
        lines = [f"| {' | '.join(cells)} |" for cells in (heads, rule, *body)]
        lines += ["", *(f"* {markdown(note)}" for note in table.notes)]
        parts.append("\n".join(lines))
    why = apart(tables)
    return "\n\n".join((*parts, *([f"* {markdown(why)}"] if why else []))) + "\n"


def to_latex(tables: Sequence[ScoreTable]) -> str:
    """Return ``table*`` environments for ``booktabs``; escaped, in percent."""
    needs = "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}"
    why = apart(tables)
    parts = [_latex_table(text_table(table)) for table in tables]
    return "\n\n".join((needs, *parts, *([f"% {latex(why)}"] if why else []))) + "\n"


def to_csv(tables: Sequence[ScoreTable], protocols: Sequence[str] = ()) -> str:
    """Return a line for each model, data set, protocol and metric; accuracies from 0 to 1."""
    rows = list(records(tables, protocols))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def to_json(tables: Sequence[ScoreTable], protocols: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the tables hold as JSON holds it."""
    return {
        "kind": "report",
        "num_tables": len(tables),
        "differs": [list(table.differs) for table in tables],
        "separated_by": list(separating(tables)),
        "bold": BOLD,
        "rows": list(records(tables, protocols)),
    }


def records(
    tables: Sequence[ScoreTable], protocols: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield every figure of every table, as plain values.

    Args:
        tables: The tables.
        protocols: Those to show; none for all.
    """
    for number, table in enumerate(tables, start=1):
        best = {
            (row.name, column.dataset, column.protocol, column.metric)
            for column in table.columns
            for row, entry in zip(table.rows, table.column(column), strict=True)
            if entry is not None and entry.best
        }
        for row in table.rows:
            for record in _records_of(row, protocols):
                key = (
                    record["model"],
                    *(record[name] for name in ("dataset", "protocol", "metric")),
                )
                yield {"table": number, **record, "best": key in best}


def _records_of(row: Row, protocols: Sequence[str]) -> Iterator[dict[str, Any]]:
    for result in row.results:
        for name, scores in result.scores.items():
            if not shows(name, protocols):
                continue
            for metric in ("harmonic_mean",) if "generalised" in scores else _METRICS:
                entry = entry_of(result, name, metric)
                yield {
                    "model": row.name,
                    "dataset": result.dataset,
                    "protocol": name,
                    "version": scores["version"],
                    "protocol_sha256": scores["sha256"],
                    "metric": metric,
                    "value": entry.value,
                    "std": entry.std,
                    **_ends("videos", entry.videos),
                    **_ends("classes", entry.classes),
                    "trials": len(scores["trials"]),
                    "finding": entry.finding,
                    "verdict": result.verdict,
                    "complete": result.complete,
                    "scored": result.coverage["scored"],
                    "expected": result.coverage["expected"],
                    "identity_sha256": result.sha256,
                }


def _ends(what: str, span: Span | None) -> dict[str, float | None]:
    ends: Mapping[str, float | None] = {"low": None, "high": None} if span is None else asdict(span)
    return {f"{what}_{end}": value for end, value in ends.items()}


def markdown(text: str) -> str:
    """Return foreign text as Markdown shows it, in one line."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def latex(text: str) -> str:
    """Return foreign text as LaTeX prints it, in one line."""
    plain = "".join(_LATEX.get(letter, letter) for letter in one_line(text))
    return plain.replace("--", "-{}-").replace("--", "-{}-")


def _verdict(row: Row, dataset: str) -> str:
    result = row.on(dataset)
    if result is None:
        return "-"
    return result.verdict + ("" if result.complete else f" {INCOMPLETE}")


def _cell(entry: Entry | None, *, with_spans: bool) -> TextCell:
    if entry is None or entry.value is None:
        return TextCell(text="-")
    text = percent(entry.value)
    if entry.std is not None:
        text += f" ± {percent(entry.std)}"
    spans = (entry.videos, entry.classes) if with_spans and (entry.videos or entry.classes) else ()
    return TextCell(
        text=text,
        spans=tuple(map(interval, spans)),
        mark="" if entry.complete else INCOMPLETE,
        bold=entry.best,
    )


def interval(span: Span | None) -> str:
    """Return an interval as percent, such as ``54.2 to 61.7``, or a dash."""
    return "-" if span is None else f"{percent(span.low)} to {percent(span.high)}"


def _notes(table: ScoreTable) -> Iterator[str]:
    yield (
        "with a figure its 95% intervals, first over other videos, then over other classes; ± is "
        "the population standard deviation over a protocol's trials"
    )
    entries = [entry for column in table.columns for entry in table.column(column) if entry]
    if any(entry.best for entry in entries):
        yield BOLD
    for row in table.rows:
        for result in row.results:
            if not result.complete:
                videos = f"{result.coverage['scored']:,} of {result.coverage['expected']:,}"
                yield (
                    f"{INCOMPLETE} {row.name} on {result.dataset} is incomplete, {videos} videos, "
                    "and not ranked"
                )
    if table.differs:
        yield f"NOT COMPARABLE: the results differ in {', '.join(table.differs)}"


def _markdown_cell(cell: TextCell) -> str:
    text = markdown(cell.line)
    return f"**{text}**" if cell.bold else text


def _latex_table(table: TextTable) -> str:
    layout = "".join("l" if head in ("model", _VERDICT) else "r" for head in table.header)
    lines = [
        r"\begin{table*}",
        r"\centering\small",
        f"\\begin{{tabular}}{{{layout}}}",
        r"\toprule",
        *_latex_above(table.above),
        _latex_line(latex(head) for head in table.header),
        r"\midrule",
        *(_latex_line(map(_latex_cell, row)) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        f"\\caption{{{latex('. '.join(_sentence(note) for note in table.notes))}.}}",
        r"\end{table*}",
    ]
    return "\n".join(lines)


def _latex_above(above: Sequence[str]) -> Iterator[str]:
    cells, rules, start = [""], [], 1
    for name in dict.fromkeys(above[1:]):
        width = above.count(name)
        cells.append(f"\\multicolumn{{{width}}}{{c}}{{{latex(name)}}}")
        rules.append(f"\\cmidrule(lr){{{start + 1}-{start + width}}}")
        start += width
    yield _latex_line(cells)
    yield "".join(rules)


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: TextCell) -> str:
    text = latex(cell.line)
    return f"\\textbf{{{text}}}" if cell.bold else text


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:]
