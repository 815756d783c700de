"""Where the runs of a study are, and which are done.

A run has a folder of its own, named after its id and a digest of all that it is told. Another
configuration is another digest, and so another folder: nothing that was made under other settings
is ever taken for it. What is done is read off the weights and the results themselves, whoever made
them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.training.config_files import config_from_json, load_config
from zsl_bench.errors import ResultError, ZslBenchError
from zsl_bench.files import atomic_write, read_json, sha256_json, write_json
from zsl_bench.protocols.catalogue import load_definition
from zsl_bench.protocols.recipes import RECIPES
from zsl_bench.results import load_result
from zsl_bench.video import clip_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.results import EvaluationResult
    from zsl_bench.workflows.studies.config import Evaluation
    from zsl_bench.workflows.studies.plan import Run, StudyPlan

RUNS_FOLDER, WEIGHTS, RESULTS, FAILURE = "runs", "weights", "results", "failure.json"
_CARD, _CONFIG, _STAMP, _TENSORS = (
    "card.json",
    "config.json",
    "weights-state.json",
    "model.safetensors",
)
_DIGITS = 10
_RECIPE = {"brattoli-half": "half", "brattoli-full": "full"}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A run with its place and its training configuration.

    Attributes:
        run: The run.
        number: Its place in the plan, from 1.
        digest: SHA-256 of all that its training is told, in hex.
        folder: Where it is kept.
        config: Its training configuration; None where nothing is trained.
        weights: The weights that are evaluated; None for a model given by its reference.
        reference: The model that is evaluated, as ``zsl-bench evaluate --model`` takes it.
        upstream: The run whose weights it starts from, or None.
    """

    run: Run
    number: int
    digest: str
    folder: Path
    config: TrainConfig | None
    weights: Path | None
    reference: str
    upstream: Task | None

    @property
    def results(self) -> Path:
        """The folder of its result files."""
        return self.folder / RESULTS

    def is_trained(self) -> bool:
        """Say whether its weights are there, made under this very configuration."""
        if self.config is None:
            return self.upstream is None or self.upstream.is_trained()
        training = self.training()
        if not training:
            return False
        try:
            then = config_from_json(training.get("config", {}), asked=f"weights {self.weights}")
        except ZslBenchError:
            return False
        return _digest(self.run, then, self.upstream) == self.digest

    def training(self) -> dict[str, Any]:
        """Return what the weights say of their training; empty where they are not there."""
        if self.weights is None or not (self.weights / _CONFIG).is_file():
            return {}
        try:
            card = read_json(self.weights / _CARD, what="card of the weights")
        except ZslBenchError:
            return {}
        training = card.get("training") if isinstance(card, dict) else None
        return training if isinstance(training, dict) else {}

    def missing(self) -> tuple[tuple[Evaluation, str], ...]:
        """Return the evaluations, each with a test set, that have no result yet."""
        found = self.found()
        return tuple(
            (evaluation, dataset)
            for evaluation in self.run.evaluations
            for dataset in evaluation.data
            if (evaluation.name, dataset) not in found
        )

    def found(self) -> dict[tuple[str, str], Path]:
        """Return the result file of each evaluation, by its name, and test set."""
        if not self.results.is_dir() or not self.is_trained():
            return {}
        state = None if self.weights is None else weights_state(self.weights, self.folder)
        results = [(path, _readable(path)) for path in sorted(self.results.glob("*.json"))]
        found: dict[tuple[str, str], Path] = {}
        for evaluation in self.run.evaluations:
            for dataset in evaluation.data:
                wanted = _Wanted(self, evaluation, dataset, state)
                paths = [path for path, result in results if result and wanted.is_met_by(result)]
                if paths:
                    found[evaluation.name, dataset] = paths[0]
        return found

    def is_done(self) -> bool:
        """Say whether the weights and every result are there."""
        return self.is_trained() and not self.missing()

    def failure(self) -> dict[str, Any] | None:
        """Return the record of the last attempt, where it failed."""
        path = self.folder / FAILURE
        if not path.is_file():
            return None
        try:
            record = read_json(path, what="record of a failure")
        except ZslBenchError:
            return None
        return record if isinstance(record, dict) else None


def tasks_of(plan: StudyPlan) -> tuple[Task, ...]:
    """Give every run of a plan its place and its configuration.

    Raises:
        ZslBenchError: A training configuration is unknown, or an override does not fit.
    """
    tasks: dict[str, Task] = {}
    for number, run in enumerate(plan.runs, start=1):
        upstream = tasks[run.weights_from] if run.weights_from else None
        config = None
        if run.config is not None:
            config = load_config(run.config, overrides=overrides_of(plan, run, upstream))
        digest = _digest(run, config, upstream)
        folder = plan.config.out / RUNS_FOLDER / f"{run.id}-{digest[:_DIGITS]}"
        weights = folder / WEIGHTS if config else upstream.weights if upstream else None
        tasks[run.id] = Task(
            run=run,
            number=number,
            digest=digest,
            folder=folder,
            config=config,
            weights=weights,
            reference=f"path:{weights}" if weights else str(run.model),
            upstream=upstream,
        )
    return tuple(tasks.values())


def overrides_of(plan: StudyPlan, run: Run, upstream: Task | None) -> tuple[str, ...]:
    """Return all settings of a run's training: a name, its own, and where it begins."""
    found = [f"name={plan.config.name}-{run.id}", *run.overrides]
    if run.class_list is not None:
        found.append(f"data.classes={run.class_list.path(plan.config.out)}")
    if upstream is not None:
        found.append(f"model.weights={upstream.weights}")
    return tuple(found)


def write_class_lists(plan: StudyPlan) -> None:
    """Write the class lists that runs train on.

    Raises:
        ResultError: The study's folder cannot be written.
    """
    for run in plan.runs:
        if run.class_list is None:
            continue
        path = run.class_list.path(plan.config.out)
        if not path.exists():
            with atomic_write(path) as stream:
                stream.write(run.class_list.text.encode())


def weights_state(weights: Path, folder: Path) -> str:
    """Return what a result's identity calls the weights of a folder.

    Reading them takes long, so it is written down beside the digest that the weights carry.

    Args:
        weights: The weights folder.
        folder: Where to write it down.

    Raises:
        ZslBenchError: The weights are damaged.
    """
    content = read_json(weights / _CONFIG, what="configuration of the weights")
    tensors = str(content.get("sha256", {}).get(_TENSORS))
    stamp = folder / _STAMP
    if stamp.is_file():
        told = read_json(stamp, what="digest of the weights")
        if isinstance(told, dict) and told.get(_TENSORS) == tensors:
            return str(told.get("state"))
    from zsl_bench.model_digest import state_digest
    from zsl_bench.state_files import read_tensors

    state = state_digest(read_tensors(weights / _TENSORS)[0])
    with suppress(ResultError):  # a folder that others share may be one to read only
        write_json(stamp, {_TENSORS: tensors, "state": state})
    return state


@dataclass(frozen=True)
class _Wanted:
    """What a result must be of."""

    task: Task
    evaluation: Evaluation
    dataset: str
    state: str | None

    def is_met_by(self, result: EvaluationResult) -> bool:
        identity, evaluation = result.identity, self.evaluation
        policy = evaluation.policy
        if policy is None and self.task.config is not None:
            policy = self.task.config.clips.policy
        checks = (
            identity.get("manifest", {}).get("dataset") == self.dataset,
            policy is None or identity.get("clip_policy") == clip_policy(policy).name,
            identity.get("precision") == evaluation.settings.get("precision", "fp32"),
            self.state is None or identity["model"].get("weights") == self.state,
            all(protocol_in(result.scores, one) for one in evaluation.protocols),
        )
        return all(checks)


def protocol_in(scores: Mapping[str, Any], reference: str) -> str | None:
    """Return the id under which a result has a protocol, or None.

    Args:
        scores: The scores by protocol id.
        reference: A protocol id, alias or recipe.

    Raises:
        ProtocolError: There is no such protocol.
    """
    known = reference if reference in RECIPES else str(load_definition(reference)["id"])
    if known in scores:
        return known
    recipe = known if known in RECIPES else _RECIPE.get(known)
    if recipe is None or (reference == known and known not in RECIPES):
        return None
    return next((name for name in scores if name.startswith(f"{recipe}@")), None)


def _digest(run: Run, config: TrainConfig | None, upstream: Task | None) -> str:
    """Return the SHA-256 of what a run is told, the study's own folder left out."""
    if config is None:
        return sha256_json({"model": run.model, "upstream": upstream and upstream.digest})
    content = config.identity()
    if run.class_list is not None:
        content["data"]["classes"] = Path(content["data"]["classes"] or "").name
    if upstream is not None:
        content["model"]["weights"] = Path(content["model"]["weights"] or "").parent.name
    return sha256_json(content)


def _readable(path: Path) -> EvaluationResult | None:
    try:
        return load_result(path)
    except ZslBenchError:
        return None
