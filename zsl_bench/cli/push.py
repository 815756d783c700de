"""``zsl-bench push``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.download_bar import size_of
from zsl_bench.cli.render import console, print_json

if TYPE_CHECKING:
    from zsl_bench.hub import Upload
    from zsl_bench.workflows.publish import Candidate, Target


@click.command(epilog="Example: zsl-bench push runs/mine/weights me/mine --dry-run")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("repo", metavar="ORG/NAME")
@click.option(
    "--result", "results", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="A result of these weights, for the model card. May be given several times.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Make the repository private, where there is none.")
@click.option("--pr", "as_pull_request", is_flag=True, help="Propose it as a pull request.")
@click.option(
    "--revision", "branch", default="main", show_default=True, metavar="BRANCH",
    help="The branch to push to; made where there is none.",
)  # fmt: skip
@click.option("--message", default="", help="Message of the commit.")
@click.option(
    "--allow-incomplete", is_flag=True,
    help="Publish results that no report ranks as well, in a table of their own.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the files and the card; upload nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def push(
    *,
    folder: Path,
    repo: str,
    results: tuple[Path, ...],
    allow_incomplete: bool,
    dry_run: bool,
    as_json: bool,
    **target: Any,  # noqa: ANN401
) -> None:
    """Publish a weights folder on the Hugging Face Hub, with a model card made from its results.

    The folder is loaded strictly first. Uploaded are its tensors, its configuration and card, a
    README.md made from these and from the results, and the result files, in one commit; nothing
    else that lies in the folder. Log in with hf auth login before.
    """
    from zsl_bench.workflows.publish import Target, read_candidate, upload_of

    where = Target(repo=repo, **target)
    _check_target(where)
    candidate = read_candidate(folder, results, allow_incomplete=allow_incomplete)
    upload = upload_of(candidate, where)
    for note in candidate.notes:
        click.echo(f"note: {note}", err=True)
    if dry_run:
        _show(candidate, upload, as_json=as_json)
    else:
        _push(candidate, upload, as_json=as_json)


def _check_target(target: Target) -> None:
    if target.as_pull_request and target.branch != "main":
        raise click.UsageError("--pr proposes to main; leave --revision out")
    if target.as_pull_request and target.private:
        raise click.UsageError("--pr needs a repository that is there; leave --private out")


def _facts(candidate: Candidate, upload: Upload) -> dict[str, Any]:
    return {
        "repo": upload.repo,
        "weights": candidate.digest,
        "files": {path: _size(content) for path, content in upload.files.items()},
        "notes": list(candidate.notes),
    }


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _show(candidate: Candidate, upload: Upload, *, as_json: bool) -> None:
    readme = upload.files["README.md"]
    text = readme.decode() if isinstance(readme, bytes) else ""
    facts = _facts(candidate, upload)
    if as_json:
        print_json({**facts, "readme": text})
        return
    click.echo(f"nothing is uploaded; to {upload.repo} would go:", err=True)
    for path, size in facts["files"].items():
        click.echo(f"  {path}, {size_of(size)}", err=True)
    click.echo(text)


def _push(candidate: Candidate, upload: Upload, *, as_json: bool) -> None:
    from zsl_bench.hub import push_files

    facts = _facts(candidate, upload)
    size = sum(facts["files"].values())
    click.echo(f"{upload.repo}: {len(upload.files)} files, {size_of(size)}", err=True)
    done = push_files(upload)
    told = {
        **facts,
        "reference": str(done),
        "commit": done.commit,
        "revision": done.revision,
        "new": done.is_new,
        "removed": list(done.removed),
    }
    if as_json:
        print_json(told)
        return
    to = console()
    to.print(f"pushed: {done}, {done.revision}", soft_wrap=True)
    if done.removed:
        to.print(f"removed: {', '.join(done.removed)}", soft_wrap=True)
    to.print(f"next: zsl-bench download weights {str(done).removeprefix('hub:')}", soft_wrap=True)
