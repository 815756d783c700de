"""Unpacking of data sets as they are downloaded: rar, rar of rars, zip and tar."""

from __future__ import annotations

from zsl_bench.archives.contents import ArchiveError
from zsl_bench.archives.counting import ArchiveProgress
from zsl_bench.archives.kinds import archive_stem, find_archives, is_archive
from zsl_bench.archives.unpacking import Unpacked, unpack, unpack_folder

__all__ = [
    "ArchiveError",
    "ArchiveProgress",
    "Unpacked",
    "archive_stem",
    "find_archives",
    "is_archive",
    "unpack",
    "unpack_folder",
]
