"""Checkpoints: exact, whole or absent, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch
from torch import nn

from zsl_bench.baselines.training.checkpoints import (
    CheckpointStore,
    Position,
    optimiser_tensors,
    restore_optimiser,
)
from zsl_bench.errors import ResultError, WeightsError


def network():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 4))


def train(net, adam, *, first, last):
    for step in range(first, last):
        draw = torch.Generator().manual_seed(step)
        inputs, targets = torch.randn(7, 6, generator=draw), torch.randn(7, 4, generator=draw)
        adam.zero_grad()
        (net(inputs) - targets).square().mean().backward()
        adam.step()


def at(total):
    return Position(epoch=total // 10, step=total % 10, total=total)


def save(store, total, *, numbers=8):
    return store.save(
        at(total),
        model={"weight": torch.full((numbers,), total)},
        optimiser={"exp_avg/weight": torch.full((numbers,), -total)},
        state={"total": total},
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_whole(found):
    total = found.position.total
    assert found.state == {"total": total}
    assert found.position == at(total)
    assert set(found.model["weight"].tolist()) == {total}
    assert set(found.optimiser["exp_avg/weight"].tolist()) == {-total}


@pytest.mark.parametrize("amsgrad", [False, True])
def test_going_on_equals_never_stopping(tmp_path, amsgrad):
    whole = network()
    train(whole, torch.optim.Adam(whole.parameters(), 0.01, amsgrad=amsgrad), first=0, last=12)

    half = network()
    adam = torch.optim.Adam(half.parameters(), 0.01, amsgrad=amsgrad)
    train(half, adam, first=0, last=5)
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    store.save(
        at(5),
        model=half.state_dict(),
        optimiser=optimiser_tensors(adam, dict(half.named_parameters())),
        state={"why": "ü", "best": None, "nested": {"numbers": [1, 2.5]}},
    )

    found = CheckpointStore(tmp_path / "checkpoints", keep=2).latest()
    assert found.position == Position(epoch=0, step=5, total=5)
    assert found.state == {"why": "ü", "best": None, "nested": {"numbers": [1, 2.5]}}
    rest = network()
    rest.load_state_dict(found.model)
    again = torch.optim.Adam(rest.parameters(), 0.01, amsgrad=amsgrad)
    restore_optimiser(again, dict(rest.named_parameters()), found.optimiser)
    train(rest, again, first=5, last=12)
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, rest.state_dict()[key]), key


def test_the_optimiser_of_no_step_is_empty_and_comes_back_empty():
    net = network()
    adam = torch.optim.Adam(net.parameters())
    assert optimiser_tensors(adam, dict(net.named_parameters())) == {}
    train(net, adam, first=0, last=1)
    restore_optimiser(adam, dict(net.named_parameters()), {})
    assert not adam.state


def test_memory_layout_of_the_parameters_is_kept():
    net = nn.Conv3d(3, 4, 3).to(memory_format=torch.channels_last_3d)
    adam = torch.optim.Adam(net.parameters())
    net(torch.randn(1, 3, 4, 4, 4)).sum().backward()
    adam.step()
    saved = {k: t.contiguous().clone() for k, t in optimiser_tensors(
        adam, dict(net.named_parameters())).items()}  # fmt: skip
    fresh = torch.optim.Adam(net.parameters())
    restore_optimiser(fresh, dict(net.named_parameters()), saved)
    restored = fresh.state[net.weight]["exp_avg"]
    assert restored.stride() == net.weight.stride()
    assert torch.equal(restored, adam.state[net.weight]["exp_avg"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("exp_avg_sq/0.bias"), r"1 tensors missing \(exp_avg_sq/0.bias\)"),
        (lambda t: t.update({"exp_avg/9.bias": torch.zeros(1)}), "unexpected tensors"),
        (lambda t: t.update({"exp_avg/0.bias": torch.zeros(3)}), "another shape or type"),
        (lambda t: t.update({"step/0.bias": torch.zeros((), dtype=torch.int64)}), "step/0.bias"),
    ],
)
def test_another_optimiser_state_is_refused(change, words):
    net = network()
    adam = torch.optim.Adam(net.parameters())
    parameters = dict(net.named_parameters())
    train(net, adam, first=0, last=1)
    tensors = {key: t.clone() for key, t in optimiser_tensors(adam, parameters).items()}
    change(tensors)
    with pytest.raises(WeightsError, match=words):
        restore_optimiser(torch.optim.Adam(net.parameters()), parameters, tensors)


def test_a_refused_state_leaves_the_optimiser_alone():
    net = network()
    adam = torch.optim.Adam(net.parameters())
    parameters = dict(net.named_parameters())
    train(net, adam, first=0, last=2)
    before = {key: t.clone() for key, t in optimiser_tensors(adam, parameters).items()}
    with pytest.raises(WeightsError):
        restore_optimiser(adam, parameters, {"exp_avg/0.bias": torch.zeros(9)})
    after = optimiser_tensors(adam, parameters)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_parameter_of_another_optimiser_is_refused():
    net, other = network(), network()
    with pytest.raises(WeightsError, match="does not train"):
        restore_optimiser(
            torch.optim.Adam(net.parameters()),
            dict(other.named_parameters()),
            {"step/0.bias": torch.zeros(())},
        )


def test_nothing_there_is_none(tmp_path):
    store = CheckpointStore(tmp_path / "absent", keep=1)
    assert store.latest() is None
    assert store.best() is None
    assert not (tmp_path / "absent").exists()
    assert CheckpointStore(tmp_path, keep=1).latest() is None


def test_a_checkpoint_is_three_plain_files(tmp_path):
    place = save(CheckpointStore(tmp_path, keep=1), 1234)
    assert place == tmp_path / "step-000001234"
    assert names(place) == ["model.safetensors", "optimiser.safetensors", "state.json"]
    note = json.loads((place / "state.json").read_text())
    for name, digest in note["sha256"].items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    umask = os.umask(0)
    os.umask(umask)
    assert (place / "state.json").stat().st_mode & 0o777 == 0o666 & ~umask
    assert place.stat().st_mode & 0o777 == tmp_path.stat().st_mode & 0o777


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_stay(tmp_path, keep):
    store = CheckpointStore(tmp_path, keep=keep)
    for total in (3, 7, 11, 1_000_000_000, 1_000_000_001):
        save(store, total)
        assert_whole(store.latest())
        assert store.latest().position.total == total
    kept = ["step-000000003", "step-000000007", "step-000000011", "step-1000000000"]
    assert set(names(tmp_path)) == {*kept[len(kept) - keep + 1 :], "step-1000000001"}


def test_the_same_step_again_replaces_it(tmp_path):
    store = CheckpointStore(tmp_path, keep=3)
    save(store, 4)
    for _ in range(12):
        save(store, 8)
    assert len(names(tmp_path)) == 2
    assert store.latest().path.name == "step-000000008.11"
    assert_whole(store.latest())


def test_what_the_run_did_not_go_on_from_goes(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for total in (10, 20):
        save(store, total)
    (tmp_path / "step-000000020" / "model.safetensors").write_bytes(b"")
    assert store.latest().position.total == 10
    save(store, 15)
    assert names(tmp_path) == ["step-000000010", "step-000000015"]


def test_the_best_stands_beside_the_latest(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    for total in (5, 9):
        weights = {"weight": torch.full((2,), float(total))}
        store.save_best(at(total), model=weights, state={"top1": total / 10})
        save(store, total)
    save(store, 13)
    assert names(tmp_path) == ["best-000000005", "best-000000009", "step-000000013"]
    best = store.best()
    assert (best.position, best.state, best.optimiser) == (at(9), {"top1": 0.9}, {})
    assert best.model["weight"].tolist() == [9.0, 9.0]
    assert store.latest().position.total == 13
    store.forget_best_after(8)
    assert store.best().position == at(5)
    store.forget_best_after(0)
    assert store.best() is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def edit(**changes):
    def change(folder):
        path = folder / "state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def outside(folder):
    """Let the digests name a file that does exist, outside the checkpoint."""
    secret = folder.parent.parent / "secret"
    secret.write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    edit(sha256={"model.safetensors": "0" * 64, "../../secret": digest})(folder)


HOSTILE = {
    "model cut short": lambda f: cut(f / "model.safetensors"),
    "model changed by a bit": lambda f: flip(f / "model.safetensors"),
    "model gone": lambda f: (f / "model.safetensors").unlink(),
    "model a folder": lambda f: [(f / "model.safetensors").unlink(),
                                 (f / "model.safetensors").mkdir()],
    "optimiser gone": lambda f: (f / "optimiser.safetensors").unlink(),
    "optimiser changed": lambda f: flip(f / "optimiser.safetensors"),
    "state gone": lambda f: (f / "state.json").unlink(),
    "state cut short": lambda f: cut(f / "state.json"),
    "state empty": lambda f: (f / "state.json").write_bytes(b""),
    "state no UTF-8": lambda f: (f / "state.json").write_bytes(b"\xff\xfe{}"),
    "state a list": lambda f: (f / "state.json").write_text("[]"),
    "state a number": lambda f: (f / "state.json").write_text("3"),
    "state deep": lambda f: (f / "state.json").write_text("[" * 100_000),
    "other schema": edit(schema=2),
    "more keys": edit(extra=1),
    "position of another step": edit(position={"epoch": 0, "step": 3, "total": 3}),
    "position negative": edit(position={"epoch": 0, "step": -1, "total": 20}),
    "position of truths": edit(position={"epoch": False, "step": True, "total": 20}),
    "position a list": edit(position=[0, 0, 20]),
    "position short": edit(position={"total": 20}),
    "no digests": edit(sha256={}),
    "digests no table": edit(sha256="model.safetensors"),
    "digest no text": edit(sha256={"model.safetensors": 1, "optimiser.safetensors": 2}),
    "digests of other files": outside,
    "inner state no table": edit(state=[1]),
    "folder empty": lambda f: [shutil.rmtree(f), f.mkdir()],
    "folder a file": lambda f: [shutil.rmtree(f), f.write_bytes(b"x")],
}  # fmt: skip


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE)
def test_what_is_damaged_is_passed_over_and_named(tmp_path, damage):
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    for total in (10, 20):
        save(store, total)
    damage(tmp_path / "checkpoints" / "step-000000020")
    found = store.latest()
    assert found.position.total == 10
    assert_whole(found)
    (note,) = store.notes
    assert note.startswith("checkpoint step-000000020 passed over: ")
    assert "\n" not in note
    shutil.rmtree(tmp_path / "checkpoints" / "step-000000010")
    assert store.latest() is None


def test_a_tensor_file_that_is_none_is_passed_over_though_its_digest_fits(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    save(store, 10)
    place = save(store, 20)
    (place / "model.safetensors").write_bytes(b"\x80\x04}.")
    note = json.loads((place / "state.json").read_text())
    note["sha256"]["model.safetensors"] = hashlib.sha256(b"\x80\x04}.").hexdigest()
    (place / "state.json").write_text(json.dumps(note))
    assert store.latest().position.total == 10
    assert "no whole safetensors file" in store.notes[0]


def test_names_that_are_no_checkpoint_are_left_alone(tmp_path):
    for name in ("step-12", "step-000000012.x", "notes.txt", "step-000000012-old", ".hidden"):
        (tmp_path / name).mkdir()
    store = CheckpointStore(tmp_path, keep=1)
    assert store.latest() is None
    assert store.notes == ()
    save(store, 1)
    assert len(names(tmp_path)) == 6


def test_litter_of_a_killed_run_is_cleared(tmp_path):
    save(CheckpointStore(tmp_path, keep=1), 3)
    for name in (".saving-abc", ".removing-step-000000002"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half")
    assert_whole(CheckpointStore(tmp_path, keep=1).latest())
    assert names(tmp_path) == ["step-000000003"]


def test_state_that_is_no_json_saves_nothing(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    save(store, 3)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.save(at(4), model={}, optimiser={}, state={"loss": float("nan")})
    assert names(tmp_path) == ["step-000000003"]


@contextmanager
def files_of_at_most(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_leaves_the_earlier_ones(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    save(store, 3)
    with files_of_at_most(1 << 16), pytest.raises(ResultError, match="earlier checkpoints") as told:
        save(store, 4, numbers=100_000)
    assert "step-000000004" in told.value.asked
    assert names(tmp_path) == ["step-000000003"]
    assert_whole(store.latest())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if not mounted or mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_earlier_ones(small_disk):
    store = CheckpointStore(small_disk / "checkpoints", keep=5)
    save(store, 1, numbers=1000)
    filled = 1
    with suppress(ResultError):
        for total in range(2, 9):
            save(store, total, numbers=50_000)
            filled = total
    assert 2 <= filled < 8
    with pytest.raises(ResultError, match="No space left"):
        save(store, filled + 1, numbers=50_000)
    found = CheckpointStore(small_disk / "checkpoints", keep=5).latest()
    assert found.position.total == filled
    assert_whole(found)
    assert len(names(small_disk / "checkpoints")) == filled


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResultError, match="save checkpoint"):
        save(CheckpointStore(tmp_path / "file" / "checkpoints", keep=1), 1)


SAVER = """
import os, sys
from pathlib import Path
import torch
from zsl_bench.baselines.training.checkpoints import CheckpointStore, Position

folder = Path(sys.argv[1])
for _ in sys.stdin:
    child = os.fork()
    if not child:
        store = CheckpointStore(folder, keep=2)
        found = store.latest()
        total = found.position.total if found else 0
        print(os.getpid(), flush=True)
        while True:
            total += 1
            store.save(
                Position(epoch=total // 10, step=total % 10, total=total),
                model={"weight": torch.full((150_000,), float(total))},
                optimiser={"exp_avg/weight": torch.full((150_000,), float(-total))},
                state={"total": total},
            )
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def test_sigkill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    folder, draw, before, caught = tmp_path / "checkpoints", np.random.default_rng(8), 0, 0
    with subprocess.Popen(
        [sys.executable, "-c", SAVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as helper:
        for _ in range(16):
            helper.stdin.write("go\n")
            helper.stdin.flush()
            child = int(helper.stdout.readline())
            time.sleep(draw.uniform(0.005, 0.15))
            os.kill(child, signal.SIGKILL)
            assert helper.stdout.readline() == "dead\n"
            caught += bool(list(folder.glob(".*")))
            store = CheckpointStore(folder, keep=2)
            found = store.latest()
            assert store.notes == ()
            if found is None:
                assert before == 0
                continue
            assert_whole(found)
            assert found.position.total >= before
            before = found.position.total
            assert not list(folder.glob(".*"))
        helper.stdin.close()
    assert helper.returncode == 0
    assert before > 2
    assert caught
    save(CheckpointStore(folder, keep=2), before + 1)
    assert names(folder) == [f"step-{total:09d}" for total in (before, before + 1)]
