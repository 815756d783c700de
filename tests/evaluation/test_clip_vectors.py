"""The vectors of clips that an evaluation keeps: pooled again, resumed, written, refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench import evaluate
from zsl_bench.assessment.array_file import Rows, write_arrays
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import ResultError
from zsl_bench.evaluation import Silent
from zsl_bench.evaluation.batching import Batching, ClipBatcher, pool
from zsl_bench.evaluation.loading import VideoDataset
from zsl_bench.evaluation.run import run_videos
from zsl_bench.evaluation.store import VectorStore, VideoVectors
from zsl_bench.files import sha256_file
from zsl_bench.video import clip_policy, load_clips


def run(model, folder, out, *, keep, pooling="mean", batch_size=4, key="k" * 24, block=2):
    """Run a model over a folder as an evaluation does, and return its store and its vectors."""
    manifest = open_dataset("colours", folder)
    dataset = VideoDataset(manifest, clip_policy(model.card.policy), model.card.clip)
    batcher = ClipBatcher(
        model.embed_clips,
        Batching(batch_size=batch_size, device=torch.device("cpu")),
        pooling=pooling,
        keep_clips=keep,
    )
    stamps = [video.id for video in manifest.videos]
    store = VectorStore(out, key, stamps=stamps, block=block, keep_clips=keep)
    return manifest, run_videos(dataset, batcher, store, workers=0, progress=Silent())


def videos_of(clips):
    """Split kept clips by video, with a loop."""
    rows, found, start = clips.vectors.stacked(), [], 0
    for count in clips.counts.tolist():
        found.append((rows[start : start + count], clips.weights[start : start + count]))
        start += count
    assert start == len(rows) == len(clips.weights)
    return found


@pytest.mark.parametrize(
    ("batch_size", "pooling"), [(1, "mean"), (4, "mean-of-unit"), (64, "mean")]
)
def test_pooling_the_kept_clips_gives_the_pooled_vectors_bit_for_bit(
    colour_model, colour_folder, tmp_path, pooling, batch_size
):
    _, vectors = run(
        colour_model(), colour_folder, tmp_path, keep=True, pooling=pooling, batch_size=batch_size
    )
    again = [
        pool(rows.astype(np.float64), weights.astype(np.float64), pooling)
        for rows, weights in videos_of(vectors.clips)
    ]
    assert np.array_equal(np.stack(again).astype(np.float32), vectors.vectors)
    assert vectors.clips.weights.dtype == vectors.clips.counts.dtype == np.int64


def test_kept_clips_are_the_models_output_on_each_distinct_clip(
    colour_model, colour_folder, tmp_path
):
    model = colour_model()
    manifest, vectors = run(model, colour_folder, tmp_path, keep=True)
    policy = clip_policy(model.card.policy)
    kept = videos_of(vectors.clips)
    assert len(kept) == len(manifest.videos) == 15
    for video, (rows, weights) in zip(manifest.videos, kept, strict=True):
        clips = load_clips(manifest.resolve(video), policy, model.card.clip)
        assert weights.tolist() == clips.weights.tolist()
        assert weights.sum() == 25
        expected = [
            model.embed_clips(torch.from_numpy(clip[None]))[0].numpy() for clip in clips.assemble()
        ]
        assert rows == pytest.approx(np.stack(expected), rel=1e-5)


def test_keeping_clips_changes_no_pooled_vector_and_no_plain_block(
    colour_model, colour_folder, tmp_path
):
    _, plain = run(colour_model(), colour_folder, tmp_path / "plain", keep=False)
    _, kept = run(colour_model(), colour_folder, tmp_path / "kept", keep=True)
    assert plain.clips is None
    assert np.array_equal(plain.vectors, kept.vectors)
    for block in (tmp_path / "plain").rglob("*.npz"):
        with np.load(block) as arrays:
            assert sorted(arrays) == ["readable", "reasons", "vectors"]


def test_blocks_without_clips_are_no_hit_and_blocks_with_them_serve_all(
    colour_model, colour_folder, tmp_path
):
    run(colour_model(), colour_folder, tmp_path, keep=False)
    model = colour_model()
    _, first = run(model, colour_folder, tmp_path, keep=True)
    assert model.clips_run == 5 * (1 + 3 + 25), "all of it again"
    for keep in (True, False):
        model = colour_model()
        _, again = run(model, colour_folder, tmp_path, keep=keep)
        assert model.clips_run == 0
        assert np.array_equal(again.vectors, first.vectors)
        assert (again.clips is not None) is keep
    assert np.array_equal(
        first.clips.vectors.stacked(), _again(colour_model, colour_folder, tmp_path)
    )


def _again(colour_model, folder, out):
    _, vectors = run(colour_model(), folder, out, keep=True)
    return vectors.clips.vectors.stacked()


def test_a_stopped_run_goes_on_with_the_same_clips(colour_model, colour_folder, tmp_path):
    _, whole = run(colour_model(), colour_folder, tmp_path / "whole", keep=True)
    mortal = colour_model()
    mortal.dies_after = 60
    with pytest.raises(RuntimeError):
        run(mortal, colour_folder, tmp_path / "out", keep=True)
    blocks = len(list((tmp_path / "out").rglob("*.npz")))
    assert 1 <= blocks < 8
    model = colour_model()
    _, resumed = run(model, colour_folder, tmp_path / "out", keep=True)
    assert 0 < model.clips_run < 145
    assert np.array_equal(resumed.clips.vectors.stacked(), whole.clips.vectors.stacked())
    assert np.array_equal(resumed.clips.weights, whole.clips.weights)
    assert np.array_equal(resumed.vectors, whole.vectors)


def test_clips_of_finished_blocks_stay_on_disk(colour_model, colour_folder, tmp_path):
    _, vectors = run(colour_model(), colour_folder, tmp_path, keep=True)
    assert len(vectors.clips.vectors.parts) == 8
    (block, *_) = sorted(tmp_path.rglob("*.npz"))
    block.write_bytes(block.read_bytes()[:200])
    with pytest.raises(ResultError, match="gone or damaged since it was written"):
        vectors.clips.vectors.stacked()


def test_without_a_folder_no_clips_are_kept_and_without_a_key_they_are_in_memory(
    colour_model, colour_folder, tmp_path
):
    _, vectors = run(colour_model(), colour_folder, None, keep=True)
    assert vectors.clips is None
    _, vectors = run(colour_model(), colour_folder, tmp_path / "out", keep=True, key=None)
    assert not (tmp_path / "out").exists()
    assert len(vectors.clips.vectors.stacked()) == 5 * (1 + 3 + 25)


def test_unreadable_videos_have_no_clips(colour_model, colour_folder, tmp_path):
    for path in list((colour_folder / "red thing").iterdir()):
        path.write_text("no video")
    (colour_folder / "blue thing" / "clip1.avi").write_text("no video")
    _, vectors = run(colour_model(), colour_folder, tmp_path, keep=True, block=3)
    assert vectors.readable.sum() == len(vectors.clips.counts) == len(vectors.vectors) == 11
    model = colour_model()
    _, again = run(model, colour_folder, tmp_path, keep=True, block=3)
    assert model.clips_run == 0, "a block without a readable video is a hit as well"
    assert again.clips.counts.tolist() == vectors.clips.counts.tolist()


def test_all_unreadable_videos_leave_nothing_to_keep(colour_model, tmp_path):
    for name in ("red thing", "blue thing"):
        (tmp_path / "v" / name).mkdir(parents=True)
        (tmp_path / "v" / name / "a.avi").write_text("no video")
    _, vectors = run(colour_model(), tmp_path / "v", tmp_path / "out", keep=True)
    assert vectors.clips is None
    assert vectors.vectors.shape == (0, 0)


@pytest.mark.parametrize("damage", ["counts", "weights", "rows", "videos"])
def test_a_block_whose_clips_do_not_add_up_is_no_hit(tmp_path, damage):
    arrays = {
        "readable": np.array([True, True]),
        "vectors": np.ones((2, 3), np.float32),
        "reasons": np.frombuffer(b"{}", dtype=np.uint8),
        "clip_vectors": np.ones((5, 3), np.float32),
        "clip_weights": np.ones(5, np.int64),
        "clip_counts": np.array([2, 3]),
    }
    path = tmp_path / "block.npz"
    np.savez(path, **arrays)
    assert VideoVectors.from_file(path, clips=True) is not None
    broken = {
        "counts": {"clip_counts": np.array([2, 2])},
        "weights": {"clip_weights": np.ones(4, np.int64)},
        "rows": {"clip_vectors": np.ones(5, np.float32)},
        "videos": {"clip_counts": np.array([5])},
    }[damage]
    np.savez(path, **{**arrays, **broken})
    assert VideoVectors.from_file(path, clips=True) is None
    assert VideoVectors.from_file(path) is not None, "a run that wants no clips reads none"


def test_an_evaluation_writes_them_beside_its_vectors_and_keeps_its_identity(
    colour_model, colour_folder, tmp_path
):
    """From the files of two runs: the same identity and vectors, and clips that pool to them."""
    files = {}
    for keep in (False, True):
        out = tmp_path / str(keep)
        (result,) = evaluate(
            colour_model(pooling="mean-of-unit"),
            data={"colours": colour_folder},
            out=out,
            workers=0,
            keep_clips=keep,
        )
        assert sha256_file(out / result.arrays["file"]) == result.arrays["sha256"]
        with np.load(out / result.arrays["file"], allow_pickle=False) as arrays:
            files[result.sha256, keep] = {name: arrays[name] for name in arrays.files}
    ((plain_id, _), plain), ((kept_id, _), kept) = files.items()
    assert plain_id == kept_id
    assert kept.keys() - plain.keys() == {"clip_vectors", "clip_weights", "clip_counts"}
    assert all(np.array_equal(kept[name], array) for name, array in plain.items())
    start = 0
    for vector, count in zip(kept["video_vectors"], kept["clip_counts"].tolist(), strict=True):
        rows = kept["clip_vectors"][start : start + count].astype(np.float64)
        weights = kept["clip_weights"][start : start + count].astype(np.float64)
        assert np.array_equal(pool(rows, weights, "mean-of-unit").astype(np.float32), vector)
        start += count
    assert start == len(kept["clip_vectors"])


@given(
    parts=st.lists(st.integers(0, 4), max_size=6),
    width=st.integers(1, 3),
)
def test_an_array_file_holds_the_bytes_of_savez(tmp_path_factory, parts, width):
    rows = np.arange(sum(parts) * width, dtype=np.float32).reshape(-1, width)
    cuts = np.split(rows, np.cumsum(parts))
    streamed = Rows(shape=rows.shape, parts=tuple(lambda cut=cut: cut for cut in cuts))
    plain = {"video_ids": np.array(["a", "bc"]), "labels": np.array([1, 0])}
    path = tmp_path_factory.mktemp("arrays") / "made.npz"
    digest = write_arrays(path, {**plain, "clip_vectors": streamed, "last": rows.T})
    stream = io.BytesIO()
    np.savez(stream, **plain, clip_vectors=rows, last=rows.T)
    assert path.read_bytes() == stream.getvalue()
    assert digest == sha256_file(path)
    assert np.array_equal(streamed.stacked(), rows)
