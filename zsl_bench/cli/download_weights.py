"""``zsl-bench download weights``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.download_bar import DownloadBar, size_of
from zsl_bench.cli.render import INTERRUPTED, console, print_json

if TYPE_CHECKING:
    from zsl_bench.baselines.published import Downloaded
    from zsl_bench.model import TrainingData


@click.command(epilog="Example: zsl-bench download weights ORG/NAME@main --out weights/mine")
@click.argument("name", metavar="ORG/NAME[@REVISION]")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where the files go. Default: weights/NAME.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def weights(*, name: str, out: Path | None, as_json: bool) -> None:
    """Download a weights folder from the Hugging Face Hub and check it.

    A branch or tag is resolved to a commit. A download that was stopped goes on where it was; every
    file is checked against the hash that the Hub has of it and the one in config.json; the folder
    appears when all is there and fits. Only tensors, configuration, card and README.md are fetched.
    NAME may also be that of a bundled model whose weights are published.
    """
    from zsl_bench.baselines.published import download_weights

    try:
        done = download_weights(name, out, progress=DownloadBar())
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from there", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    facts = _facts(done)
    if as_json:
        print_json(facts)
    else:
        _print(facts)


def _facts(done: Downloaded) -> dict[str, Any]:
    folder, about = done.folder, done.folder.about
    return {
        "reference": str(done.repo),
        "commit": done.repo.commit,
        "folder": str(folder.path),
        "files": {file.path: file.size for file in done.repo.files},
        "new": done.is_new,
        "name": about.card.name,
        "description": about.card.description,
        "family": about.config.family,
        "network": about.config.network,
        "clip_policy": about.card.policy,
        "trained_on": _declared(about.card.trained_on),
        "pretrained_on": _declared(about.card.pretrained_on),
        "licence": about.card.licence,
        "words": folder.words,
        "word_vectors": folder.vectors,
        "next": f"zsl-bench evaluate --model path:{folder.path} --data ucf101=videos/ucf101",
    }


def _declared(data: TrainingData) -> Any:  # noqa: ANN401
    if data is None or data == "open":
        return data
    return {one.dataset: len(one) for one in data}


def _print(facts: dict[str, Any]) -> None:
    from zsl_bench.errors import one_line

    to = console()
    state = "downloaded" if facts["new"] else "there already"
    size = size_of(sum(facts["files"].values()))
    words = facts["words"]
    vectors = "bundled subset" if words is None else f"{words:,} words of {facts['word_vectors']}"
    about = [
        f"model: {facts['name']}" + (f", {facts['description']}" if facts["description"] else ""),
        f"network: {facts['network']} ({facts['family']}), clip policy {facts['clip_policy']}",
        f"trained on: {_told(facts['trained_on'])}",
        f"pretrained on: {_told(facts['pretrained_on'])}",
        f"word vectors: {vectors}",
        f"licence: {facts['licence'] or 'not stated'}",
    ]
    lines = [
        f"{state}: {facts['reference']} in {facts['folder']}, {size}",
        *(f"  {one_line(line)}" for line in about),
        f"next: {facts['next']}",
    ]
    for line in lines:
        to.print(line, soft_wrap=True)


def _told(declared: Any) -> str:  # noqa: ANN401
    if declared is None:
        return "not declared"
    if declared == "open":
        return "open (not enumerable)"
    return ", ".join(f"{name} ({count} classes)" for name, count in declared.items()) or "nothing"
