"""How many processes decode, from what the machine and its control groups say."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.workers import MAX_WORKERS, SHARED_MEMORY, VIDEO_BYTES, Machine, choose_workers

PROCESSORS = len(os.sched_getaffinity(0))
GROUP = "sys/fs/cgroup"


@pytest.fixture
def machine(tmp_path):
    """A function that writes files under a root of its own and looks at them."""

    def look(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Machine.here(tmp_path)

    return look


def test_without_any_file_it_is_the_affinity(machine):
    assert machine({}) == Machine(processors=PROCESSORS)


@pytest.mark.parametrize(
    ("text", "processors"),
    [
        ("100000 100000\n", 1),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("max 100000\n", PROCESSORS),
        ("100000000 100000\n", PROCESSORS),
        ("100000 0\n", PROCESSORS),
        ("nonsense\n", PROCESSORS),
        ("", PROCESSORS),
    ],
)
def test_a_quota_of_version_2(text, processors, machine):
    files = {"proc/self/cgroup": "0::/\n", f"{GROUP}/cpu.max": text}
    assert machine(files).processors == processors


@pytest.mark.parametrize("folder", ["cpu,cpuacct", "cpu", "cpuacct"])
@pytest.mark.parametrize(("quota", "processors"), [("100000", 1), ("-1", PROCESSORS)])
def test_a_quota_of_version_1(folder, quota, processors, machine):
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n0::/\n",
        f"{GROUP}/{folder}/cpu.cfs_quota_us": quota + "\n",
        f"{GROUP}/{folder}/cpu.cfs_period_us": "100000\n",
    }
    assert machine(files).processors == processors


def test_the_tightest_of_the_groups_on_the_way_up_counts(machine):
    files = {
        "proc/self/cgroup": "0::/user/job/step\n",
        f"{GROUP}/user/job/step/cpu.max": "max 100000\n",
        f"{GROUP}/user/job/cpu.max": "100000 100000\n",
        f"{GROUP}/user/cpu.max": "6400000 100000\n",
        f"{GROUP}/user/memory.max": "5000\n",
        f"{GROUP}/user/memory.current": "2000\n",
        f"{GROUP}/user/memory.stat": "anon 9\ninactive_file 500\nactive_file 3\n",
        f"{GROUP}/memory.max": "max\n",
        f"{GROUP}/memory.current": "900000\n",
        f"{GROUP}/other/cpu.max": "1 100000\n",
        "proc/meminfo": "MemTotal: 900 kB\nMemAvailable:   800 kB\n",
    }
    assert machine(files) == Machine(processors=1, memory=3500)


def test_a_group_does_not_lead_out_of_its_folder(machine, tmp_path):
    files = {
        "proc/self/cgroup": "0::/../../../outside\n",
        "outside/cpu.max": "100000 100000\n",
        "proc/meminfo": "MemAvailable: 800 kB\n",
    }
    assert machine(files) == Machine(processors=PROCESSORS, memory=800 * 1024)


def test_memory_of_version_1(machine):
    files = {
        "proc/self/cgroup": "9:memory:/a\nbroken\n",
        f"{GROUP}/memory/a/memory.limit_in_bytes": "7000",
        f"{GROUP}/memory/a/memory.usage_in_bytes": "9000",
    }
    assert machine(files).memory == 0


def test_shared_memory_is_what_its_file_system_has_left(tmp_path):
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    held = os.statvfs(tmp_path)
    shared = Machine.here(tmp_path).shared
    assert 0 <= shared <= held.f_blocks * held.f_frsize


@pytest.mark.parametrize(
    ("fields", "device", "sharing", "workers"),
    [
        ({"processors": 8}, "cuda", 1, 8),
        ({"processors": 8}, "cpu", 1, 4),
        ({"processors": 1}, "cpu", 1, 1),
        ({"processors": 64}, "cuda", 1, MAX_WORKERS),
        ({"processors": 64}, "cuda", 8, 8),
        ({"processors": 64}, "cuda", 2, MAX_WORKERS),
        ({"processors": 4}, "cuda", 8, 1),
        ({"processors": 8, "shared": 64 * 2**20}, "cuda", 1, 0),
        ({"processors": 8, "shared": 2 * 4 * VIDEO_BYTES}, "cuda", 1, 2),
        ({"processors": 8, "memory": 10**12, "shared": 10**12}, "cuda", 1, 8),
        ({"processors": 8, "memory": 3 * 10**9}, "cuda", 1, 3),
        ({"processors": 8, "memory": 10**8}, "mps", 1, 0),
        ({"processors": 64, "shared": 2**30}, "cuda", 8, 0),
        ({"processors": 64, "memory": 3 * 10**9}, "cuda", 8, 0),
        ({"processors": 64, "shared": 8 * 4 * VIDEO_BYTES}, "cuda", 8, 1),
        ({"processors": 64, "shared": 20 * 4 * VIDEO_BYTES}, "cuda", 8, 2),
        ({"processors": 2, "shared": 20 * 4 * VIDEO_BYTES}, "cuda", 8, 1),
    ],
)
def test_processes_by_machine(fields, device, sharing, workers):
    assert choose_workers(None, device, sharing=sharing, machine=Machine(**fields)) == workers


@given(
    st.builds(
        Machine,
        processors=st.integers(1, 300),
        memory=st.none() | st.integers(0, 10**12),
        shared=st.none() | st.integers(0, 10**12),
    ),
    st.integers(1, 20),
    st.integers(1, 10**9),
)
def test_what_is_chosen_fits(machine, sharing, item_bytes):
    notes = []
    workers = choose_workers(
        None, "cuda", sharing=sharing, item_bytes=item_bytes, note=notes.append, machine=machine
    )
    assert 0 <= workers <= min(machine.processors, MAX_WORKERS)
    if machine.shared is not None:
        assert sharing * workers * 4 * item_bytes <= machine.shared
    if machine.memory is not None:
        assert sharing * workers * (4 * item_bytes + 200_000_000) <= machine.memory / 2
    assert len(notes) == (workers == 0)
    assert choose_workers(3, "cuda", sharing=sharing, machine=machine) == 3


@pytest.mark.parametrize(
    ("fields", "sharing", "found"),
    [
        ({"shared": 64 * 2**20}, 1, f"{SHARED_MEMORY} has 64 MB free, of 229 that it takes"),
        ({"shared": 2**30}, 8, f"{SHARED_MEMORY} has 1024 MB free, of 1837 that it takes"),
        ({"memory": 10**8, "shared": 2**30}, 1, "memory has 95 MB free, of 840 that it takes"),
    ],
)
def test_a_shortage_is_told(fields, sharing, found):
    notes = []
    machine = Machine(processors=8, **fields)
    assert not choose_workers(None, "cuda", sharing=sharing, note=notes.append, machine=machine)
    assert len(notes) == 1
    assert notes[0].startswith(f"decoding in one process: {found}; ")
    assert "--shm-size" in notes[0]


def test_small_clips_need_little_shared_memory():
    machine = Machine(processors=8, shared=64 * 2**20)
    item_bytes = 16 * 3 * 112 * 112
    notes = []
    workers = choose_workers(
        None, "cuda", item_bytes=item_bytes, note=notes.append, machine=machine
    )
    assert (workers, notes) == (8, [])
