"""Several processes share a run: in this process one after another, then as one works alone."""

from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.errors import ModelError, VideoError
from zsl_bench.evaluation import evaluate
from zsl_bench.files import read_json


@pytest.fixture
def as_rank(monkeypatch):
    """Make this process one of several."""

    def become(rank: int, size: int = 2) -> None:
        for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
            monkeypatch.setenv(name, str(value))

    return become


class Counts:
    """A progress that adds up what it is told."""

    def __init__(self) -> None:
        self.total = self.before = self.done = self.kept = self.finished = 0

    def note(self, line: str) -> None:
        pass

    def start(self, dataset: str, *, total: int, done: int) -> None:
        assert dataset
        self.total, self.before = total, done

    def advance(self, videos: int) -> None:
        self.done += videos

    def keep(self, videos: int) -> None:
        self.kept += videos

    def finish(self) -> None:
        self.finished += 1


def run(model, data, out, **more):
    """Evaluate with blocks of one video: 25 clips fill more than 8 batches of 2."""
    more = {"share": True, "batch_size": 2, "workers": 0, **more}
    return evaluate(model, data={"colours": data}, protocols="full", out=out, **more)


def arrays(out) -> dict[str, np.ndarray]:
    (path,) = out.glob("*.npz")
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def assert_same(one, other) -> None:
    first, second = arrays(one), arrays(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.tobytes() == second[name].tobytes(), name


def test_a_helper_writes_vectors_and_no_result(colour_model, colour_folder, tmp_path, as_rank):
    model = colour_model()
    as_rank(1)
    assert run(model, colour_folder, tmp_path / "out") == []
    assert model.clips_run
    assert not list((tmp_path / "out").glob("*.*"))
    assert len(list((tmp_path / "out").glob("vectors/*/*.npz"))) == 15
    assert not list((tmp_path / "out").glob("vectors/*/claims/*")), "all is given up"


def test_the_first_process_merges_what_the_others_did(
    colour_model, colour_folder, tmp_path, as_rank
):
    alone = run(colour_model(), colour_folder, tmp_path / "alone", share=False)
    as_rank(2, 3)
    run(colour_model(), colour_folder, tmp_path / "out")
    model, counts = colour_model(), Counts()
    as_rank(0, 3)
    (result,) = run(model, colour_folder, tmp_path / "out", progress=counts)
    assert model.clips_run == 0
    assert (counts.total, counts.before, counts.done) == (15, 15, 0)
    assert result.identity == alone[0].identity
    assert result.scores == alone[0].scores
    assert result.environment["processes"] == 3
    assert "processes" not in alone[0].environment
    assert_same(tmp_path / "out", tmp_path / "alone")


def test_half_done_work_is_shared(colour_model, colour_folder, tmp_path, as_rank):
    whole = colour_model()
    alone = run(whole, colour_folder, tmp_path / "alone", share=False, keep_clips=True)
    helper = colour_model()
    helper.dies_after = whole.clips_run // 2
    as_rank(1)
    with pytest.raises(Exception, match="Dies"):
        run(helper, colour_folder, tmp_path / "out", keep_clips=True)
    assert not list((tmp_path / "out").glob("vectors/*/claims/*")), "also after an error"
    model, counts = colour_model(), Counts()
    as_rank(0)
    (result,) = run(model, colour_folder, tmp_path / "out", keep_clips=True, progress=counts)
    assert 0 < model.clips_run < whole.clips_run
    assert counts.before
    assert counts.before + counts.done == counts.before + counts.kept == 15
    assert counts.finished == 1
    assert result.scores == alone[0].scores
    assert_same(tmp_path / "out", tmp_path / "alone")


def test_without_share_a_process_works_alone(colour_model, colour_folder, tmp_path, as_rank):
    as_rank(1)
    (result,) = run(colour_model(), colour_folder, tmp_path / "out", share=False)
    assert "processes" not in result.environment


def test_one_process_is_alone_also_when_it_shares(colour_model, colour_folder, tmp_path, as_rank):
    as_rank(0, 1)
    assert len(run(colour_model(revision=None), colour_folder, None)) == 1


def test_two_data_sets_are_shared_one_after_the_other(
    colour_model, colour_folder, tmp_path, as_rank
):
    data = {"colours": colour_folder, "hues": colour_folder}
    more = {"protocols": "full", "out": tmp_path, "share": True, "workers": 0}
    as_rank(1)
    assert evaluate(colour_model(), data=data, **more) == []
    as_rank(0)
    model = colour_model()
    assert len(evaluate(model, data=data, **more)) == 2
    assert model.clips_run == 0


def test_what_is_unreadable_is_told_by_the_first(colour_model, colour_folder, tmp_path, as_rank):
    (colour_folder / "red thing" / "clip0.avi").write_bytes(b"RIFF, then nothing")
    as_rank(1)
    assert run(colour_model(), colour_folder, tmp_path / "out") == []
    as_rank(0)
    with pytest.raises(VideoError, match=r"1 of 15 videos are unreadable: .*clip0"):
        run(colour_model(), colour_folder, tmp_path / "out")
    (result,) = run(colour_model(), colour_folder, tmp_path / "out", allow_unreadable=True)
    assert read_json(next((tmp_path / "out").glob("*.json")), what="result")
    assert result.environment["processes"] == 2


def test_a_video_that_one_machine_cannot_read_is_run_by_the_first(
    colour_model, colour_folder, tmp_path, as_rank, monkeypatch
):
    from zsl_bench.errors import VideoError as Unreadable
    from zsl_bench.evaluation import loading

    def fails(*_args, **_more):
        raise Unreadable("read a video", found="no codec here", fix="install it")

    alone = run(colour_model(), colour_folder, tmp_path / "alone", share=False)
    as_rank(1)
    with monkeypatch.context() as patched:
        patched.setattr(loading, "load_clips", fails)
        assert run(colour_model(), colour_folder, tmp_path / "out") == []
    as_rank(0)
    (result,) = run(colour_model(), colour_folder, tmp_path / "out")
    assert result.scores == alone[0].scores


@pytest.mark.parametrize(
    ("revision", "folder"), [(None, "out"), ("1", None)], ids=["no revision", "no folder"]
)
def test_what_keeps_nothing_cannot_be_shared(
    colour_model, colour_folder, tmp_path, as_rank, revision, folder
):
    as_rank(0)
    model = colour_model(revision=revision)
    says = "neither weights nor a revision" if folder else "no folder for results"
    with pytest.raises(ModelError, match=f"colour in 2 processes: .*{says}"):
        run(model, colour_folder, tmp_path / folder if folder else None)
    assert model.clips_run == 0
