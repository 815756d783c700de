"""The decoder of a run: what it changes, and what a result says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zsl_bench import evaluate
from zsl_bench.errors import ZslBenchError
from zsl_bench.evaluation import loading
from zsl_bench.evaluation.runner import Runner
from zsl_bench.evaluation.settings import Silent
from zsl_bench.video import decoder_id, load_clips
from zsl_bench.video.decoders import TORCHCODEC, TORCHCODEC_CUDA
from zsl_bench.workers import Machine

COLOURS = {"red thing": (210, 30, 30), "green thing": (30, 190, 30), "blue thing": (30, 30, 200)}


@pytest.fixture
def folder(tmp_path, write_video):
    for name, colour in COLOURS.items():
        for number, frames in enumerate((18, 40)):
            path = tmp_path / "videos" / name / f"{number}.mp4"
            write_video(path, colour, frames=frames, codec="libx264")
    return tmp_path / "videos"


def run(model, folder, **settings):
    (result,) = evaluate(model, data={"colours": folder}, protocols=["full"], **settings)
    return result


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_with_torchcodec_says_so(workers, colour_model, folder):
    try:
        named = decoder_id(TORCHCODEC)
    except ZslBenchError as error:
        pytest.skip(str(error))
    plain = run(colour_model(), folder, workers=workers)
    other = run(colour_model(), folder, workers=workers, decoder=TORCHCODEC)
    assert plain.identity["decoder"] == decoder_id()
    assert other.identity["decoder"] == named
    for one, two in zip(plain.scores.values(), other.scores.values(), strict=True):
        assert one["mean"] == two["mean"]


class Notes(Silent):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("cached", [False, True])
def test_videos_that_fell_back_are_counted_and_told(
    cached, colour_model, folder, tmp_path, monkeypatch, write_video
):
    from zsl_bench.evaluation import identity

    def load(path, policy, spec, *, decoder, **segment):
        clips = load_clips(path, policy, spec, **segment)
        return replace(clips, decoder=decoder) if path.parent.name == "red thing" else clips

    monkeypatch.setattr(identity, "decoder_id", lambda decoder: f"{decoder} 1")
    monkeypatch.setattr(loading, "load_clips", load)
    given = {"decoder": TORCHCODEC, "workers": 1, "cache": tmp_path / "cache" if cached else None}
    notes = Notes()
    result = run(colour_model(), folder, out=tmp_path / "out", progress=notes, **given)
    assert result.environment["decoded_by_this_process"] == {"pyav": 4, TORCHCODEC: 2}
    assert [line for line in notes.lines if "decoded by" in line] == [
        "4 of 6 videos were decoded by pyav, not torchcodec"
    ]
    again = run(colour_model(), folder, out=tmp_path / "out", progress=notes, **given)
    assert again.environment["decoded_by_this_process"] == {}
    plain = run(colour_model(), folder, workers=0, progress=notes)
    assert "decoded_by_this_process" not in plain.environment
    assert len([line for line in notes.lines if "decoded by" in line]) == 1


def test_a_shortage_of_shared_memory_is_told_once(colour_model, folder, monkeypatch):
    tight = Machine(processors=8, shared=1000)
    monkeypatch.setattr(Machine, "here", staticmethod(lambda: tight))
    notes, model = Notes(), colour_model()
    results = evaluate(
        model, data={"one": folder, "two": folder}, protocols=["full"], progress=notes
    )
    assert [result.environment["workers"] for result in results] == [0] * len(results)
    told = [line for line in notes.lines if line.startswith("decoding in one process")]
    assert len(told) == 1
    assert "--shm-size" in told[0]


def test_the_setting_reaches_the_loader(colour_model, folder, monkeypatch):
    asked = []

    def load(path, policy, spec, *, decoder, **segment):
        asked.append(decoder)
        return load_clips(path, policy, spec, **segment)

    monkeypatch.setattr(loading, "load_clips", load)
    run(colour_model(), folder, workers=0)
    assert set(asked) == {"pyav"}


def test_the_decoder_of_a_gpu_works_in_the_process_itself(colour_model, folder, monkeypatch):
    from zsl_bench.evaluation import identity

    seen = []
    plain = Runner._vectors

    def watched(self, *arguments, workers, **named):
        seen.append(workers)
        return plain(self, *arguments, workers=workers, **named)

    def load(path, policy, spec, *, decoder, **segment):
        assert decoder == TORCHCODEC_CUDA
        return load_clips(path, policy, spec, **segment)

    monkeypatch.setattr(identity, "decoder_id", lambda decoder: f"{decoder} 1")
    monkeypatch.setattr(loading, "load_clips", load)
    monkeypatch.setattr(Runner, "_vectors", watched)
    result = run(colour_model(), folder, workers=3, decoder=TORCHCODEC_CUDA)
    assert seen == [0]
    assert result.identity["decoder"] == f"{TORCHCODEC_CUDA} 1"


def test_a_decoder_that_is_missing_stops_the_run_at_once(colour_model, folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ZslBenchError, match="decoder 'torchcodec-cuda'"):
        run(colour_model(), folder, decoder=TORCHCODEC_CUDA)
