"""Prepared files packed into tar shards that the webdataset package reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.files import atomic_write, canonical_json, sha256_bytes, sha256_json
from zsl_bench.preparation.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zsl_bench.preparation.encode import Outcome
    from zsl_bench.preparation.plan import Row
    from zsl_bench.videos import Manifest

_MODE = 0o444


@dataclass(frozen=True, kw_only=True)
class ShardRow:
    """A prepared video that goes into a shard.

    Attributes:
        row: What was prepared.
        outcome: What became of it.
        key: The sample's name, its number among the rows of the manifest.
    """

    row: Row
    outcome: Outcome
    key: str


def require_webdataset() -> None:
    """See that the webdataset package is there.

    Raises:
        DatasetError: It is not.
    """
    try:
        import webdataset  # noqa: F401
    except ImportError as error:
        raise DatasetError(
            "write shards",
            found="the webdataset package is not installed",
            fix="pip install 'zsl-bench[shards]'",
        ) from error


def shard_name(dataset: str, number: int) -> str:
    """Return the file name of a shard."""
    return f"{safe_name(dataset)}-{number:06d}.tar"


def content_hash(members: Sequence[ShardRow]) -> str:
    """Return a hash of what a shard is made from."""
    return sha256_json(
        [
            [member.row.key, member.outcome.source_bytes, member.outcome.source_mtime_ns]
            for member in members
        ]
    )


def write_shard(path: Path, members: Sequence[ShardRow], manifest: Manifest) -> int:
    """Pack prepared files into a shard, whole or not at all, and read it back.

    Equal files give equal bytes: nothing of the time, the user or the folder goes in.

    Args:
        path: The shard.
        members: Its videos, whose plain files are there, in order.
        manifest: The manifest that they are rows of.

    Returns:
        Its size in bytes.

    Raises:
        ResultError: It cannot be written, or does not read back as it was written.
    """
    from webdataset import TarWriter

    with (
        atomic_write(path) as stream,
        TarWriter(stream, encoder=False, mtime=0, user="", group="", mode=_MODE) as writer,
    ):
        for member in members:
            video = member.row.task.target.read_bytes()
            writer.write({"__key__": member.key, **_sample(member, video, manifest)})
    _verify(path, members, manifest)
    return path.stat().st_size


def _sample(member: ShardRow, video: bytes, manifest: Manifest) -> dict[str, bytes]:
    row, outcome = member.row.video, member.outcome
    index = manifest.classes.index(row.label)
    facts: dict[str, Any] = {
        "dataset": manifest.dataset,
        "id": row.id,
        "label": row.label,
        "class": index,
        "group": row.group,
        "frames": outcome.frames,
        "height": outcome.size[0],
        "width": outcome.size[1],
        "sha256": sha256_bytes(video),
    }
    return {"mp4": video, "cls": str(index).encode(), "json": canonical_json(facts)}


def _verify(path: Path, members: Sequence[ShardRow], manifest: Manifest) -> None:
    """Read a shard with webdataset and compare it with the files it was made from."""
    found = _samples(path)
    for member in members:
        sample = next(found, None)
        video = member.row.task.target.read_bytes()
        expected = {"__key__": member.key, **_sample(member, video, manifest)}
        if sample is None or {name: sample.get(name) for name in expected} != expected:
            raise _damaged(path, f"another sample than {member.key}")
    if next(found, None) is not None:
        raise _damaged(path, "more samples than were written")


def _samples(path: Path) -> Iterator[dict[str, Any]]:
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    with path.open("rb") as stream:
        files = ({**file, "__url__": path.name} for file in tar_file_iterator(stream))
        yield from group_by_keys(files)


def _damaged(path: Path, found: str) -> ResultError:
    return ResultError(f"read back {path}", found=found, fix="run the same command again")
