"""``zsl-bench train``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.progress import TrainingBar
from zsl_bench.cli.render import (
    INTERRUPTED,
    TERMINATED,
    console,
    count,
    duration,
    percent,
    print_json,
)
from zsl_bench.errors import listing
from zsl_bench.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.run import Prepared, TrainReport


@click.command(
    epilog="Example: zsl-bench train e2e-kinetics700-tp1 --set data.path=videos/kinetics700 "
    "--set model.vectors=none --dry-run"
)
@click.argument("config")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="The run's folder. Default: runs/ and the configuration's name.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint in the folder.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.FIELD=VALUE",
    help="Change one setting; may be given several times.",
)  # fmt: skip
@click.option(
    "--words", metavar="RULES",
    help="Rule set of the words that stand for a class, brattoli2020 or plain; short for "
    "--set model.words=RULES.",
)  # fmt: skip
@click.option(
    "--samples", type=click.IntRange(min=0), default=0, metavar="N",
    help="Save the first N training clips as pictures to look at.",
)  # fmt: skip
@click.option("--tensorboard", is_flag=True, help="Write the metrics for TensorBoard, too.")
@click.option(
    "--dry-run", is_flag=True, help="Open the data, audit the classes, say what would be trained."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def train(
    *,
    config: str,
    out: Path | None,
    resume: bool,
    overrides: tuple[str, ...],
    words: str | None,
    samples: int,
    tensorboard: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train a network on the classes that keep away from the test sets.

    CONFIG is a bundled configuration (zsl-bench list configs) or a TOML file. The classes are
    audited before the first step, and no test set is looked at. Ctrl-C (exit status 130) and
    SIGTERM (143) leave a checkpoint that --resume goes on from. "torchrun ... -m zsl_bench train
    CONFIG" trains with several processes.
    """
    from zsl_bench.baselines.training.config_files import load_config

    if words is not None:
        overrides = (*overrides, f"model.words={words}")
    settings = load_config(config, overrides=overrides)
    if dry_run:
        from zsl_bench.baselines.training.run import prepare

        _tell_plan(prepare(settings), as_json=as_json)
        return
    folder = out or Path("runs") / settings.name
    report = _train(settings, folder, resume=resume, samples=samples, tensorboard=tensorboard)
    if _speaks():
        _tell_report(report, as_json=as_json)
    if report.stopped:
        raise click.exceptions.Exit(TERMINATED)


def _speaks() -> bool:
    """Say whether this process is the one of several under torchrun that prints."""
    return os.environ.get("RANK", "0") == "0"


def _train(
    config: TrainConfig, folder: Path, *, resume: bool, samples: int, tensorboard: bool
) -> TrainReport:
    from zsl_bench.baselines.training.progress import Quiet
    from zsl_bench.baselines.training.run import train as run

    progress = TrainingBar() if _speaks() else Quiet()
    try:
        return run(
            config,
            folder,
            resume=resume,
            progress=progress,
            samples=samples,
            tensorboard=tensorboard,
        )
    except KeyboardInterrupt:
        progress.finish()
        progress.note(f"stopped by Ctrl-C; {_what_is_kept(folder)}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        progress.finish()


def _what_is_kept(folder: Path) -> str:
    if any((folder / "checkpoints").glob("step-*")):
        return f"the same command with --resume goes on from the checkpoint in {folder}"
    if (folder / "features").is_dir():
        return f"the same command goes on with the features in {folder}"
    return "no step was finished yet"


def _tell_plan(prepared: Prepared, *, as_json: bool) -> None:
    from zsl_bench.baselines.training.sampler import EpochPlan

    config, data = prepared.config, prepared.training_set
    plan = EpochPlan(
        samples=len(data),
        seed=config.run.seed,
        epoch=0,
        batch_size=config.optimiser.batch_size,
        max_clips=config.optimiser.max_clips_per_epoch,
    )
    content: dict[str, Any] = {
        "name": config.name,
        "dataset": data.manifest.dataset,
        "classes": len(data.classes),
        "held_out_classes": len(data.held_out.classes) if data.held_out else 0,
        "samples": len(data),
        "epochs": config.optimiser.epochs,
        "steps_per_epoch": plan.steps,
        "start": prepared.start.source,
        "warnings": list(prepared.warnings),
        "audit": prepared.audit.to_json(),
    }
    if as_json:
        print_json(content)
        return
    _tell(
        {
            "would train": f"{config.name}: {config.model.family} {config.model.network} from "
            f"{prepared.start.source}",
            "classes": f"{_classes(content)}: {listing(data.classes.labels, limit=4)}",
            "steps": f"{plan.steps:,} of {count(config.optimiser.batch_size, 'clip')} in each of "
            f"{count(config.optimiser.epochs, 'epoch')}, for one process",
            "verdict": _verdict(content["audit"]),
            "note": prepared.warnings,
        }
    )


def _tell_report(report: TrainReport, *, as_json: bool) -> None:
    if report.stopped:
        console(stderr=True).print(
            f"stopped by SIGTERM; {_what_is_kept(report.folder)}", soft_wrap=True
        )
    if as_json:
        print_json(report.to_json())
    elif report.weights is not None:
        _tell(dict(_findings(report, report.weights)))


def _findings(report: TrainReport, weights: Path) -> Iterator[tuple[str, str]]:
    audit = read_json(report.folder / "audit.json", what="audit")
    yield "weights", f"{weights}"
    yield "classes", _classes(report.to_json())
    yield "steps", f"{report.steps:,} in {count(report.epochs, 'epoch')}"
    if report.loss is not None:
        yield "loss", f"{report.loss:.4f} in the last epoch"
    if report.held_out_top1 is not None and report.selected_epoch is not None:
        score, epoch = percent(report.held_out_top1), report.selected_epoch + 1
        classes = count(report.held_out_classes, "held-out class", "held-out classes")
        score += f" % (chance {percent(1 / report.held_out_classes)} %)"
        yield "held out", f"top-1 {score} on {classes}, weights of epoch {epoch}"
    memory = report.peak_memory_mb
    yield "time", duration(report.seconds) + ("" if memory is None else f", {memory:,.0f} MiB")
    if report.unreadable:
        listed = report.folder / "unreadable.csv"
        yield "unreadable", f"{count(report.unreadable, 'sample')}, listed in {listed}"
    yield "verdict", _verdict(audit)
    data = " ".join(f"--data {shlex.quote(test['dataset'])}=PATH" for test in audit["against"])
    model = shlex.quote(f"path:{weights}")
    yield "next", f"zsl-bench evaluate --model {model} {data}"


def _classes(content: Mapping[str, Any]) -> str:
    held_out = content["held_out_classes"]
    return f"{content['classes']:,} with {content['samples']:,} samples" + (
        f", and {held_out:,} held out" if held_out else ""
    )


def _verdict(audit: Mapping[str, Any]) -> str:
    """Say in one line what an audit allows one to claim."""
    tests = ", ".join(test["dataset"] for test in audit["against"])
    found = []
    if audit["overlap"]:
        pairs = listing(f"{n['name']} ({n['nearest_set']})" for n in audit["overlap"])
        classes = count(len(audit["overlap"]), "class", "classes")
        found.append(f"overlapping with {tests}: {classes} seen and allowed: {pairs}")
    if audit["pretraining_silent"]:
        found.append(f"not disjoint: the pretraining data is {audit['pretraining_silent']}")
    if not found:
        found.append(
            f"disjoint from {tests} (rules {audit['rules']}, threshold {audit['threshold']:g})"
        )
    if audit["removed"]:
        left_out = count(len(audit["removed"]), "overlapping class", "overlapping classes")
        found.append(f"{left_out} left out")
    return "; ".join(found)


def _tell(findings: Mapping[str, str | tuple[str, ...]]) -> None:
    to = console()
    width = max(map(len, findings)) + 2
    for name, value in findings.items():
        for line in (value,) if isinstance(value, str) else value:
            to.print(f"{name:<{width}}{line}", soft_wrap=True)
