import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from zsl_bench.baselines.networks import ZeroShotNetwork
from zsl_bench.baselines.training import features
from zsl_bench.baselines.training.config import (
    ClipSettings,
    DataSettings,
    FrozenSettings,
    ModelSettings,
    OptimiserSettings,
    RunSettings,
    TrainConfig,
    with_settings,
)
from zsl_bench.baselines.training.data import TrainingSet
from zsl_bench.baselines.training.features import FeatureBank
from zsl_bench.baselines.training.frozen import FeatureSource, bank_key, feature_bank
from zsl_bench.baselines.training.loading import ClipSource, load_clip
from zsl_bench.baselines.training.losses import word_vector_loss
from zsl_bench.baselines.training.progress import Quiet
from zsl_bench.baselines.training.sampler import EpochPlan, sample_generator
from zsl_bench.baselines.training.views import views_of
from zsl_bench.classes import class_set_from_names
from zsl_bench.errors import DatasetError
from zsl_bench.videos import Manifest, Video

DIM = 5
CLASSES = ("swim", "run")
CPU = torch.device("cpu")
CONFIG = TrainConfig(
    name="toy",
    data=DataSettings(dataset="toy", path="nowhere", max_unreadable=0.5),
    model=ModelSettings(family="frozen", dropout=0.0),
    clips=ClipSettings(frames=16, size=24, short_side=28),
    optimiser=OptimiserSettings(batch_size=2, learning_rate=1e-2),
    frozen=FrozenSettings(views=3),
    run=RunSettings(seed=4, workers=0),
)


def network(seed=1):
    """A small network with batch norm whose running statistics are not those of a fresh one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = nn.Sequential(
            nn.Conv3d(3, 6, kernel_size=3, stride=(2, 4, 4)),
            nn.BatchNorm3d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool3d((1, 2, 2)),
            nn.Flatten(),
        )
        made = ZeroShotNetwork(backbone, feature_dim=24, dropout=0.0, dim=DIM)
        nn.init.normal_(backbone[1].running_mean)
        nn.init.uniform_(backbone[1].running_var, 0.5, 2.0)
    return made


def write_videos(folder, count=7):
    """Short videos of a drifting pattern, lop-sided, so that start, crop and flip all show."""
    for number in range(count):
        rng = np.random.default_rng(number)
        scene = rng.integers(0, 255, (5, 7, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
        with av.open(str(folder / f"{number}.avi"), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for frame in range(20 + 4 * number):
                picture = np.ascontiguousarray(scene[frame % 32 :, frame % 48 :][:48, :64])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())


def training_set(folder, *, count=7, suffix=".avi", kind="videos"):
    rows = tuple(
        Video(id=f"{i}", label=CLASSES[i % 2], path=f"{i}{suffix}", group=f"{i}")
        for i in range(count)
    )
    classes = class_set_from_names(CLASSES, dataset="toy", source="test")
    manifest = Manifest(dataset="toy", classes=classes, split="all", root=folder, videos=rows)
    labels = np.array([i % 2 for i in range(count)])
    return TrainingSet(kind=kind, manifest=manifest, rows=rows, classes=classes, labels=labels)


def bank_of(samples, folder, *, config=CONFIG, net=None, **options):
    return feature_bank(
        net or network(),
        samples,
        config,
        weights_digest="sha256:toy",
        folder=folder,
        device=CPU,
        workers=options.pop("workers", 0),
        progress=options.pop("progress", Quiet()),
        **options,
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder)
    return folder


@pytest.fixture
def samples(videos):
    return training_set(videos)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two samples, so that a small bank has several."""
    monkeypatch.setattr(features, "_CLIPS", 2 * CONFIG.frozen.views)


def test_a_bank_is_what_a_plain_loop_computes(samples, tmp_path, small_blocks):
    net = network()
    bank = bank_of(samples, tmp_path, net=net, workers=1)
    assert isinstance(bank.features, np.memmap)
    assert bank.features.shape == (7, 3, 24)
    assert bank.readable.all()
    assert bank.unreadable == ()
    net.eval()
    for i in range(7):
        for k in range(3):
            clip = torch.from_numpy(load_clip(samples, CONFIG, epoch=k, position=i))
            with torch.no_grad():
                expected = net.features(clip[None])[0]
            np.testing.assert_allclose(bank.features[i, k], expected.numpy(), rtol=0, atol=1e-5)


def test_views_are_the_clips_of_the_first_epochs_and_differ(samples):
    for position in range(7):
        views = views_of(samples, CONFIG, position)
        clips = [load_clip(samples, CONFIG, epoch=k, position=position) for k in range(3)]
        assert np.array_equal(views, np.stack(clips))
        assert all(not np.array_equal(views[a], views[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_the_network_stays_as_it_was(samples, tmp_path):
    net = network()
    net.backbone[1].eval()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    bank_of(samples, tmp_path, net=net)
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())
    assert net.training
    assert net.backbone[0].training
    assert not net.backbone[1].training


def test_a_finished_bank_is_not_computed_again(samples, tmp_path):
    first = bank_of(samples, tmp_path)
    again = bank_of(samples, tmp_path, net=nn.Identity())
    assert np.array_equal(first.features, again.features)


def test_what_features_depend_on_is_in_the_key(samples, videos):
    def key(config=CONFIG, chosen=samples, digest="sha256:toy"):
        return bank_key(chosen, config, weights_digest=digest)

    others = [
        key(digest="sha256:other"),
        key(chosen=training_set(videos, count=6)),
        key(with_settings(CONFIG, clips={"flip": False})),
        key(with_settings(CONFIG, clips={"size": 20})),
        key(with_settings(CONFIG, clips={"dtype": "uint8"})),
        key(with_settings(CONFIG, run={"seed": 5})),
        key(with_settings(CONFIG, run={"precision": "bf16"})),
        key(with_settings(CONFIG, frozen={"views": 4})),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key() == key(with_settings(CONFIG, optimiser={"learning_rate": 0.1, "epochs": 3}))
    assert key() == key(with_settings(CONFIG, run={"workers": 3, "keep": 9}))


def test_bf16_features_are_close_and_kept_apart(samples, tmp_path):
    config = with_settings(CONFIG, run={"precision": "bf16"})
    exact, rough = bank_of(samples, tmp_path), bank_of(samples, tmp_path, config=config)
    assert rough.features.dtype == np.float32
    assert not np.array_equal(exact.features, rough.features)
    np.testing.assert_allclose(rough.features, exact.features, atol=0.05)


def test_features_of_images(tmp_path):
    for i in range(4):
        levels = np.random.default_rng(i).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{i}.png")
    images = training_set(tmp_path, count=4, suffix=".png", kind="images")
    bank = bank_of(images, tmp_path / "bank")
    clip = torch.from_numpy(load_clip(images, CONFIG, epoch=2, position=3))
    with torch.no_grad():
        expected = network().eval().features(clip[None])[0]
    np.testing.assert_allclose(bank.features[3, 2], expected.numpy(), rtol=0, atol=1e-5)
    assert bank_key(images, CONFIG, weights_digest="a") != bank_key(
        training_set(tmp_path, count=4, suffix=".png"), CONFIG, weights_digest="a"
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_process_leaves_blocks_to_go_on_from(samples, videos, tmp_path, small_blocks):
    command = [sys.executable, __file__, str(videos), str(tmp_path / "killed")]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while len(blocks := list((tmp_path / "killed").rglob("0*.npz"))) < 2:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    stamps = {path: path.stat().st_mtime_ns for path in blocks}

    heard = []

    class Hears(Quiet):
        def features(self, done, total):
            heard.append((done, total))
            assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())

    bank_of(samples, tmp_path / "killed", progress=Hears())
    assert heard[0][0] > 2 * len(blocks)
    assert heard[-1] == (7, 7)
    bank_of(samples, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "killed") == whole
    assert sorted(whole) == ["bank.json", "features.npy"]


def test_replicas_share_the_work(samples, tmp_path, small_blocks):
    made = {}

    networks = [network(), network()]

    def replica(number):
        made[number] = bank_of(
            samples, tmp_path / "two", net=networks[number], replica=number, replicas=2
        )

    threads = [threading.Thread(target=replica, args=(number,)) for number in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    bank_of(samples, tmp_path / "one")
    assert np.array_equal(made[0].features, made[1].features)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.fixture
def damaged(tmp_path):
    """Seven samples of which the second and the last cannot be read."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    write_videos(folder)
    for number in (1, 6):
        (folder / f"{number}.avi").write_bytes(b"no video")
    return training_set(folder)


def test_unreadable_samples_are_listed_and_replaced(damaged, tmp_path, small_blocks):
    bank = bank_of(damaged, tmp_path / "bank", workers=1)
    assert [position for position, _ in bank.unreadable] == [1, 6]
    assert all("not a video" in reason for _, reason in bank.unreadable)
    assert np.flatnonzero(~bank.readable).tolist() == [1, 6]
    assert not bank.features[[1, 6]].any()
    whole = bank_of(training_set(damaged.manifest.root, count=1), tmp_path / "one")
    np.testing.assert_allclose(bank.features[0], whole.features[0], atol=1e-5)

    clips = ClipSource(damaged, CONFIG, workers=0)
    source = FeatureSource(bank, damaged.labels, CONFIG)
    for epoch in range(4):
        plan = EpochPlan(samples=7, seed=4, epoch=epoch, batch_size=3)
        theirs = list(clips.batches(plan, replica=0, first_step=0))
        ours = list(source.batches(plan, replica=0, first_step=0))
        assert [batch.unreadable for batch in ours] == [batch.unreadable for batch in theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a.labels, b.labels)
            assert a.inputs.shape == (3, 24)
            assert a.inputs.any(dim=1).all()


def test_too_many_unreadable_samples_stop_until_they_are_mended(damaged, tmp_path, small_blocks):
    config = with_settings(CONFIG, data={"max_unreadable": 0.2})
    folder = tmp_path / "bank"
    with pytest.raises(DatasetError, match=r"2 of 7 samples unreadable \(1\.avi: not a video"):
        bank_of(damaged, folder, config=config)
    write_videos(damaged.manifest.root)
    bank = bank_of(damaged, folder, config=config)
    assert bank.readable.all()
    assert np.array_equal(bank.features, bank_of(damaged, tmp_path / "new").features)


def test_the_bound_holds_for_a_bank_that_is_there(damaged, tmp_path):
    bank_of(damaged, tmp_path)
    with pytest.raises(DatasetError, match="2 of 7 samples unreadable"):
        bank_of(damaged, tmp_path, config=with_settings(CONFIG, data={"max_unreadable": 0.0}))


def test_a_linear_layer_on_features_is_one_behind_the_network(samples, tmp_path):
    targets = nn.functional.normalize(torch.randn(2, DIM, generator=torch.manual_seed(0)), dim=1)
    fast, slow = network(), network()
    bank = bank_of(samples, tmp_path, net=fast)
    source = FeatureSource(bank, samples.labels, CONFIG)
    slow.eval()
    optimisers = [torch.optim.Adam(net.head.parameters(), lr=1e-2) for net in (fast, slow)]
    for epoch in range(5):
        plan = EpochPlan(samples=7, seed=4, epoch=epoch, batch_size=2)
        for step, batch in enumerate(source.batches(plan, replica=0, first_step=0)):
            positions = plan.positions(step).tolist()
            views = [int(sample_generator(4, epoch, i).integers(3)) for i in positions]
            clips = [
                load_clip(samples, CONFIG, epoch=view, position=i)
                for i, view in zip(positions, views, strict=True)
            ]
            outputs = (
                fast.head(fast.dropout(batch.inputs)),
                slow(torch.from_numpy(np.stack(clips))),
            )
            for output, optimiser in zip(outputs, optimisers, strict=True):
                optimiser.zero_grad()
                word_vector_loss("unit-l2", output, targets[batch.labels]).backward()
                optimiser.step()
    for ours, theirs in zip(fast.head.parameters(), slow.head.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert not torch.equal(fast.head.weight, network().head.weight)


def bank_in_memory(count, views, unreadable=()):
    """A bank in which the first number of a feature is its sample and the second its view."""
    values = np.stack(np.meshgrid(np.arange(count), np.arange(views), indexing="ij"), axis=-1)
    readable = np.array([i not in unreadable for i in range(count)])
    reasons = tuple((i, "gone") for i in sorted(unreadable))
    return FeatureBank(features=values.astype(np.float32), readable=readable, unreadable=reasons)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(2, 30),
    views=st.integers(1, 5),
    epoch=st.integers(0, 200),
    replicas=st.integers(1, 3),
    data=st.data(),
)
def test_batches_follow_the_plan_from_any_step(count, views, epoch, replicas, data):
    batch_size = data.draw(st.integers(1, max(count // replicas, 1)))
    if batch_size * replicas > count:
        return
    unreadable = data.draw(st.sets(st.integers(1, count - 1), max_size=count // 2))
    bank = bank_in_memory(count, views, unreadable)
    labels = np.arange(count) % 3
    source = FeatureSource(bank, labels, CONFIG)
    plan = EpochPlan(samples=count, seed=4, epoch=epoch, batch_size=batch_size, replicas=replicas)
    for replica in range(replicas):
        whole = list(source.batches(plan, replica=replica, first_step=0))
        first = data.draw(st.integers(0, plan.steps))
        rest = list(source.batches(plan, replica=replica, first_step=first))
        assert len(whole) == plan.steps
        for a, b in zip(whole[first:], rest, strict=True):
            assert torch.equal(a.inputs, b.inputs)
        for step, batch in enumerate(whole):
            chosen = batch.inputs[:, 0].long()
            assert torch.equal(batch.labels, torch.from_numpy(labels)[chosen])
            assert not set(chosen.tolist()) & unreadable
            for wanted, got in zip(plan.positions(step, replica=replica), chosen, strict=True):
                assert got == wanted or wanted in unreadable


def test_every_view_comes_up(samples):
    source = FeatureSource(bank_in_memory(7, 3), samples.labels, CONFIG)
    seen = set()
    for epoch in range(30):
        plan = EpochPlan(samples=7, seed=4, epoch=epoch, batch_size=7)
        (batch,) = source.batches(plan, replica=0, first_step=0)
        seen |= {tuple(row) for row in batch.inputs.long().tolist()}
    assert len(seen) == 21


def test_no_sample_that_could_stand_in():
    source = FeatureSource(bank_in_memory(2, 1, {0, 1}), np.zeros(2, np.int64), CONFIG)
    plan = EpochPlan(samples=2, seed=4, epoch=0, batch_size=1)
    with pytest.raises(DatasetError, match="2 of 2 samples unreadable"):
        next(source.batches(plan, replica=0, first_step=0))


class _Slow(Quiet):
    def features(self, *_):
        time.sleep(0.3)


if __name__ == "__main__":
    torch.set_num_threads(1)
    features._CLIPS = 2 * CONFIG.frozen.views
    bank_of(training_set(Path(sys.argv[1])), Path(sys.argv[2]), progress=_Slow())
