"""The README.md of published weights: the Hub's metadata, and what a person should know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import WeightsError, one_line
from zsl_bench.workflows.publish.evidence import COMPLETE, STANDINGS, conditions
from zsl_bench.workflows.publish.markup import fenced, paragraph, plain
from zsl_bench.workflows.publish.measured import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.model import TrainingData
    from zsl_bench.workflows.publish.candidate import Candidate
    from zsl_bench.workflows.publish.evidence import Evidence

README, RESULTS = "README.md", "results"
MAIN = "main"
_COLUMNS = (
    *("data set", "videos", "protocol", "classes", "top-1 %", "top-5 %", "zero-shot"),
    *("made with", "file"),
)
_BEGIN = "<!-- zsl-bench: made from card.json and results; write your own text below its end -->"
_END = "<!-- zsl-bench: end -->"
_METADATA = re.compile(r"\A\s*^---[ \t]*\n.*?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MADE = re.compile(rf"{re.escape(_BEGIN)}.*?{re.escape(_END)}\n?", re.DOTALL)
_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc"),
        *("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "epl-2.0"),
        *("cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
        *("cc-by-nd-4.0", "cc-by-nc-nd-4.0", "openrail", "unlicense", "wtfpl", "zlib"),
    )
)
"""Licences that the Hub knows by these names; any other is ``other`` with its name beside it."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def model_card(candidate: Candidate, repo: str, *, branch: str = MAIN) -> str:
    """Return the text of ``README.md``: metadata in YAML, and the card for a person.

    The evaluation results in the metadata are those of complete result files. What stands in the
    folder's own ``README.md`` outside the part made here is kept behind it; its metadata is not.

    Args:
        candidate: What is published.
        repo: ``org/repo``.
        branch: Where it goes: links and the reference name it.

    Raises:
        WeightsError: The folder's ``README.md`` cannot be read.
    """
    body = "\n".join((_BEGIN, *_body(candidate, repo, branch), "", _END, ""))
    own = _own_text(candidate)
    return f"---\n{_metadata(candidate, repo, branch)}\n---\n\n{body}" + (f"\n{own}" if own else "")


def _metadata(candidate: Candidate, repo: str, branch: str) -> str:
    from huggingface_hub import ModelCardData

    about = candidate.folder.about
    values = [
        entry
        for one in candidate.results
        if one.standing == COMPLETE
        for entry in measured(one, repo, RESULTS, branch=branch)
    ]
    licence, other = _licence(about.card.licence)
    data = ModelCardData(
        license=licence,
        license_name=other,
        library_name="zsl-bench",
        pipeline_tag="video-classification",
        tags=["zero-shot", "action-recognition", "zsl-bench", about.config.network],
        datasets=_datasets(about.card.trained_on, about.card.pretrained_on) or None,
        model_name=one_line(about.card.name) if values else None,
        eval_results=values or None,
    )
    return str(data.to_yaml()).strip()


def _licence(name: str) -> tuple[str, str | None]:
    """Return a licence as the Hub names it, and its own name where the Hub has none for it."""
    if not name:
        return "unknown", None
    if name.casefold() in _LICENCES:
        return name.casefold(), None
    return "other", re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-") or "other"


def _datasets(*declared: TrainingData) -> list[str]:
    sets = [one for data in declared if data is not None and data != "open" for one in data]
    names = [one.dataset.partition(" (")[0] for one in sets]
    return sorted({name for name in names if _NAME.fullmatch(name)})


def _body(candidate: Candidate, repo: str, branch: str) -> Iterator[str]:
    about = candidate.folder.about
    card, config = about.card, about.config
    yield from ("", f"# {plain(card.name)}", "")
    if said := paragraph(card.description):
        yield from (f"{said[0].upper()}{said[1:]}.", "")
    size = f"{candidate.folder.parameters:,} numbers, output {config.dim}"
    yield f"* network: {config.network}, {size}"
    yield f"* family: {config.family}"
    yield f"* clips: {card.clip.frames} frames of {card.clip.size} x {card.clip.size}"
    yield f"* clip policy: {plain(card.policy)}"
    yield f"* trained on: {_declared(card.trained_on)}"
    yield f"* pretrained on: {_declared(card.pretrained_on)}"
    yield f"* word vectors: {_vectors(candidate)}"
    yield f"* weights: `{candidate.digest}`"
    yield f"* licence: {plain(card.licence) or 'not stated'}"
    yield from ("", "## Use", "", "```sh", "pip install zsl-bench")
    reference = repo if branch == MAIN else f"{repo}@{branch}"
    yield f"zsl-bench evaluate --model hub:{reference} --data ucf101=videos/ucf101"
    yield from ("```", "")
    yield from _results(candidate)
    if card.citation:
        yield from ("", "## Citation", "", "```", fenced(card.citation), "```")


def _declared(data: TrainingData) -> str:
    if data is None:
        return "not declared"
    if data == "open":
        return "data that cannot be enumerated (open)"
    if not data:
        return "nothing"
    return ", ".join(f"{plain(one.dataset)} ({len(one)} classes)" for one in data)


def _vectors(candidate: Candidate) -> str:
    folder = candidate.folder
    if folder.words is None:
        return "the subset bundled with zsl-bench"
    return f"{folder.words:,} words of {plain(str(folder.vectors))}, in this repository"


def _results(candidate: Candidate) -> Iterator[str]:
    yield from ("## Results", "")
    if not candidate.results:
        yield "None were published with these weights."
        return
    yield "Measured with zsl-bench; the files in `results` hold every score and what it rests on."
    for standing in STANDINGS:
        chosen = [one for one in candidate.results if one.standing == standing]
        if chosen:
            yield from ("", f"### {standing}", "")
            yield f"| {' | '.join(_COLUMNS)} |"
            yield "|---" * len(_COLUMNS) + "|"
            yield from (row for one in chosen for row in _rows(one))


def _rows(evidence: Evidence) -> Iterator[str]:
    result, how = evidence.result, plain(conditions(evidence))
    coverage = result.coverage
    videos = f"{coverage['scored']:,} of {coverage['expected']:,}"
    part = result.identity["manifest"]["videos"]
    data = result.dataset if part == "all" else f"{result.dataset}, {part}"
    link = f"[{result.sha256[:12]}]({RESULTS}/{result.stem}.json)"
    for name, scores in result.scores.items():
        trials = scores["trials"]
        classes = f"{trials[0]['num_classes']}" + (f" x {len(trials)}" if len(trials) > 1 else "")
        verdict = scores["verdicts"][0]
        cells = (
            *(plain(data), videos, plain(f"{name} v{scores['version']}"), classes),
            *(*_accuracies(scores), plain(f"{verdict['finding']} ({verdict['rule']})"), how, link),
        )
        yield f"| {' | '.join(cells)} |"


def _accuracies(scores: dict[str, Any]) -> tuple[str, str]:
    if "generalised" in scores:
        return f"H {_percent(scores['generalised']['harmonic_mean'])}", "-"
    several = len(scores["trials"]) > 1
    top1, top5 = (
        _percent(scores["mean"][figure])
        + (f" ± {_percent(scores['std'][figure])}" if several else "")
        for figure in ("top1", "top5")
    )
    return top1, top5


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _own_text(candidate: Candidate) -> str:
    path = candidate.folder.path / README
    if not path.exists():
        return ""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"read {path}", found="no text in UTF-8", fix="mend it or remove it"
        ) from error
    kept = _MADE.sub("", _METADATA.sub("", text)).strip()
    return f"{kept}\n" if kept else ""
