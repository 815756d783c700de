"""Outputs of clips kept on disk by content, for any later run that needs the same ones."""

from __future__ import annotations

from zsl_bench.clip_cache.cache import DIGESTS, ClipCache
from zsl_bench.clip_cache.digests import FileDigests, FileStamp, SeenFile
from zsl_bench.clip_cache.shards import ClipOutputs, Entry
from zsl_bench.clip_cache.upkeep import (
    Damage,
    KeySummary,
    PruneRule,
    ShardFile,
    Verification,
    remove,
    summaries,
    to_prune,
    verify,
)

__all__ = [
    "DIGESTS",
    "ClipCache",
    "ClipOutputs",
    "Damage",
    "Entry",
    "FileDigests",
    "FileStamp",
    "KeySummary",
    "PruneRule",
    "SeenFile",
    "ShardFile",
    "Verification",
    "remove",
    "summaries",
    "to_prune",
    "verify",
]
