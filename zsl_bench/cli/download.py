"""``zsl-bench download``."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.download_bar import DownloadBar, size_of
from zsl_bench.cli.download_weights import weights
from zsl_bench.cli.render import INTERRUPTED, console, print_json
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from zsl_bench.hub import DataSource, HubListing, Mirror

_EMBEDDED = "embedded"


@click.group(epilog="Example: zsl-bench download data hmdb51")
def download() -> None:
    """Fetch what others publish, under their terms."""


download.add_command(weights)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What is to be downloaded.

    Attributes:
        reference: The repository, with ``hub:``.
        patterns: Which of its files, None for all.
        form: ``archives``, ``embedded``, or None where the listing is to tell.
    """

    reference: str
    patterns: tuple[str, ...] | None
    form: str | None


@download.command(epilog="Example: zsl-bench download data ucf101")
@click.argument("name")
@click.option(
    "--from", "origin", metavar="MIRROR",
    help="Download this: the number of a mirror, or hub:ORG/NAME@REVISION. On a terminal you are "
    "asked.",
)  # fmt: skip
@click.option(
    "--agree", is_flag=True,
    help="You have read the terms and accept them. Without --from the first mirror is meant.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where the files go. Default: data/NAME.",
)  # fmt: skip
@click.option(
    "--include", multiple=True, metavar="PATTERN",
    help="Only files of such names, such as '*.zip', just as they are. May be given several times.",
)  # fmt: skip
@click.option("--split", metavar="PART", help="Which part of tables with embedded videos: test.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def data(
    *,
    name: str,
    origin: str | None,
    agree: bool,
    out: Path | None,
    include: tuple[str, ...],
    split: str | None,
    as_json: bool,
) -> None:
    """Say where a data set comes from, under which terms; download a mirror if you agree.

    Nothing is downloaded before you agree to the terms: on a terminal you are asked, elsewhere
    --agree says so. A mirror is a copy on the Hugging Face Hub that somebody else than the authors
    made. A download that was stopped goes on where it was; every file is checked against the hash
    that the Hub has of it; the folder appears when all is there.
    """
    from zsl_bench.datasets import dataset_name
    from zsl_bench.hub import data_source

    source = data_source(dataset_name(name))
    if not as_json:
        _print_source(source)
    choice = _choose(source, origin, agree=agree, may_ask=not as_json)
    if choice is None:
        if as_json:
            print_json(_facts(source))
        return
    _check_agreed(source, choice, agree=agree, may_ask=not as_json)
    if include:
        choice = _Choice(reference=choice.reference, patterns=include, form="archives")
    try:
        done = _download(source, choice, out or Path("data") / source.dataset, split)
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from there", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        print_json({**_facts(source), "download": done})
    else:
        _print_done(done)


def _choose(
    source: DataSource, origin: str | None, *, agree: bool, may_ask: bool
) -> _Choice | None:
    if origin is None and agree:
        origin = "1"
    if origin is None and may_ask and source.mirrors and _is_terminal():
        asked = f"Download a mirror (1 to {len(source.mirrors)})? Its number, or Enter for none"
        origin = click.prompt(asked, default="", show_default=False, err=True).strip()
    if not origin:
        return None
    if origin.startswith("hub:"):
        return _Choice(reference=origin, patterns=None, form=None)
    return _of_mirror(_mirror(source, origin))


def _mirror(source: DataSource, number: str) -> Mirror:
    mirrors = source.mirrors
    if not number.isdecimal() or not 1 <= int(number) <= len(mirrors):
        raise DatasetError(
            f"mirror {number!r} of {source.title}",
            found=f"{len(mirrors)} mirrors are listed" if mirrors else "no mirror is listed",
            fix="give a number of these, or hub:ORG/NAME@REVISION"
            if mirrors
            else f"see {source.page}, or give hub:ORG/NAME@REVISION with --from",
        )
    return mirrors[int(number) - 1]


def _of_mirror(mirror: Mirror) -> _Choice:
    return _Choice(reference=mirror.reference, patterns=mirror.patterns, form=mirror.form)


def _check_agreed(source: DataSource, choice: _Choice, *, agree: bool, may_ask: bool) -> None:
    if agree:
        return
    if may_ask and _is_terminal():
        question = f"Do you accept the terms of {source.title} and of {choice.reference}?"
        if click.confirm(question, err=True):
            return
        raise DatasetError(
            f"download {choice.reference}", found="the terms are not accepted", fix="see the page"
        )
    raise DatasetError(
        f"download {choice.reference}",
        found="nobody has accepted the terms",
        fix="read them (zsl-bench download data NAME) and add --agree",
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _download(source: DataSource, choice: _Choice, out: Path, split: str | None) -> dict[str, Any]:
    from zsl_bench.hub import list_data

    found = list_data(choice.reference)
    form = choice.form or _form(found)
    note = found.left_out()
    if note is not None:
        click.echo(note, err=True)
    if form == _EMBEDDED:
        return _unpack(source, found, out, split)
    return _fetch(source, found.select(choice.patterns), out)


def _form(found: HubListing) -> str:
    names = [file.path for file in found.files if file.is_data]
    tables = any(name.endswith(".parquet") for name in names)
    archives = any(name.endswith((".zip", ".rar", ".tar", ".gz", ".tgz")) for name in names)
    return _EMBEDDED if tables and not archives else "archives"


def _fetch(source: DataSource, found: HubListing, out: Path) -> dict[str, Any]:
    from zsl_bench.hub import download_folder

    click.echo(f"{found}: {len(found.files):,} files, {size_of(found.size)}, to {out}", err=True)
    is_new = download_folder(found, out, progress=DownloadBar())
    return {
        "reference": str(found),
        "folder": str(out),
        "files": len(found.files),
        "bytes": found.size,
        "new": is_new,
        "next": f"zsl-bench index {source.dataset} {out} --out {source.dataset}.json",
    }


def _unpack(source: DataSource, found: HubListing, out: Path, split: str | None) -> dict[str, Any]:
    from zsl_bench.cli.progress import FileBar
    from zsl_bench.datasets.hub_videos import read_hub_videos

    manifest = read_hub_videos(
        source.dataset,
        str(found),
        out,
        split=split,
        progress=FileBar(),
        transfer=DownloadBar(),
    )
    into = manifest.root
    return {
        "reference": str(found),
        "folder": str(into),
        "files": len(manifest),
        "new": True,
        "next": f"zsl-bench index {source.dataset} {into} --out {source.dataset}.json",
    }


def _facts(source: DataSource) -> dict[str, Any]:
    facts = asdict(source)
    for entry, mirror in zip(facts["mirrors"], source.mirrors, strict=True):
        entry["reference"] = mirror.reference
    return facts


def _print_source(source: DataSource) -> None:
    to = console()
    lines = [source.title, f"  page: {source.page}"]
    lines += [f"  {_file_line(**asdict(file))}" for file in source.files]
    lines += [f"  terms: {source.terms}", f"  cite: {source.citation}"]
    lines += [f"  note: {note}" for note in source.notes]
    lines += [f"  unpack: {source.unpack}", f"  then: {source.index}"]
    if source.mirrors:
        lines.append("Mirrors on the Hugging Face Hub, made by others than the authors")
    for number, mirror in enumerate(source.mirrors, start=1):
        lines.append(
            f"  {number}. {mirror.reference}" + (f", {mirror.size}" if mirror.size else "")
        )
        lines.append(f"     {mirror.holds}")
        lines.append(f"     licence: {mirror.licence}; known from {mirror.evidence}")
    for line in lines:
        to.print(line, soft_wrap=True)


def _file_line(*, name: str, holds: str, size: str | None, url: str | None) -> str:
    return (
        f"file: {name}" + (f", {size}" if size else "") + f": {holds}" + (f"; {url}" if url else "")
    )


def _print_done(done: dict[str, Any]) -> None:
    to = console()
    state = "downloaded" if done["new"] else "there already"
    to.print(f"{state}: {done['reference']} in {done['folder']}", soft_wrap=True)
    to.print(f"next: {done['next']}", soft_wrap=True)
