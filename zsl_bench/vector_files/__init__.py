"""Readers of word-vector files: only the words that are wanted, with the digest of the whole file.

Private to ``zsl_bench.wordvectors``. A file is streamed once; what was found, and what was not, is
kept in the cache.
"""

from __future__ import annotations

from zsl_bench.vector_files.download import fetch_gensim
from zsl_bench.vector_files.reading import read_vectors
from zsl_bench.vector_files.slim import SlimVectors

__all__ = ["SlimVectors", "fetch_gensim", "read_vectors"]
