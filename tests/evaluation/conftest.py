"""A model whose right answers are known, and folders of real videos for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from zsl_bench.model import ModelCard
from zsl_bench.video import ClipSpec

SLOW = """
import os
import time
import torch
import zsl_bench

class Slow:
    card = zsl_bench.ModelCard(
        name="slow", revision="1", policy="first-16", trained_on=(), pretrained_on=(),
        clip=zsl_bench.ClipSpec(frames=16, size=32, short_side=40),
    )

    def embed_classes(self, classes):
        return torch.tensor([[len(n), n.count("e"), 1.0] for n in classes.names])

    def embed_clips(self, clips):
        time.sleep(float(os.environ["DELAY"]))
        return clips.float().mean(dim=(1, 3, 4))

def load():
    return Slow()
"""
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
runpy.run_module("zsl_bench", run_name="__main__")
"""
COLOURS = {
    "red thing": (210, 30, 30),
    "green thing": (30, 190, 30),
    "blue thing": (30, 30, 200),
    "grey thing": (110, 110, 110),
    "yellow thing": (200, 200, 30),
}


class DiesError(RuntimeError):
    """The test's own interruption."""


class ColourModel:
    """Embeds a clip as its mean colour and a class as the colour of its name."""

    def __init__(self, **fields) -> None:
        self.card = ModelCard(
            **{
                "name": "colour",
                "clip": ClipSpec(frames=16, size=32, short_side=40),
                "policy": "paper-25",
                "revision": "1",
                "trained_on": (),
                "pretrained_on": (),
                **fields,
            }
        )
        self.clips_run = 0
        self.dies_after = None
        self.batches = []

    def embed_classes(self, classes):
        return torch.tensor([COLOURS[name] for name in classes.names]).float() - 100.0

    def embed_clips(self, clips):
        if self.dies_after is not None and self.clips_run > self.dies_after:
            raise DiesError
        self.clips_run += len(clips)
        self.batches.append(len(clips))
        return clips.float().mean(dim=(1, 3, 4)) - 100.0


@pytest.fixture
def colour_model():
    return ColourModel


@pytest.fixture
def colour_folder(tmp_path, write_video):
    """Five classes, three videos each, of different lengths."""
    folder = tmp_path / "videos"
    for name, colour in COLOURS.items():
        for number, frames in enumerate((5, 18, 40)):
            write_video(folder / name / f"clip{number}.avi", colour, frames=frames)
    return folder


@pytest.fixture(scope="session")
def start_slow_run():
    """Return a function that evaluates, in a process group of its own, a model that takes its time.

    ``DELAY`` among the variables says how many seconds a batch takes.
    """

    def start(folder, *arguments, **variables):
        (folder / "slow.py").write_text(SLOW)
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "evaluate", "--model", "py:slow:load", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start
