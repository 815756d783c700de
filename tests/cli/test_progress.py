"""Progress: sparse lines in a pipe, a bar on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from zsl_bench.cli import progress
from zsl_bench.cli.progress import ProgressBar, TrainingBar


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines(capsys):
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()


def on_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(
        progress, "console", lambda **_: Console(file=stream, force_terminal=True, width=120)
    )
    return stream


def test_training_in_a_pipe_is_sparse(capsys, clock):
    bar = TrainingBar()
    bar.start(3, 40, epoch=0, step=0)
    for epoch in range(3):
        for _ in range(40):
            clock.now += 1
            bar.advance(clips=22, loss=2 - epoch, learning_rate=1e-3)
        bar.end_epoch(epoch, loss=1.5 - epoch / 2, held_out_top1=0.25, clips_per_second=22.0)
    bar.finish()
    assert lines(capsys) == [
        "epoch 1 of 3, step 21 of 40: loss 2.0000, 22.0 clips/s, 99 s left",
        "epoch 2 of 3, step 2 of 40: loss 1.0000, 22.0 clips/s, 78 s left",
        "epoch 2 of 3, step 23 of 40: loss 1.0000, 22.0 clips/s, 57 s left",
        "epoch 3 of 3, step 4 of 40: loss 0.0000, 22.0 clips/s, 36 s left",
        "epoch 3 of 3, step 25 of 40: loss 0.0000, 22.0 clips/s, 15 s left",
        "epoch 3 of 3 done: loss 0.5000, held-out top-1 25.0 %, 22.0 clips/s",
    ]


def test_long_epochs_get_a_line_each(capsys, clock):
    bar = TrainingBar()
    bar.start(2, 1, epoch=0, step=0)
    for epoch in range(2):
        bar.advance(clips=2, loss=None, learning_rate=1e-3)
        clock.now += 30
        bar.end_epoch(epoch, loss=1.0, held_out_top1=None, clips_per_second=0.07)
    assert [line.split(":")[0] for line in lines(capsys)] == [
        "epoch 1 of 2 done",
        "epoch 2 of 2 done",
    ]


def test_a_resumed_run_says_where_it_goes_on_and_counts_from_there(capsys, clock):
    bar = TrainingBar()
    bar.start(10, 10, epoch=8, step=9)
    clock.now += 21
    bar.advance(clips=4, loss=1.0, learning_rate=1e-3)
    assert lines(capsys) == [
        "going on at epoch 9 of 10, step 10 of 10",
        "epoch 9 of 10, step 10 of 10: loss 1.0000, 5.2 s a clip, 3.5 min left",
    ]


def test_features_are_counted_and_end_when_training_starts(capsys, clock):
    bar = TrainingBar()
    bar.features(0, 100)
    clock.now += 25
    bar.features(50, 100)
    clock.now += 1
    bar.features(75, 100)
    bar.features(100, 100)
    bar.start(1, 1, epoch=0, step=0)
    bar.advance(clips=1, loss=1.0, learning_rate=1.0)
    assert lines(capsys) == [
        "features: 50 of 100, 2.0 features/s",
        "features: 100 of 100, 3.8 features/s",
    ]


def test_training_on_a_terminal_shows_a_bar(monkeypatch, clock):
    stream = on_a_terminal(monkeypatch)
    bar = TrainingBar()
    bar.features(0, 10)
    bar.features(10, 10)
    bar.start(2, 3, epoch=0, step=0)
    for _ in range(5):
        clock.now += 0.5
        bar.advance(clips=11, loss=1.25, learning_rate=1e-3)
    bar.note("a line")
    bar.finish()
    shown = stream.getvalue()
    assert "features" in shown
    assert "epoch 2 of 2" in shown
    assert "5/6" in shown
    assert "loss 1.2500, 22.0 clips/s" in shown
    assert "a line" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0


def test_videos_in_a_pipe(capsys, clock, tmp_path):
    bar = ProgressBar()
    bar.start("ucf101", total=100, done=10)
    assert bar.stopped(tmp_path) == (
        f"stopped; 10 of 100 videos of ucf101 are kept under {tmp_path / 'vectors'}, "
        "and the same command goes on from there"
    )
    for _ in range(9):
        clock.now += 5
        bar.advance(10)
    bar.finish()
    assert lines(capsys) == [
        "ucf101: the vectors of 10 of 100 videos are there from before",
        "ucf101: 60 of 100 videos, 2.0 videos/s, 20 s left",
        "ucf101: 100 of 100 videos, 2.0 videos/s",
    ]


def test_videos_on_a_terminal(monkeypatch, clock):
    stream = on_a_terminal(monkeypatch)
    bar = ProgressBar()
    bar.start("ucf101", total=4, done=0)
    clock.now += 1
    bar.advance(3)
    bar.keep(3)
    bar.finish()
    assert "3/4" in stream.getvalue()
    assert "3.0 videos/s" in stream.getvalue()


def test_nothing_kept_is_said(tmp_path):
    bar = ProgressBar()
    bar.start("ucf101", total=4, done=0)
    assert bar.stopped(tmp_path) == "stopped; nothing was finished yet"
