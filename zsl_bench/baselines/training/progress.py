"""What a training run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class TrainProgress(Protocol):
    """Hears how a run goes; the command line shows it."""

    def note(self, line: str) -> None:
        """Hear a line about the run."""

    def start(self, epochs: int, steps: int, *, epoch: int, step: int) -> None:
        """Hear how long the run is and where it begins.

        Args:
            epochs: Epochs in all.
            steps: Steps of one epoch.
            epoch: Epochs finished before.
            step: Steps of the next epoch finished before.
        """

    def advance(self, *, clips: int, loss: float | None, learning_rate: float) -> None:
        """Hear that a step is done.

        Args:
            clips: Clips of all replicas in the step.
            loss: Of the batch; None where it has not been looked at.
            learning_rate: Of the step.
        """

    def end_epoch(
        self, epoch: int, *, loss: float, held_out_top1: float | None, clips_per_second: float
    ) -> None:
        """Hear that an epoch is done.

        Args:
            epoch: Counted from 0.
            loss: Mean over the epoch.
            held_out_top1: Zero-shot accuracy on the held-out training classes, where it was taken.
            clips_per_second: Over the epoch.
        """

    def features(self, done: int, total: int) -> None:
        """Hear how many features of the frozen baseline are computed."""

    def finish(self) -> None:
        """Hear that the run has ended, whole or stopped."""


class Quiet:
    """Says nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""

    def start(self, epochs: int, steps: int, *, epoch: int, step: int) -> None:
        """Say nothing."""

    def advance(self, *, clips: int, loss: float | None, learning_rate: float) -> None:
        """Say nothing."""

    def end_epoch(
        self, epoch: int, *, loss: float, held_out_top1: float | None, clips_per_second: float
    ) -> None:
        """Say nothing."""

    def features(self, done: int, total: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
