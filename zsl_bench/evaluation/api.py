"""Evaluate a model: the one function that knows both models and videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from zsl_bench.assessment.planning import (
    NOTHING_PLANNED,
    check_protocols,
    choose_protocols,
    plan_protocols,
)
from zsl_bench.assessment.presence import check_present
from zsl_bench.assessment.result import build_result
from zsl_bench.assessment.sight import declare, look
from zsl_bench.classes import RULES, with_rules
from zsl_bench.datasets import open_dataset, summary_lines
from zsl_bench.errors import DatasetError, ModelError
from zsl_bench.evaluation.assemble import Plan, check_unreadable, match_seen, scored_run
from zsl_bench.evaluation.processes import Processes
from zsl_bench.evaluation.runner import Runner
from zsl_bench.evaluation.settings import Progress, Settings, SettingsArguments, Silent
from zsl_bench.files import check_writable
from zsl_bench.model import LoadOptions, Model, check_is_model, parse_settings
from zsl_bench.registry import load_model
from zsl_bench.videos import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from zsl_bench.results import EvaluationResult


def evaluate(
    model: str | Model,
    *,
    data: Mapping[str, str | Path | Manifest],
    protocols: str | Sequence[str] | None = None,
    seen: Mapping[str, str | Path | Manifest] | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Unpack[SettingsArguments],
) -> list[EvaluationResult]:
    """Run a model once over each data set and score it under every protocol.

    Args:
        model: A reference such as ``path:weights``, ``py:package.module:load`` or an installed
            name; or an object that meets the plug-in interface.
        data: For each data set its folder, or a manifest. ``ucf101`` and ``hmdb51`` are read as
            published; any other name is a folder with one sub-folder a class.
        protocols: Protocol ids; None for the paper's Evaluation Protocols ``1`` and ``2``, or for
            ``half`` and ``full`` where the videos are not those that these take.
        seen: Held-out videos of classes that the model was trained on, for ``gzsl``: one data set
            with its folder, or a manifest.
        out: Folder for result files and resumable vectors; None writes nothing.
        progress: Told how the run is getting on.
        **settings: Fields of :class:`Settings`, such as ``policy`` or ``allow_partial``.

    Returns:
        One result a data set, in the order given. With ``share``, a process of another rank than 0
        takes its part in the work and returns none.

    Raises:
        ZslBenchError: Something is missing or does not fit; nothing finished is lost.
    """
    chosen, watcher = Settings(**settings), progress or Silent()
    processes = Processes.from_environment() if chosen.share else Processes()
    manifests = _manifests(data)
    seen_manifest = _seen_manifest(seen)
    named = []
    for manifest in manifests:
        named.append(choose_protocols(manifest, protocols, restricted=chosen.restrict_to_present))
        check_protocols(manifest, named[-1], has_seen_videos=seen_manifest is not None)
    loaded, device = _loaded(model, chosen, processes)
    manifests = [_ruled(manifest, loaded.card.rules, chosen) for manifest in manifests]
    folder = Path(out) if out is not None else None
    runner = Runner(loaded, chosen, device, folder, processes)
    for manifest in manifests:
        allowed = chosen.allow_partial or chosen.restrict_to_present
        check_present(manifest, verb="evaluate on", allowed=allowed)
        if manifest.unreadable and not chosen.allow_unreadable:
            check_unreadable(manifest, dict(manifest.unreadable))
    if folder is not None:
        check_writable(folder)
    # Class vectors come first for every data set: what they lack must not show after hours.
    plans = [_plan(*pair, runner) for pair in zip(manifests, named, strict=True)]
    for line in (line for manifest in manifests for line in summary_lines(manifest)):
        watcher.note(line)
    results = [_finish(plan, runner, seen_manifest, watcher) for plan in plans]
    return [result for result in results if result is not None]


def _manifests(data: Mapping[str, str | Path | Manifest]) -> list[Manifest]:
    by_name: object = data
    if not isinstance(by_name, Mapping) or not data:
        raise DatasetError(
            "evaluate", found="no data set by name", fix="give data={'ucf101': PATH}"
        )
    manifests = [_manifest(name, source) for name, source in data.items()]
    names = [manifest.dataset for manifest in manifests]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(
            f"evaluate on {', '.join(data)}", found=f"{twice[0]} twice", fix="name it once"
        )
    return manifests


def _ruled(manifest: Manifest, card_rules: str, settings: Settings) -> Manifest:
    """Bring a manifest's words under the rules asked for, else under those of the model's card."""
    if settings.words is None and card_rules == RULES:
        return manifest
    return replace(manifest, classes=with_rules(manifest.classes, settings.words or card_rules))


def _manifest(name: str, source: str | Path | Manifest) -> Manifest:
    return source if isinstance(source, Manifest) else open_dataset(name, Path(source))


def _seen_manifest(seen: Mapping[str, str | Path | Manifest] | None) -> Manifest | None:
    if not seen:
        return None
    if len(seen) > 1:
        raise DatasetError(
            f"held-out videos of {', '.join(seen)}",
            found="more than one data set",
            fix="give one, with the classes that the model was trained on",
        )
    ((name, source),) = seen.items()
    return _manifest(name, source)


def _loaded(
    model: str | Model, settings: Settings, processes: Processes
) -> tuple[Model, torch.device]:
    device = processes.device(settings.device)
    given = settings.weights or settings.model_settings
    if not isinstance(model, str) and given:
        raise ModelError(
            f"evaluate {type(model).__name__}",
            found=f"a loaded model, and weights or settings for it ({given})",
            fix="load it with them, or name it by its reference",
        )
    loaded = _load(model, settings, device) if isinstance(model, str) else model
    check_is_model(loaded, type(loaded).__name__)
    return loaded, device


def _load(reference: str, settings: Settings, device: torch.device) -> Model:
    options = LoadOptions(
        weights=settings.weights,
        vectors=settings.vectors,
        allow_approximate=settings.allow_approximate,
        device=str(device),
        settings=parse_settings(settings.model_settings),
        trust_remote_code=settings.trust_remote_code,
    )
    return load_model(reference, options=options)


def _plan(manifest: Manifest, references: Sequence[str], runner: Runner) -> Plan:
    settings, card = runner.settings, runner.model.card
    declared, by_user = declare(
        card,
        trained_on=settings.trained_on,
        pretrained_on=settings.pretrained_on,
        of=card.name,
    )
    planned = NOTHING_PLANNED
    if not settings.restrict_to_present:
        planned = plan_protocols(manifest, references, declared, vectors=settings.vectors)
    sight = look(
        declared,
        by_user,
        manifest,
        vectors=settings.vectors,
        train_manifest=settings.train_manifest,
        distractors=planned.declared,
    )
    return Plan(
        manifest=manifest,
        planned=planned,
        sight=sight,
        columns=runner.embed_columns(manifest.classes, planned.distractors),
    )


def _finish(
    plan: Plan, runner: Runner, seen: Manifest | None, progress: Progress
) -> EvaluationResult | None:
    digest = plan.sight.verdicts[0].vectors_digest
    matched = None if seen is None else match_seen(seen, plan)
    run = runner.run(plan.manifest, progress, vectors_digest=digest)
    held_out = None
    if matched is not None:
        seen_run = runner.run(matched.manifest, progress, vectors_digest=digest)
        held_out = None if seen_run is None else matched.videos(seen_run)
    if run is None:
        return None
    return build_result(
        scored_run(plan, run, held_out),
        plan.planned.protocols,
        out=runner.out,
        restricted=runner.settings.restrict_to_present,
    )
