"""How an evaluation is run: everything that is neither the model, the data nor the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict

from zsl_bench.device import DEVICES, INFERENCES
from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.video.decoders import PYAV, check_decoder

if TYPE_CHECKING:
    from pathlib import Path

PRECISIONS = ("fp32", "bf16")


class SettingsArguments(TypedDict, total=False):
    """The keyword arguments of :class:`Settings`, for callers that pass them on."""

    policy: str | None
    device: str
    batch_size: int | None
    workers: int | None
    precision: str
    inference: str
    compile: bool
    decoder: str
    weights: Path | None
    model_settings: tuple[str, ...]
    trust_remote_code: bool
    vectors: str | None
    allow_approximate: bool
    allow_unreadable: bool
    allow_partial: bool
    restrict_to_present: bool
    words: str | None
    trained_on: tuple[str, ...]
    pretrained_on: tuple[str, ...]
    train_manifest: Path | None
    keep_clips: bool
    cache: Path | None
    share: bool


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run a model over videos, and what to put up with.

    Attributes:
        policy: Clip policy; None for the model's own.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        batch_size: Clips in a batch; None to choose by device.
        workers: Processes that decode; 0 decodes in this one; None to choose by machine.
        precision: ``fp32``, or ``bf16`` for autocast.
        inference: ``fast`` for the faster form of a model that has one, ``reference`` for the
            network as it was written.
        compile: Compile the model with ``torch.compile``, on CUDA with graphs.
        decoder: ``pyav``, ``torchcodec``, or ``torchcodec-cuda`` for the decoder of a GPU, which
            works in this process whatever ``workers`` says.
        weights: Weights folder or file for a model given by name.
        model_settings: Settings of the model, each ``NAME=VALUE``, such as ``prompts=photo-of``.
        trust_remote_code: Let code that comes with downloaded weights run.
        vectors: Word-vector file or name; None for the bundled vectors.
        allow_approximate: Score with stand-ins for words without a vector.
        allow_unreadable: Put up with videos that do not decode.
        allow_partial: Put up with videos that are missing from the folder.
        restrict_to_present: Score over the classes that have a video, under the id ``custom``.
        words: Rule set that makes the classes' words; None for the card's where it is not the
            default, else the data set's own.
        trained_on: What a model whose card is silent was trained on: ``open``, ``none``, class
            sets, splits or class files.
        pretrained_on: The same for its pretraining data.
        train_manifest: Manifest of the training videos, to name those that the test set shares.
        keep_clips: Keep the vector of every clip beside the result.
        cache: Folder of a cache of clip outputs, for all models and data sets; None for none.
        share: Share the videos with the other processes that ``torchrun`` started; all of them
            call with the same arguments, and that of rank 0 gets the results.
    """

    policy: str | None = None
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    precision: str = "fp32"
    inference: str = "fast"
    compile: bool = False
    decoder: str = PYAV
    weights: Path | None = None
    model_settings: tuple[str, ...] = ()
    trust_remote_code: bool = False
    vectors: str | None = None
    allow_approximate: bool = False
    allow_unreadable: bool = False
    allow_partial: bool = False
    restrict_to_present: bool = False
    words: str | None = None
    trained_on: tuple[str, ...] = ()
    pretrained_on: tuple[str, ...] = ()
    train_manifest: Path | None = None
    keep_clips: bool = False
    cache: Path | None = None
    share: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no run can have."""
        check_decoder(self.decoder)
        if self.precision not in PRECISIONS:
            raise ZslBenchError(
                f"precision {self.precision!r}",
                found="no such precision",
                fix=near_matches(self.precision, PRECISIONS),
            )
        if self.inference not in INFERENCES:
            raise ZslBenchError(
                f"inference {self.inference!r}",
                found="no such way",
                fix=near_matches(self.inference, INFERENCES),
            )
        if self.device.split(":")[0] not in DEVICES:
            raise ZslBenchError(
                f"device {self.device!r}",
                found="no such device",
                fix=near_matches(self.device, DEVICES),
            )
        for name, value, least in (
            ("batch_size", self.batch_size, 1),
            ("workers", self.workers, 0),
        ):
            if value is not None and value < least:
                raise ZslBenchError(
                    f"{name} {value}", found="too small", fix=f"give {least} or more"
                )


class Progress(Protocol):
    """Told how a run is getting on; the command line draws a bar with it."""

    def note(self, line: str) -> None:
        """Something about the data that a person should know."""
        ...

    def start(self, dataset: str, *, total: int, done: int) -> None:
        """Videos of a data set are about to be run; ``done`` of ``total`` are there already."""
        ...

    def advance(self, videos: int) -> None:
        """That many more videos are done."""
        ...

    def keep(self, videos: int) -> None:
        """That many more videos are on disk, and a stopped run would go on behind them."""
        ...

    def finish(self) -> None:
        """The data set is done, or the run is stopping."""
        ...


class Silent:
    """A progress that says nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""

    def start(self, dataset: str, *, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, videos: int) -> None:
        """Say nothing."""

    def keep(self, videos: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
