"""The decoder of a run: what it changes, and what a result says of it."""

from __future__ import annotations

import pytest

from zsl_bench import evaluate
from zsl_bench.errors import ZslBenchError
from zsl_bench.evaluation import loading
from zsl_bench.evaluation.runner import Runner
from zsl_bench.video import decoder_id, load_clips
from zsl_bench.video.decoders import TORCHCODEC, TORCHCODEC_CUDA

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
