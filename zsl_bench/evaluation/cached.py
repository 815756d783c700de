"""Videos whose clip outputs may be in the cache: which need not be decoded, and what is added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.clip_cache import ClipOutputs, Entry, SeenFile
from zsl_bench.errors import ResultError
from zsl_bench.evaluation.batching import PooledVideo, pool
from zsl_bench.evaluation.loading import LoadedVideo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from zsl_bench.clip_cache import ClipCache, FileDigests
    from zsl_bench.evaluation.loading import VideoDataset
    from zsl_bench.videos import Manifest, Video


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What a run needs of a cache.

    Attributes:
        clips: Outputs by content.
        digests: Digests of files that were hashed before.
        pooling: How a video's outputs are pooled, as for fresh ones.
        note: Told in one line when the cache cannot be written.
    """

    clips: ClipCache
    digests: FileDigests
    pooling: str
    note: Callable[[str], None]


class HashedVideos:
    """A map-style dataset that hashes a file and decodes it only if its outputs are not kept.

    It runs in the decoding processes, where a file is hashed beside the decoding of others, and its
    bytes are read from the disk once for both.

    Args:
        dataset: What decodes.
        known: Files whose digest is known, by position.
        kept: Videos whose outputs are kept.
    """

    def __init__(
        self, dataset: VideoDataset, known: Mapping[int, SeenFile], kept: Collection[Entry]
    ) -> None:
        self.dataset = dataset
        self.manifest = dataset.manifest
        self.policy = dataset.policy
        self.spec = dataset.spec
        self.decoded = dataset.decoded
        self._known = known
        self._kept = kept

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.dataset)

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return a video with its digest; without frames where its outputs are kept.

        A file that changes while it is read has no digest.
        """
        video = self.manifest.videos[position]
        path = self.manifest.resolve(video)
        seen = self._known.get(position)
        if seen is None or not seen.is_same(path):
            seen = SeenFile.read(path)
        if seen is not None and _entry(seen, video) in self._kept:
            return {"position": position, "seen": seen}
        item = self.dataset[position]
        if seen is not None and "frames" in item and seen.is_same(path):
            item["seen"] = seen
        return item


class CachedVideos:
    """The videos of one run with a cache: found there, or decoded and added.

    Args:
        dataset: What decodes.
        kept: The cache.

    Attributes:
        manifest: The videos.
        loaded: The dataset for the processes that decode.
    """

    def __init__(self, dataset: VideoDataset, kept: Kept) -> None:
        self.manifest: Manifest = dataset.manifest
        self._dataset = dataset
        self._kept = kept
        self._writes = True
        paths = (self.manifest.resolve(video) for video in self.manifest.videos)
        seen = enumerate(kept.digests.known(paths))
        self._known = {position: each for position, each in seen if each is not None}
        self._fresh: dict[int, SeenFile] = {}
        self.loaded = HashedVideos(dataset, self._known, kept.clips.entries)

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self._dataset)

    def reads(self, position: int) -> bool:
        """Say whether the video at a position can be read."""
        return self._dataset.reads(position)

    def found(self, position: int) -> PooledVideo | None:
        """Return a video whose digest was known before and whose outputs are kept, else None."""
        seen = self._known.get(position)
        return None if seen is None else self._find(position, seen)

    def looked_up(self, video: LoadedVideo) -> PooledVideo | LoadedVideo:
        """Return a loaded video's kept outputs, or the video itself where it must be run.

        Where its outputs were found to be kept but are gone or damaged by now, it is decoded here.
        """
        if video.seen is None:
            return video
        self._fresh[video.position] = video.seen
        if video.frames is not None:
            return video
        pooled = self._find(video.position, video.seen)
        if pooled is not None:
            return pooled
        decoded = LoadedVideo(**self._dataset[video.position])
        path = self.manifest.resolve(self.manifest.videos[video.position])
        if not video.seen.is_same(path):
            del self._fresh[video.position]
        return decoded

    def add(self, positions: Iterable[int], fresh: Mapping[int, PooledVideo]) -> None:
        """Keep the outputs of a block's videos that were run, and the digests of those hashed.

        A cache that cannot be written is told once, and done without from then on.

        Args:
            positions: The videos of the block. Another block may be finished before this one.
            fresh: Videos that were run, by position, with their clips.
        """
        seen = {p: self._fresh.pop(p) for p in positions if p in self._fresh}
        if not self._writes:
            return
        outputs = [
            (_entry(seen[p], self.manifest.videos[p]), _outputs(video))
            for p, video in sorted(fresh.items())
            if p in seen
        ]
        try:
            self._kept.clips.add(outputs)
            self._kept.digests.add(s for p, s in seen.items() if self._known.get(p) != s)
        except ResultError as error:
            self._writes = False
            self._kept.note(f"clips are not cached any more: {error}")

    def _find(self, position: int, seen: SeenFile) -> PooledVideo | None:
        found = self._kept.clips.find(_entry(seen, self.manifest.videos[position]))
        if found is None:
            return None
        weights = found.weights.astype(np.float64)
        return PooledVideo(
            vector=pool(found.vectors.astype(np.float64), weights, self._kept.pooling),
            clips=found.vectors,
            weights=weights,
        )


def _entry(seen: SeenFile, video: Video) -> Entry:
    start, end = (None if time is None else float(time) for time in (video.start, video.end))
    return Entry(seen.sha256, start, end)


def _outputs(video: PooledVideo) -> ClipOutputs:
    assert video.clips is not None  # noqa: S101
    return ClipOutputs(vectors=video.clips, weights=video.weights.astype(np.int64))
