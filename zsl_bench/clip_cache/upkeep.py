"""Looking after a cache: what is there, whether it is whole, and what can go."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.clip_cache.cache import DIGESTS, KEY_FILE, KEYS
from zsl_bench.clip_cache.shards import (
    SUFFIX,
    Entry,
    ShardError,
    listed,
    read_header,
    read_shard,
)
from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, read_json, sha256_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PART = ".*.part"
_PART_SECONDS = 86_400.0
_KEY_NAME = re.compile("[0-9a-f]{64}")
_SHARD_NAME = re.compile(r"\d{20}-[0-9a-f]{12}" + re.escape(SUFFIX))


@dataclass(frozen=True, kw_only=True)
class KeySummary:
    """What a cache holds under one key.

    Attributes:
        key: The key, in hex.
        model: Name of the model, None where the key's own file is gone or damaged.
        policy: Clip policy, or None.
        parts: All that makes the key, empty where its file is gone.
        videos: How many videos, or parts of videos, there are.
        clips: How many clips they have.
        shards: How many files hold them.
        damaged: How many files are no shards of this key, as far as their headers say.
        size: Bytes of all its files.
        last_used: When a file was last written or read from, seconds since 1970.
    """

    key: str
    model: str | None
    policy: str | None
    parts: dict[str, Any]
    videos: int
    clips: int
    shards: int
    damaged: int
    size: int
    last_used: float


@dataclass(frozen=True, kw_only=True)
class ShardFile:
    """A file of a cache.

    Attributes:
        path: The file.
        model: Name of its key's model, or None; digests of video files have no model.
        size: Bytes.
        last_used: When it was written or last read from, seconds since 1970.
    """

    path: Path
    model: str | None
    size: int
    last_used: float


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file that is not what it should be.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a check of every byte found.

    Attributes:
        shards: How many shards were read.
        size: How many bytes they have.
        damaged: Those that are not whole, and keys whose file does not give them.
    """

    shards: int
    size: int
    damaged: tuple[Damage, ...]


@dataclass(frozen=True, kw_only=True)
class PruneRule:
    """What is to go; a file goes where any of it says so.

    Attributes:
        unused_for: Seconds since it was last used.
        most_bytes: Size that is to be left, the longest unused going first.
        model: Only files of the model of this name count, and without another rule all go.
        everything: All files; without a model also the digests of video files.
    """

    unused_for: float | None = None
    most_bytes: int | None = None
    model: str | None = None
    everything: bool = False


def summaries(root: Path) -> list[KeySummary]:
    """Return what a cache holds, key by key, the last used first."""
    found = [_summary(folder) for folder in _folders(root)]
    return sorted(
        (each for each in found if each.size), key=lambda each: (-each.last_used, each.key)
    )


def verify(root: Path) -> Verification:
    """Read every shard and check its digest and key."""
    shards, size, damaged = 0, 0, []
    for folder in _folders(root):
        if _key_file(folder) == {}:
            damaged.append(Damage(path=folder / KEY_FILE, reason="it does not give its key"))
        for path in _shards(folder):
            length = 0
            try:
                length = path.stat().st_size
                header, _ = read_shard(path)
                reason = None if header.key == folder.name else "it belongs to another key"
            except ShardError as error:
                reason = str(error)
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = error.strerror or str(error)
            shards, size = shards + 1, size + length
            if reason is not None:
                damaged.append(Damage(path=path, reason=reason))
    return Verification(shards=shards, size=size, damaged=tuple(damaged))


def to_prune(root: Path, rule: PruneRule, *, now: float | None = None) -> list[ShardFile]:
    """Return the files that a rule lets go, the longest unused first.

    Args:
        root: Folder of the cache.
        rule: What is to go.
        now: Seconds since 1970; None for the time now.
    """
    moment = time.time() if now is None else now
    files = sorted(_shard_files(root, rule.model), key=lambda each: (each.last_used, each.path))
    alone = rule.model is not None and rule.unused_for is None and rule.most_bytes is None
    too_much = 0
    if rule.most_bytes is not None:
        too_much = sum(each.size for each in files) - rule.most_bytes
    going = []
    for each in files:
        unused = moment - each.last_used
        old = rule.unused_for is not None and unused >= rule.unused_for
        if rule.everything or alone or old or too_much > 0:
            going.append(each)
            too_much -= each.size
    if rule.everything and rule.model is None:
        going += _files(listed(root / DIGESTS, "[!.]*"), None)
    return going


def remove(root: Path, paths: Iterable[Path]) -> None:
    """Remove files of a cache, and folders of keys and leavings of killed runs behind them.

    A run that reads or writes the cache meanwhile does not mind: what it looks for is not there any
    more, and what it adds is.
    """
    for path in paths:
        with suppress(OSError):
            path.unlink()
    for folder in (*_folders(root), root / DIGESTS):
        for part in listed(folder, _PART):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _PART_SECONDS:
                    part.unlink()
        if not any(path.name != KEY_FILE for path in listed(folder)):
            with suppress(OSError, ResultError):
                _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    """Remove a folder without shards; where one is written meanwhile, the key's file stays."""
    key_file = folder / KEY_FILE
    content = key_file.read_bytes() if key_file.exists() else None
    key_file.unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        if content is not None and folder.is_dir() and not key_file.exists():
            with atomic_write(key_file) as stream:
                stream.write(content)


def _folders(root: Path) -> list[Path]:
    named = (path for path in listed(root / KEYS) if _KEY_NAME.fullmatch(path.name))
    return [path for path in named if path.is_dir()]


def _shards(folder: Path) -> list[Path]:
    """Return the shards of a key by their names; other files are none of the cache's."""
    return [path for path in listed(folder) if _SHARD_NAME.fullmatch(path.name)]


def _key_file(folder: Path) -> dict[str, Any] | None:
    """Return all that makes a key: nothing where its file does not give it, None without a file."""
    try:
        parts = read_json(folder / KEY_FILE, what="key file")["parts"]
        if isinstance(parts, dict) and sha256_json(parts) == folder.name:
            return parts
    except ResultError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
    except (ValueError, KeyError, TypeError):
        pass
    return {}


def _described(parts: dict[str, Any]) -> tuple[str | None, str | None]:
    run = parts.get("run")
    run = run if isinstance(run, dict) else {}
    model = run.get("model")
    name = model.get("name") if isinstance(model, dict) else None
    return name, run.get("clip_policy")


def _shard_files(root: Path, model: str | None) -> list[ShardFile]:
    files = []
    for folder in _folders(root):
        name, _ = _described(_key_file(folder) or {})
        if model is not None and name != model:
            continue
        files += _files(_shards(folder), name)
    return files


def _files(paths: Iterable[Path], model: str | None) -> list[ShardFile]:
    files = []
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            files.append(
                ShardFile(path=path, model=model, size=status.st_size, last_used=status.st_mtime)
            )
    return files


def _summary(folder: Path) -> KeySummary:
    parts = _key_file(folder) or {}
    name, policy = _described(parts)
    clips: dict[Entry, int] = {}
    shards = damaged = 0
    for path in _shards(folder):
        try:
            header = read_header(path)
        except FileNotFoundError:
            continue
        except (ShardError, OSError):
            damaged += 1
            continue
        if header.key != folder.name:
            damaged += 1
            continue
        shards += 1
        for entry, count in header.counts:
            clips.setdefault(entry, count)
    statuses = []
    for path in listed(folder):
        with suppress(OSError):
            statuses.append(path.stat())
    return KeySummary(
        key=folder.name,
        model=name,
        policy=policy,
        parts=parts,
        videos=len(clips),
        clips=sum(clips.values()),
        shards=shards,
        damaged=damaged,
        size=sum(status.st_size for status in statuses),
        last_used=max((status.st_mtime for status in statuses), default=0.0),
    )
