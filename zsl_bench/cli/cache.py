"""``zsl-bench cache``: the kept outputs of clips."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.cache_options import cache_folder_option
from zsl_bench.cli.render import FOUND, console, count, print_json, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zsl_bench.clip_cache import KeySummary, ShardFile, Verification

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES |= {f"{unit}B": size for unit, size in _BYTES.items() if unit}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _amount(units: Mapping[str, int]) -> Callable[..., float | None]:
    """Return a callback that reads a number with a unit."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
        if value is None:
            return None
        parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value)
        known = {unit.casefold(): size for unit, size in units.items()}
        if parts is None or parts[2].casefold() not in known:
            named = ", ".join(unit for unit in units if unit)
            raise click.BadParameter(
                f"{value!r} is no number with one of the units {named}, as in {param.metavar}",
                ctx=ctx,
                param=param,
            )
        return float(parts[1]) * known[parts[2].casefold()]

    return read


@click.group("cache", epilog="Example: zsl-bench cache ls")
def cache() -> None:
    """Look after the outputs of clips that evaluate --cache keeps."""


@cache.command("ls", epilog="Example: zsl-bench cache ls --json")
@cache_folder_option
@_JSON
def ls(*, folder: Path, as_json: bool) -> None:
    """Show what is kept, one row a key: a model with its clip policy and all else that counts.

    Two rows of one model differ in weights, code, settings, versions or device; --json says in
    which.
    """
    from zsl_bench.clip_cache import summaries

    found = summaries(folder)
    if as_json:
        print_json([_described(each) for each in found])
        return
    if not found:
        click.echo(f"no clips are kept in {folder}")
        return
    rows = table()
    for title in ("key", "model", "policy", "videos", "clips", "size", "last used"):
        numeric = title in ("videos", "clips", "size")
        rows.add_column(title, justify="right" if numeric else "left")
    for each in found:
        rows.add_row(
            each.key[:12], each.model or "?", each.policy or "?", f"{each.videos:,}",
            f"{each.clips:,}", _size(each.size), _time(each.last_used),
        )  # fmt: skip
    console().print(rows)
    files = sum(each.shards for each in found)
    total = sum(each.size for each in found)
    click.echo(f"{_size(total)} in {count(files, 'file')} of {folder}")
    damaged = sum(each.damaged for each in found)
    if damaged:
        click.echo(f"{count(damaged, 'file')} damaged: see zsl-bench cache verify", err=True)


@cache.command("verify", epilog="Example: zsl-bench cache verify")
@cache_folder_option
@click.option("--remove", "removes", is_flag=True, help="Remove the files that are damaged.")
@_JSON
def verify(*, folder: Path, removes: bool, as_json: bool) -> None:
    """Read every file and check its digest; exit status 3 where one is damaged."""
    from zsl_bench import clip_cache

    found = clip_cache.verify(folder)
    if removes and found.damaged:
        clip_cache.remove(folder, [each.path for each in found.damaged])
    if not (as_json or found.shards):
        click.echo(f"no clips are kept in {folder}")
    elif as_json:
        damaged = [{"path": str(each.path), "reason": each.reason} for each in found.damaged]
        print_json({"files": found.shards, "size": found.size, "damaged": damaged})
    else:
        _tell(found, removes=removes)
    if found.damaged:
        raise click.exceptions.Exit(FOUND)


def _tell(found: Verification, *, removes: bool) -> None:
    for each in found.damaged:
        click.echo(f"{each.path}: {each.reason}{' (removed)' if removes else ''}")
    whole = f"{count(found.shards, 'file')} read ({_size(found.size)})"
    ends = f"{len(found.damaged):,} damaged" if found.damaged else "all as written"
    advice = "; --remove removes what is damaged" if found.damaged and not removes else ""
    click.echo(f"{whole}, {ends}{advice}")


@cache.command("prune", epilog="Example: zsl-bench cache prune --older-than 30d --yes")
@cache_folder_option
@click.option(
    "--older-than", callback=_amount(_SECONDS), metavar="30d",
    help="Files unused for that long: 30d, 12h.",
)  # fmt: skip
@click.option(
    "--max-size", callback=_amount(_BYTES), metavar="10G",
    help="The longest unused files, until this is left: 10G, 500M.",
)  # fmt: skip
@click.option("--model", metavar="NAME", help="Only files of this model; alone, all of them.")
@click.option("--all", "everything", is_flag=True, help="All files.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(
    *,
    folder: Path,
    older_than: float | None,
    max_size: float | None,
    model: str | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove what has not been used for long, or more than a size.

    A run that uses the cache meanwhile goes on: what is gone it computes again.
    """
    from zsl_bench import clip_cache

    if not (everything or model) and older_than is None and max_size is None:
        raise click.UsageError("say what to remove: --older-than, --max-size, --model or --all")
    rule = clip_cache.PruneRule(
        unused_for=older_than,
        most_bytes=None if max_size is None else int(max_size),
        model=model,
        everything=everything,
    )
    going = clip_cache.to_prune(folder, rule)
    click.echo(_going(going, folder, would=dry_run))
    if not going or dry_run:
        return
    if not yes:
        click.confirm("Remove?", abort=True, err=True)
    clip_cache.remove(folder, [each.path for each in going])
    click.echo(f"removed {count(len(going), 'file')}")


def _going(files: list[ShardFile], folder: Path, *, would: bool) -> str:
    from zsl_bench.clip_cache import DIGESTS

    if not files:
        return f"nothing to remove from {folder}"
    shards = [each for each in files if each.path.parent.name != DIGESTS]
    models = ", ".join(sorted({each.model or "?" for each in shards})) or "no model"
    size = _size(sum(each.size for each in files))
    verb = "would remove" if would else "to remove:"
    return f"{verb} {size} in {count(len(files), 'file')} of {folder}, of {models}"


def _described(each: KeySummary) -> dict[str, object]:
    return {**asdict(each), "last_used": _time(each.last_used)}


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def _size(size: int) -> str:
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
