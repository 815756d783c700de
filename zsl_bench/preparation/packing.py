"""Which rows go into which shard, and packing each shard once its last video is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError
from zsl_bench.preparation.plan import is_done, shard_groups
from zsl_bench.preparation.shards import ShardRow, content_hash, shard_name, write_shard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.preparation.journal import Journal
    from zsl_bench.preparation.plan import Row
    from zsl_bench.videos import Manifest


class Packer:
    """Packs prepared files into shards and removes the plain ones; without shards it does nothing.

    Args:
        rows: All rows.
        manifest: The manifest that they are rows of.
        folder: Where the shards go.
        journal: What is finished; shards are written down in it.
        videos: Rows a shard; None for plain files.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        manifest: Manifest,
        folder: Path,
        journal: Journal,
        videos: int | None,
    ) -> None:
        self._manifest = manifest
        self._folder = folder
        self._journal = journal
        self._keys = {row.key: f"{number:06d}" for number, row in enumerate(rows)}
        self._groups = [] if videos is None else shard_groups(rows, videos)
        self._group_of = {
            row.key: number for number, group in enumerate(self._groups) for row in group
        }
        self._packed = {n for n, group in enumerate(self._groups) if self._is_there(n, group)}
        for number in self._packed:
            self._remove_plain(self._groups[number])

    def is_packed(self, row: Row) -> bool:
        """Return whether a row lies in a finished shard of which nothing changed."""
        return self._group_of.get(row.key) in self._packed

    def add(self, row: Row) -> None:
        """Take note that a row is done, and pack its shard if it was the last of it.

        Raises:
            ResultError: The shard cannot be written or does not read back.
        """
        number = self._group_of.get(row.key)
        if number is not None:
            self._pack_if_complete(number)

    def finish(self) -> list[dict[str, Any]]:
        """Pack what is left and return the shards: file, videos and size in bytes.

        Raises:
            ResultError: A shard cannot be written or does not read back.
        """
        for number in range(len(self._groups)):
            self._pack_if_complete(number)
        return [
            {
                "file": f"{self._folder.name}/{self._name(number)}",
                "videos": len(members),
                "bytes": self._journal.shards[self._name(number)][0],
            }
            for number, group in enumerate(self._groups)
            if (members := self._members(group))
        ]

    def _name(self, number: int) -> str:
        return shard_name(self._manifest.dataset, number)

    def _members(self, group: Sequence[Row]) -> list[ShardRow]:
        """Return the rows of a group that could be prepared."""
        known = ((row, self._journal.outcomes.get(row.key)) for row in group)
        return [
            ShardRow(row=row, outcome=outcome, key=self._keys[row.key])
            for row, outcome in known
            if outcome is not None and not outcome.problem
        ]

    def _is_there(self, number: int, group: Sequence[Row]) -> bool:
        size, content = self._journal.shards.get(self._name(number), (-1, ""))
        path = self._folder / self._name(number)
        return (
            path.is_file()
            and path.stat().st_size == size
            and all(is_done(row, self._journal.outcomes, packed=True) for row in group)
            and content == content_hash(self._members(group))
        )

    def _pack_if_complete(self, number: int) -> None:
        group = self._groups[number]
        if number in self._packed or any(r.key not in self._journal.outcomes for r in group):
            return
        members = self._members(group)
        if members:
            path = self._folder / self._name(number)
            try:
                size = write_shard(path, members, self._manifest)
            except OSError as error:
                raise ResultError(
                    f"write {path}",
                    found=error.strerror or str(error),
                    fix="run the same command again",
                ) from error
            self._journal.keep_shard(path.name, size, content_hash(members))
        self._packed.add(number)
        self._remove_plain(group)

    def _remove_plain(self, group: Sequence[Row]) -> None:
        for row in group:
            row.task.target.unlink(missing_ok=True)
