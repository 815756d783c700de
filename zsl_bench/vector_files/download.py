"""Word vectors by the name that gensim's downloader knows them by."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.errors import WordVectorError

if TYPE_CHECKING:
    from collections.abc import Iterator


def fetch_gensim(name: str) -> Path:
    """Download a set of vectors with gensim, unless it has done so before.

    Only the file is fetched; gensim's loading code, which would run a downloaded script, is not
    used.

    Returns:
        Path of the file.

    Raises:
        WordVectorError: gensim knows no such name, or cannot download it.
    """
    from gensim import downloader

    asked = f"word vectors gensim:{name}"
    try:
        with redirect_stdout(sys.stderr), _quiet("gensim.downloader"):
            return Path(downloader.load(name, return_path=True))
    except ValueError as error:
        raise WordVectorError(
            asked,
            found=f"gensim's downloader says: {error}",
            fix="see gensim.downloader.info(name_only=True) for the names, and check the network",
        ) from error
    except Exception as error:
        raise WordVectorError(
            asked,
            found=f"the download failed ({error})",
            fix="check the network, or download the vectors elsewhere and give their path",
        ) from error


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence a logger, which would print a traceback for what is told in one line here."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
