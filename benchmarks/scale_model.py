"""How long an evaluation takes on many GPUs: a closed-form bound and a simulation of events.

The parts are those of ``zsl-bench evaluate``. Blocks of videos lie in one pool. A process takes a
block; each of its decoding workers opens a file, reads it, decodes it and takes the next video; at
most ``PREFETCH`` videos a worker are on their way. The process runs the clips of one video after
the other, in the order of the block, and keeps the books of a block when its last video is done.
All processes read through one file system: files wait for its bandwidth in the order of arrival,
and every file is waited for once more by the worker that opens it.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFETCH = 2


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The videos of an evaluation, all alike.

    Attributes:
        videos: How many there are.
        block: Videos that are kept at once.
        size_bytes: Bytes of a file.
        decode_seconds: Seconds of one core to decode, resize and crop a video.
        model_seconds: Seconds of one process's device for the distinct clips of a video.
        block_seconds: Seconds in which a process writes a block and takes the next.
    """

    videos: int
    block: int
    size_bytes: float
    decode_seconds: float
    model_seconds: float
    block_seconds: float = 0.0

    @property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return -(-self.videos // self.block)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What runs an evaluation.

    Attributes:
        processes: Processes, each with a device of its own.
        workers: Decoding workers of each process, each with a core of its own; at least 1.
        bandwidth: Bytes a second of the file system, for all together.
        latency: Seconds to open a file there.
    """

    processes: int
    workers: int
    bandwidth: float
    latency: float


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Seconds that no order of the work can beat, resource by resource.

    Attributes:
        decoding: Opening, reading and decoding by all workers.
        reading: All bytes through the file system.
        model: All clips through all devices, with the books.
    """

    decoding: float
    reading: float
    model: float

    @property
    def seconds(self) -> float:
        """Return the largest."""
        return max(self.decoding, self.reading, self.model)

    @property
    def binding(self) -> str:
        """Return the name of the resource that binds."""
        return max(("decoding", "reading", "model"), key=lambda name: float(getattr(self, name)))


def bound(workload: Workload, cluster: Cluster) -> Bound:
    """Return the closed-form bound of an evaluation."""
    videos = workload.videos
    transfer = workload.size_bytes / cluster.bandwidth
    a_video = cluster.latency + transfer + workload.decode_seconds
    running = videos * workload.model_seconds + workload.blocks * workload.block_seconds
    return Bound(
        decoding=videos * a_video / (cluster.processes * cluster.workers),
        reading=videos * transfer,
        model=running / cluster.processes,
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a simulation gave.

    Attributes:
        seconds: From the first file that is opened to the last block that is kept.
        finished: Seconds at which each video was through the model, in order of time.
        blocks: Blocks that each process ran.
        busy: Share of the time in which workers, file system and devices had work.
    """

    seconds: float
    finished: tuple[float, ...]
    blocks: tuple[int, ...]
    busy: dict[str, float]


@dataclass
class _Process:
    """A process: its current block, what its workers have on the way, what its device does."""

    left: int = 0
    blocks: int = 0
    asked: int = 0
    begun: int = 0
    running: bool = False
    decoded: set[int] = field(default_factory=set)
    last_of_block: set[int] = field(default_factory=set)
    parked: deque[None] = field(default_factory=deque)


class _Simulation:
    """Events in order of time."""

    def __init__(self, workload: Workload, cluster: Cluster) -> None:
        self._work = workload
        self._cluster = cluster
        self._pool = self._block_sizes()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._scheduled = 0
        self._pipe_free = 0.0
        self._last = 0.0
        self._worked = 0.0
        self.finished: list[float] = []
        self.processes = [_Process() for _ in range(cluster.processes)]

    def run(self) -> Outcome:
        """Run all videos."""
        for _ in range(self._cluster.workers):
            for process in self.processes:
                self._fetch(process, 0.0)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            self._last = now
            action(now)
        return Outcome(
            seconds=self._last,
            finished=tuple(self.finished),
            blocks=tuple(process.blocks for process in self.processes),
            busy=self._busy(),
        )

    def _block_sizes(self) -> Iterator[int]:
        for first in range(0, self._work.videos, self._work.block):
            yield min(self._work.block, self._work.videos - first)

    def _at(self, time: float, action: Callable[[float], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._events, (time, self._scheduled, action))

    def _fetch(self, process: _Process, now: float) -> None:
        """Let a worker take the next video, or wait until the device has taken one."""
        if process.asked - process.begun >= PREFETCH * self._cluster.workers:
            process.parked.append(None)
            return
        if not process.left:
            process.left = next(self._pool, 0)
            if not process.left:
                return
            process.blocks += 1
        number, process.asked, process.left = process.asked, process.asked + 1, process.left - 1
        if not process.left:
            process.last_of_block.add(number)
        opened = now + self._cluster.latency
        self._at(opened, lambda at: self._read(process, number, at))

    def _read(self, process: _Process, number: int, now: float) -> None:
        self._pipe_free = (
            max(now, self._pipe_free) + self._work.size_bytes / self._cluster.bandwidth
        )
        done = self._pipe_free + self._work.decode_seconds
        self._worked += done - now + self._cluster.latency
        self._at(done, lambda at: self._decoded(process, number, at))

    def _decoded(self, process: _Process, number: int, now: float) -> None:
        process.decoded.add(number)
        self._begin(process, now)
        self._fetch(process, now)

    def _begin(self, process: _Process, now: float) -> None:
        """Start the next video in order on the device, if it is there and the device is free."""
        if process.running or process.begun not in process.decoded:
            return
        number = process.begun
        process.decoded.remove(number)
        process.begun += 1
        process.running = True
        books = self._work.block_seconds if number in process.last_of_block else 0.0
        self._at(now + self._work.model_seconds + books, lambda at: self._ran(process, at))
        if process.parked:
            process.parked.popleft()
            self._fetch(process, now)

    def _ran(self, process: _Process, now: float) -> None:
        self.finished.append(now)
        process.running = False
        self._begin(process, now)

    def _busy(self) -> dict[str, float]:
        total = max(self._last, 1e-12)
        limits = bound(self._work, self._cluster)
        workers = self._cluster.processes * self._cluster.workers
        return {
            "workers": self._worked / (workers * total),
            "file system": limits.reading / total,
            "devices": limits.model / total,
        }


def simulate(workload: Workload, cluster: Cluster) -> Outcome:
    """Simulate an evaluation video by video."""
    return _Simulation(workload, cluster).run()


def estimate(workload: Workload, cluster: Cluster, *, sample: int = 20_000) -> float:
    """Return the seconds of an evaluation from the simulation of its first videos.

    Args:
        workload: The videos.
        cluster: What runs them.
        sample: Videos that are simulated; those that follow take as long as those in the middle
            of them, over whole rounds of blocks.
    """
    if workload.videos <= sample:
        return simulate(workload, cluster).seconds
    outcome = simulate(replace(workload, videos=sample), cluster)
    round_of_blocks = workload.block * cluster.processes
    rounds = max(sample // round_of_blocks // 2, 1)
    last = sample // 4 + rounds * round_of_blocks
    if last >= sample:
        return outcome.seconds * workload.videos / sample
    spent = outcome.finished[last] - outcome.finished[sample // 4]
    return outcome.seconds + (workload.videos - sample) * spent / (last - sample // 4)
