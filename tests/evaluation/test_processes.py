"""The place of a process among those that torchrun started."""

from __future__ import annotations

import pytest
import torch

from zsl_bench.errors import ZslBenchError
from zsl_bench.evaluation import processes as module
from zsl_bench.evaluation.processes import Processes
from zsl_bench.workers import choose_workers

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def variables(monkeypatch):
    """Set the variables of torchrun, in the order of NAMES; None leaves one out."""

    def set_all(*values: object) -> None:
        for name, value in zip(NAMES, values, strict=True):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, str(value))

    set_all(None, None, None, None)
    return set_all


def test_without_torchrun_a_process_is_alone(variables):
    assert Processes.from_environment() == Processes() == Processes(rank=0, size=1)
    variables(0, 1, 0, 1)
    assert Processes.from_environment() == Processes()


def test_the_place_is_read(variables):
    variables(5, 8, 1, 4)
    place = Processes.from_environment()
    assert place == Processes(rank=5, size=8, local_rank=1, local_size=4)
    assert not place.leads
    variables(1, 2, None, None)
    assert Processes.from_environment() == Processes(rank=1, size=2, local_rank=1, local_size=2)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((None, 2, 0, 1), "RANK=''"),
        (("one", 2, 0, 1), "RANK='one'"),
        ((-1, 2, 0, 1), "RANK='-1'"),
        ((0, "two", 0, 1), "WORLD_SIZE='two'"),
        ((2, 2, 0, 1), "RANK 2 of WORLD_SIZE 2"),
        ((0, 2, 1, 1), "LOCAL_RANK 1 of LOCAL_WORLD_SIZE 1"),
        ((0, 2, 0, 3), "LOCAL_WORLD_SIZE 3"),
    ],
)
def test_variables_that_make_no_sense_are_refused(variables, values, found):
    variables(*values)
    with pytest.raises(ZslBenchError, match=found):
        Processes.from_environment()


def test_processes_of_a_machine_share_its_processors():
    alone = choose_workers(None, "cuda")
    assert Processes(size=1).workers(None, "cuda") == alone
    assert Processes(size=64, local_size=1).workers(None, "cuda") == alone
    assert Processes(size=2, local_size=2).workers(None, "cuda") == max(alone // 2, 1)
    assert Processes(size=999, local_size=999).workers(None, "cuda", item_bytes=10**12) == 0
    assert Processes(size=2, local_size=2).workers(0, "cuda") == 0
    assert Processes(size=2, local_size=2).workers(3, "cpu") == 3


def test_every_process_takes_the_gpu_of_its_place(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    places = [Processes(rank=r, size=4, local_rank=r, local_size=4) for r in range(4)]
    assert [str(place.device("auto")) for place in places] == [
        "cuda:0", "cuda:1", "cuda:0", "cuda:1",
    ]  # fmt: skip
    assert [str(device) for device in taken] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert str(places[3].device("cuda:0")) == "cuda:0", "as asked"
    assert str(places[3].device("cpu")) == "cpu"
    assert str(Processes().device("auto")) == "cuda", "alone as ever"


def test_an_error_is_held_back_by_place_and_nothing_else_is(monkeypatch):
    waited = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    for rank in (0, 1, 2):
        place = Processes(rank=rank, size=3, local_rank=rank, local_size=3)
        with pytest.raises(ZslBenchError), place.told_in_turn():
            raise ZslBenchError("a", found="b", fix="c")
    assert waited == sorted(set(waited))
    assert waited[0] == 0
    with pytest.raises(KeyboardInterrupt), Processes(local_rank=9).told_in_turn():
        raise KeyboardInterrupt
    assert len(waited) == 3
