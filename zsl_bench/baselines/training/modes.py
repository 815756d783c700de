"""Evaluation mode for a while, and the signals that ask a run to stop."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode for a while; afterwards every part is as it was."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class Stop:
    """Whether somebody asked the run to stop.

    Attributes:
        signal: ``SIGINT`` or ``SIGTERM``; None while nobody has.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal; a second Ctrl-C stops at once.

        Raises:
            KeyboardInterrupt: It is the second Ctrl-C.
        """
        if number == self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


@contextmanager
def stop_signals(stop: Stop) -> Iterator[None]:
    """Hear Ctrl-C and SIGTERM for a while, so that a step and its checkpoint come to their end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, stop.hear) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
