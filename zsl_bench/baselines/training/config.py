"""Training configurations: frozen, checked, read from TOML and kept in every checkpoint.

The defaults are the paper's (section 4.4). Where the paper and its released code differ, each way
is a named option.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from zsl_bench.errors import ModelError
from zsl_bench.files import sha256_json
from zsl_bench.overlap import DEFAULT_THRESHOLD, check_threshold
from zsl_bench.video import ClipSpec, clip_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which network is trained, and from what.

    Attributes:
        family: ``e2e`` trains every weight; ``frozen`` trains only the linear layer.
        network: ``r2plus1d_18``, ``r3d_18``, ``c3d`` or ``r2plus1d_tiny``.
        weights: Where training starts: None for a random initialisation, the name of torchvision
            weights such as ``R2Plus1D_18_Weights.KINETICS400_V1``, or a weights folder or file.
        pretrained_on: What given weights have seen, where they do not say: a class list (a bundled
            name or a file), ``open`` for data that cannot be enumerated, or ``undeclared``.
        dropout: Before the linear layer; None for the network's own (0.05, C3D 0.10).
        words: Rule set of the words that stand for the classes, in training and in the audit.
        vectors: Word-vector file; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.
    """

    family: Literal["e2e", "frozen"] = "e2e"
    network: str = "r2plus1d_18"
    weights: str | None = None
    pretrained_on: str | None = None
    dropout: float | None = None
    words: Literal["brattoli2020", "plain"] = "brattoli2020"
    vectors: str | None = None
    allow_approximate: bool = False


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What is trained on.

    Attributes:
        dataset: Name of the data set, such as ``kinetics700`` or ``sun397``.
        path: Its folder, or a manifest that ``zsl-bench index`` or ``prepare`` wrote, relative to
            where the command runs.
        kind: ``videos``, or ``images`` that the Ken Burns effect turns into clips.
        list: CSV file with ``path,label[,start,end]`` rows; None to take the folder as it is.
        classes: Class list to keep: a bundled set or split such as ``tp1``, or a file; None for
            every class that is found.
        exclude: Classes to leave out, by official name.
        num_classes: How many of the classes to keep; None for all.
        num_samples: How many of their samples to keep; None for all.
        subset: How those are picked: ``random`` (uniformly, as the paper says) or ``even`` (evenly
            spaced, as the released code does).
        subset_seed: Seed of a random pick.
        max_unreadable: Share of the samples that may turn out unreadable before training stops.
    """

    dataset: str
    path: str
    kind: Literal["videos", "images"] = "videos"
    list: str | None = None
    classes: str | None = None
    exclude: tuple[str, ...] = ()
    num_classes: int | None = None
    num_samples: int | None = None
    subset: Literal["random", "even"] = "random"
    subset_seed: int = 0
    max_unreadable: float = 0.01


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Which test sets the training and pretraining classes must keep away from (paper Eqs. 3, 4).

    Attributes:
        against: Test class lists: bundled names or files.
        threshold: Cosine distance below which two classes count as one.
        remove_overlap: Leave overlapping training classes out instead of stopping.
        allow_overlap: Train although classes overlap; the weights' card says so for ever.
    """

    against: tuple[str, ...] = ("ucf101", "hmdb51")
    threshold: float = DEFAULT_THRESHOLD
    remove_overlap: bool = False
    allow_overlap: bool = False


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """What the network is handed.

    Attributes:
        frames: Frames in a clip.
        size: Side of the crop, random in training and central in evaluation, in pixels.
        short_side: What the short side of a frame is resized to before the crop, in pixels.
        resize: Resize rule; see :class:`zsl_bench.ClipSpec`.
        dtype: ``float32`` keeps unrounded levels as the released code does; ``uint8`` rounds them.
        flip: Mirror half of the training clips. Ken Burns clips are never mirrored.
        policy: Default clip policy of the trained model in evaluation.
    """

    frames: int = 16
    size: int = 112
    short_side: int = 128
    resize: Literal["brattoli2020", "scale-factor", "exact"] = "brattoli2020"
    dtype: Literal["uint8", "float32"] = "float32"
    flip: bool = True
    policy: str = "paper-25"

    @property
    def spec(self) -> ClipSpec:
        """The clip spec of the trained model."""
        return ClipSpec(
            frames=self.frames,
            size=self.size,
            short_side=self.short_side,
            resize=self.resize,
            dtype=self.dtype,
        )


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """How the weights are trained: Adam with a stepped learning rate.

    Attributes:
        loss: ``unit-l2`` (batch mean of the squared L2 distance between unit output and unit class
            vector), ``mse-released`` (the same over the vector's length, as the released code's
            mean over all numbers) or ``eq2-raw`` (paper Eq. 2 to the letter: no unit output, a sum
            over the batch).
        learning_rate: Of the first epochs.
        milestones: Epochs at which the learning rate is multiplied by ``decay``.
        decay: See ``milestones``.
        epochs: How many.
        batch_size: Clips of one replica in one step.
        accumulate: Parts that a batch is forwarded in, to fit a small GPU. Batch norm then works
            on the smaller parts.
        clip_gradient: Largest norm of the gradient; None for no limit.
        max_clips_per_epoch: Where an epoch ends early; the released code has 100,000, None is all.
    """

    loss: Literal["unit-l2", "mse-released", "eq2-raw"] = "unit-l2"
    learning_rate: float = 1e-3
    milestones: tuple[int, ...] = (60, 120)
    decay: float = 0.1
    epochs: int = 150
    batch_size: int = 22
    accumulate: int = 1
    clip_gradient: float | None = None
    max_clips_per_epoch: int | None = None

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        passed = sum(milestone <= epoch for milestone in self.milestones)
        return self.learning_rate * self.decay**passed


@dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """Which weights are kept; a test set is never looked at.

    Attributes:
        held_out: Share of the training classes that is not trained on; zero-shot accuracy on their
            samples is the validation score.
        select: ``last`` keeps the last epoch, ``best`` the epoch with the highest score.
        every: Epochs from one validation to the next; the last epoch is always validated.
        max_samples: Most samples that a validation looks at, spread over the classes.
    """

    held_out: float = 0.0
    select: Literal["last", "best"] = "last"
    every: int = 1
    max_samples: int | None = 2000


@dataclass(frozen=True, kw_only=True)
class FrozenSettings:
    """How the frozen baseline is trained.

    Attributes:
        views: Augmented views of a sample whose features are computed once.
        batch_norm: ``eval`` computes features with the running statistics and keeps them;
            ``released`` lets batch norm run on batch statistics, as the released code did, so that
            every step goes through the backbone.
    """

    views: int = 10
    batch_norm: Literal["eval", "released"] = "eval"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How the run is carried out.

    Attributes:
        seed: Of the initial weights, the order of samples, the clips and the dropout.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; under ``torchrun`` every process takes
            the GPU of its local rank.
        precision: ``fp32``, or ``bf16`` for autocast.
        channels_last: Keep clips and weights in ``channels_last_3d``.
        compile: Run the network through ``torch.compile``.
        sync_batch_norm: Batch norm over all replicas; GPUs only. The released code has it per
            replica.
        workers: Processes that decode; 0 decodes in this one, None chooses by machine.
        checkpoint_every: Steps between checkpoints; None for one at the end of every epoch only.
        keep: How many checkpoints stay.
        log_every: Steps between rows of ``metrics.csv``.
    """

    seed: int = 0
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    sync_batch_norm: bool = False
    workers: int | None = None
    checkpoint_every: int | None = None
    keep: int = 2
    log_every: int = 50


_SEEDS = 2**63
_FREE = {
    "data": ("path", "list"),
    "run": ("device", "workers", "checkpoint_every", "keep", "log_every"),
    "model": ("vectors",),
}
"""Fields that may change from a run to its resumption; what they name is compared by digest."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that a training run is told.

    Attributes:
        name: Name of the configuration, and of the model that comes out.
        description: One line on it.
        data: What is trained on.
        model: Which network, and from what.
        audit: Which test sets its classes must keep away from.
        clips: What the network is handed.
        optimiser: How the weights are trained.
        validation: Which weights are kept.
        frozen: How the frozen baseline is trained.
        run: How the run is carried out.
    """

    name: str
    data: DataSettings
    description: str = ""
    model: ModelSettings = field(default_factory=ModelSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    frozen: FrozenSettings = field(default_factory=FrozenSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        """Check every number and what belongs together.

        Raises:
            ZslBenchError: A field is out of its range, or two fields contradict each other.
        """
        if self.name in {"", ".", ".."} or "/" in self.name or not self.name.isprintable():
            raise _bad("name", repr(self.name), "give a name that can be a folder's")
        for name, value, least in _ranges(self):
            if value is not None and not value >= least:
                raise _bad(name, f"{value}", f"give {least} or more")
        for name, value in (
            ("data.max_unreadable", self.data.max_unreadable),
            ("validation.held_out", self.validation.held_out),
            ("model.dropout", self.model.dropout or 0.0),
        ):
            if not 0 <= value < 1:
                raise _bad(name, f"{value}", "give a share from 0 up to, but not including, 1")
        clip = self.optimiser.clip_gradient
        for name, value in (
            ("optimiser.learning_rate", self.optimiser.learning_rate),
            ("optimiser.decay", self.optimiser.decay),
            ("optimiser.clip_gradient", 1.0 if clip is None else clip),
        ):
            if not 0 < value < math.inf:
                raise _bad(name, f"{value}", "give a number above 0")
        self._check_together()

    def _check_together(self) -> None:
        if list(self.optimiser.milestones) != sorted(self.optimiser.milestones):
            raise _bad(
                "optimiser.milestones", f"{list(self.optimiser.milestones)}", "give them in order"
            )
        if self.run.seed >= _SEEDS:
            raise _bad("run.seed", f"{self.run.seed}", f"give less than {_SEEDS}")
        check_threshold(self.audit.threshold)
        if not self.audit.against:
            raise _bad(
                "audit.against", "no test set", "name the class lists that the model is meant for"
            )
        if self.validation.select == "best" and not self.validation.held_out:
            raise _bad(
                "validation.select", "'best' without held-out classes", "set validation.held_out"
            )
        if self.optimiser.accumulate > self.optimiser.batch_size:
            raise _bad(
                "optimiser.accumulate",
                f"{self.optimiser.accumulate} parts of a batch of {self.optimiser.batch_size}",
                "give at most as many parts as clips",
            )
        if clip_policy(self.clips.policy).frames != self.clips.spec.frames:
            raise _bad(
                "clips.policy",
                f"{self.clips.policy} for clips of {self.clips.frames} frames",
                f"give a policy with {self.clips.frames} frames a clip",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, every field named."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def identity(self) -> dict[str, Any]:
        """Return the fields that must be the same when a run is resumed."""
        content = self.to_json()
        for section, names in _FREE.items():
            content[section] = {k: v for k, v in content[section].items() if k not in names}
        return content

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over :meth:`identity`, in hex."""
        return sha256_json(self.identity())


def with_settings(config: TrainConfig, **sections: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with some fields of some sections changed.

    Args:
        config: The configuration.
        **sections: For each section the fields to change, such as ``run={"seed": 1}``.
    """
    changed = {name: replace(getattr(config, name), **new) for name, new in sections.items()}
    return replace(config, **changed)


def differences(a: TrainConfig, b: TrainConfig) -> tuple[str, ...]:
    """Return the fields, such as ``optimiser.epochs``, in which two identities differ."""
    left, right = dict(_leaves(a.identity())), dict(_leaves(b.identity()))
    return tuple(sorted(key for key in left if left[key] != right.get(key)))


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def _ranges(config: TrainConfig) -> tuple[tuple[str, float | None, float], ...]:
    data, optimiser, run = config.data, config.optimiser, config.run
    return (
        ("data.num_classes", data.num_classes, 1),
        ("data.num_samples", data.num_samples, 1),
        ("data.subset_seed", data.subset_seed, 0),
        ("optimiser.epochs", optimiser.epochs, 1),
        ("optimiser.batch_size", optimiser.batch_size, 1),
        ("optimiser.accumulate", optimiser.accumulate, 1),
        ("optimiser.max_clips_per_epoch", optimiser.max_clips_per_epoch, 1),
        ("validation.every", config.validation.every, 1),
        ("validation.max_samples", config.validation.max_samples, 1),
        ("frozen.views", config.frozen.views, 1),
        ("run.seed", run.seed, 0),
        ("optimiser.milestones", min(optimiser.milestones, default=1), 1),
        ("run.workers", run.workers, 0),
        ("run.checkpoint_every", run.checkpoint_every, 1),
        ("run.keep", run.keep, 1),
        ("run.log_every", run.log_every, 1),
    )


def _bad(name: str, found: str, fix: str) -> ModelError:
    return ModelError(f"training configuration field {name}", found=found, fix=fix)


def _plain(value: object) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
