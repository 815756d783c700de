"""Metrics and sample sheets: what is written is there again when it is read."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zsl_bench.baselines.training.logs import MetricsLog, save_sample_sheet
from zsl_bench.errors import ResultError, ZslBenchError


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def steps(folder):
    return [int(row["step"]) for row in rows(folder)]


def test_rows_are_there_at_once_with_the_promised_columns(tmp_path):
    log = MetricsLog(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.csv").read_text() == (
        "kind,epoch,step,loss,learning_rate,clips,clips_per_second,seconds,"
        "held_out_top1,held_out_top5,unreadable,peak_memory_mb\n"
    )
    log.write(kind="step", epoch=0, step=50, loss=1.98765432, learning_rate=1e-3, clips=1100)
    log.write(kind="validation", epoch=0, step=80, held_out_top1=0.25, held_out_top5=None)
    step, validation = rows(tmp_path / "run")
    assert (step["kind"], step["epoch"], step["step"]) == ("step", "0", "50")
    assert float(step["loss"]) == 1.98765432
    assert float(step["learning_rate"]) == 0.001
    assert step["clips"] == "1100"
    assert step["seconds"] == ""
    assert validation["held_out_top1"] == "0.25"
    assert validation["held_out_top5"] == ""
    log.close()


@given(value=st.floats(width=32, allow_nan=False))
def test_a_float32_is_read_back_exactly(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("run")
    MetricsLog(folder).write(kind="step", epoch=0, step=1, loss=value)
    assert np.float32(rows(folder)[0]["loss"]) == np.float32(value)


def test_a_misspelt_metric_is_refused(tmp_path):
    with pytest.raises(TypeError, match="'lose'"):
        MetricsLog(tmp_path).write(kind="step", epoch=0, step=1, lose=1.0)
    assert rows(tmp_path) == []


def test_going_on_drops_what_came_after(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (10, 20, 30):
        log.write(kind="step", epoch=step // 20, step=step, loss=step)
    log.write(kind="epoch", epoch=1, step=30, loss=0.5)
    log.close()
    log = MetricsLog(tmp_path, resume_at=20)
    assert steps(tmp_path) == [10, 20]
    log.write(kind="step", epoch=1, step=30, loss=30)
    assert steps(tmp_path) == [10, 20, 30]


def test_beginning_anew_forgets(tmp_path):
    MetricsLog(tmp_path).write(kind="step", epoch=0, step=1)
    MetricsLog(tmp_path)
    assert rows(tmp_path) == []


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_row_cut_short_is_dropped(tmp_path, cut):
    log = MetricsLog(tmp_path)
    for step in (10, 20):
        log.write(kind="step", epoch=0, step=step, loss=1 / step)
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    MetricsLog(tmp_path, resume_at=20).write(kind="step", epoch=0, step=20, loss=0.05)
    assert steps(tmp_path) == [10, 20]
    assert [row["loss"] for row in rows(tmp_path)] == ["0.1", "0.05"]


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 50, b"\xff\xfe\n", b"step,0\nstep,0,x,,,,,,,,,\n"]
)
def test_a_log_that_is_none_does_not_stop_a_run(tmp_path, content):
    (tmp_path / "metrics.csv").write_bytes(content)
    MetricsLog(tmp_path, resume_at=5)
    assert rows(tmp_path) == []
    (tmp_path / "metrics.csv").unlink()
    MetricsLog(tmp_path, resume_at=5)
    assert rows(tmp_path) == []


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    log = MetricsLog(tmp_path)
    (tmp_path / "metrics.csv").unlink()
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(ResultError, match="go on with --resume"):
        log.write(kind="step", epoch=0, step=1)


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return {
        tag: [(event.step, event.value) for event in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_the_same_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    log = MetricsLog(tmp_path, tensorboard=True)
    for step in (1, 2, 3):
        log.write(kind="step", epoch=0, step=step, loss=1 / step, learning_rate=None)
    log.write(kind="validation", epoch=0, step=3, held_out_top1=0.5)
    log.close()
    assert events(tmp_path) == {
        "step/loss": [(step, pytest.approx(1 / step)) for step in (1, 2, 3)],
        "validation/held_out_top1": [(3, 0.5)],
    }
    log = MetricsLog(tmp_path, resume_at=1, tensorboard=True)
    log.write(kind="step", epoch=0, step=2, loss=7)
    log.close()
    assert events(tmp_path)["step/loss"] == [(1, 1.0), (2, 7.0)]


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ZslBenchError, match="extra 'tensorboard'"):
        MetricsLog(tmp_path, tensorboard=True)
    assert list(tmp_path.iterdir()) == []


def clips(count, *, frames=3, height=112, width=112):
    """Clips whose every frame is one colour of its own."""
    made = np.zeros((count, frames, 3, height, width), dtype=np.uint8)
    for clip in range(count):
        for frame in range(frames):
            made[clip, frame] = np.array([20 + clip, 100 + frame, 200])[:, None, None]
    return made


def colours(picture):
    return {tuple(colour) for colour in np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()}


def test_a_png_has_a_row_a_clip_and_a_column_a_frame(tmp_path):
    path = save_sample_sheet(tmp_path / "deep" / "sheet.png", clips(4), ["a", "b", "c", "d"])
    sheet = np.asarray(Image.open(path))
    found = [
        tuple(np.argwhere((sheet == (20 + clip, 100 + frame, 200)).all(axis=2))[0])
        for clip in range(4)
        for frame in range(3)
    ]
    tops, lefts = np.array(found).reshape(4, 3, 2).transpose(2, 0, 1)
    assert (np.diff(tops, axis=0) > 112).all()
    assert (np.diff(tops, axis=1) == 0).all()
    assert (np.diff(lefts, axis=1) >= 112).all()
    assert (np.diff(lefts, axis=0) == 0).all()
    wanted = (sheet == (22, 101, 200)).all(axis=2)
    assert wanted.sum() == 112 * 112


def test_levels_are_shown_as_they_are(tmp_path):
    levels = torch.zeros(1, 1, 3, 100, 120)
    levels[0, 0, 0] = torch.linspace(-9, 260, 120)
    levels[0, 0, 1] = 77.5001
    sheet = np.asarray(Image.open(save_sample_sheet(tmp_path / "a.png", levels, ["x"])))
    pixels = sheet[(sheet[..., 1] == 78) & (sheet[..., 2] == 0)]
    expected = np.clip(np.rint(np.linspace(-9, 260, 120, dtype=np.float32)), 0, 255)
    assert pixels.reshape(100, 120, 3)[50, :, 0].tolist() == expected.tolist()


def test_small_frames_are_enlarged_without_blurring(tmp_path):
    drawn = np.random.default_rng(1).integers(0, 2, (1, 2, 3, 16, 16), dtype=np.uint8) * 255
    sheet = np.asarray(Image.open(save_sample_sheet(tmp_path / "a.png", drawn, ["tiny"])))
    first = drawn[0, 0].transpose(1, 2, 0).repeat(6, axis=0).repeat(6, axis=1)
    windows = [sheet[top : top + 96, 6 : 6 + 96] for top in range(sheet.shape[0] - 96)]
    assert any(np.array_equal(window, first) for window in windows)


def test_a_gif_moves(tmp_path):
    path = save_sample_sheet(tmp_path / "sheet.gif", clips(5, frames=4), ["long label " * 9] * 5)
    with Image.open(path) as sheet:
        assert sheet.n_frames == 4
        assert sheet.info["duration"] == 100
        assert sheet.info["loop"] == 0
        assert sheet.width > 3 * 160
        seen = []
        for frame in range(4):
            sheet.seek(frame)
            seen.append(colours(sheet))
    for frame, found in enumerate(seen):
        near = [c for c in found if abs(c[1] - 100 - frame) <= 1 and abs(c[2] - 200) <= 4]
        assert near


@pytest.mark.parametrize("label", ["", "ü 走る", "word " * 400, "a\nb\tc", "W"])
@pytest.mark.parametrize("name", ["sheet.png", "sheet.gif"])
def test_any_caption_fits(tmp_path, label, name):
    sizes = set()
    for words in ("x", label):
        with Image.open(save_sample_sheet(tmp_path / name, clips(2), [words] * 2)) as sheet:
            sizes.add(sheet.size)
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("given", "labels", "words"),
    [
        (np.zeros((2, 3, 3, 8, 8)), ["one"], "2 clips for 1 captions"),
        (np.zeros((2, 3, 8, 8, 3)), ["one", "two"], "B, T, 3, H, W"),
        (np.zeros((3, 3, 8, 8)), ["one", "two", "three"], "B, T, 3, H, W"),
        (np.zeros((0, 3, 3, 8, 8)), [], "B, T, 3, H, W"),
    ],
)
def test_clips_of_another_shape_are_refused(tmp_path, given, labels, words):
    with pytest.raises(ValueError, match=words):
        save_sample_sheet(tmp_path / "sheet.png", given, labels)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_picture_is_refused(tmp_path):
    with pytest.raises(ResultError, match=r"give \.png or \.gif"):
        save_sample_sheet(tmp_path / "sheet.webp", clips(1), ["x"])
    assert list(tmp_path.iterdir()) == []
