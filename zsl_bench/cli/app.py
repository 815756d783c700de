"""The command ``zsl-bench``: verbs that load only when they are called."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import Any, cast

import click

from zsl_bench import __version__
from zsl_bench.errors import ZslBenchError, near_matches

_VERBS = {
    "cache": ("cache:cache", "Clip vectors that runs share: what is kept, whether it is sound."),
    "check-method": ("check_method:check_method", "Which rules for feature methods one keeps."),
    "check-model": ("check_model:check_model", "Which rules for plug-ins a model keeps."),
    "check-overlap": ("overlap:check_overlap", "Which training classes leak into the test sets."),
    "compare": ("compare:compare", "A paired test of two results on the same videos."),
    "convert": ("convert:convert", "Turn released checkpoints into a weights folder."),
    "curves": ("curves:curves", "Accuracy by how far the test classes are from the training."),
    "demo": ("demo:demo", "Watch a model learn to name classes it never saw."),
    "download": ("download:download", "Data sets, under which terms, and published weights."),
    "evaluate": ("evaluate:evaluate", "Score a model on real videos under exact protocols."),
    "extract": ("extract:extract", "Clip features of videos, with what their backbone has seen."),
    "figure": ("figure:figure", "One of the paper's figures, for any model or class list."),
    "fit": ("fit:fit", "Fit a compared method to the clip features of seen classes."),
    "index": ("index:index", "Find and check the videos of a data set; write its manifest."),
    "leaderboard": ("leaderboard:leaderboard", "A site of results and published numbers."),
    "list": (
        "listing:list_",
        "Models, class sets, splits, protocols, video rules, policies.",
    ),
    "new-model": ("new_model:new_model", "Write a package with a model to start from."),
    "overlap-report": (
        "overlap_report:overlap_report",
        "The audit as a page: what a training set has shown of test sets.",
    ),
    "prepare": ("prepare:prepare", "Re-encode videos for fast training and evaluation."),
    "push": ("push:push", "Publish weights on the Hub, with a model card made from results."),
    "report": ("report:report", "Tables, figures and a page of one or several results."),
    "score": ("score:score", "Score features of your own, or a result again, without a video."),
    "sensitivity": (
        "sensitivity:sensitivity",
        "How far a number moves with text, clips and protocol.",
    ),
    "study": ("study:study", "The paper's studies: trainings, evaluations and their figure."),
    "train": ("train:train", "Train the paper's model end to end, or its frozen baseline."),
    "verify": ("verify:verify", "Whether a result file holds: hashes, scores, coverage, verdict."),
}


_INTERRUPTED = 130


class _OneLine(click.ClickException):
    """A problem told in one line on stderr, exit status 1."""

    def show(self, file: Any = None) -> None:  # noqa: ANN401
        """Print the line."""
        click.echo(f"zsl-bench: {self.message}", file=file, err=file is None)


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the verbs in the order of the table."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb."""
        if cmd_name not in _VERBS:
            return None
        module, _, attribute = _VERBS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(f"zsl_bench.cli.{module}"), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb, or say which is near."""
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            ctx.fail(f"no verb {args[0]!r}; {near_matches(args[0], _VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run a verb; an error of the family becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except ZslBenchError as error:
            raise _OneLine(str(error)) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _OneLine(f"write the output: {error.strerror}; free some space") from error
        except KeyboardInterrupt:
            click.echo("zsl-bench: stopped by Ctrl-C", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: zsl-bench check-overlap kinetics700 --against ucf101 --against hmdb51",
)
@click.version_option(__version__, prog_name="zsl-bench")
def main() -> None:
    """Realistic zero-shot video action recognition: audit, evaluate, compare.

    Data goes to stdout, progress to stderr. Exit status: 0 fine, 1 a problem told in one line,
    2 wrong usage, 3 a check found something, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
