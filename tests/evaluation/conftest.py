"""A model whose right answers are known, and folders of real videos for it."""

from __future__ import annotations

import pytest
import torch

from zsl_bench.model import ModelCard
from zsl_bench.video import ClipSpec

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
