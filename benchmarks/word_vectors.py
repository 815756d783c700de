"""Reading a few words of a large word-vector file: zsl-bench against gensim.

Writes a synthetic word2vec ``.bin`` with the shape of GoogleNews, then reads the words of the
bundled classes from it in fresh processes and prints seconds, peak memory and ratios.

    python benchmarks/word_vectors.py [--words 300000] [--dim 300]

Needs Linux, for /proc/self/status.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from zsl_bench.classes import bundled_class_sets, load_class_set

OURS = """
from pathlib import Path
from zsl_bench.wordvectors import load_word_vectors
before = memory("VmRSS")
vectors = load_word_vectors(Path(path), words=words)
found = len(vectors.words)
"""
GENSIM = """
from gensim.models import KeyedVectors
before = memory("VmRSS")
vectors = KeyedVectors.load_word2vec_format(path, binary=True)
found = sum(word in vectors for word in words)
"""
FRAME = """
import json, sys, time
path, words = sys.argv[1], json.loads(sys.argv[2])
def memory(field):
    with open("/proc/self/status") as stream:
        return next(int(line.split()[1]) / 1024 for line in stream if line.startswith(field))
start = time.perf_counter()
{body}
print(json.dumps([time.perf_counter() - start, memory("VmHWM") - before, found]))
"""


def bundled_words() -> list[str]:
    """Return the words of the bundled classes."""
    tables = map(load_class_set, bundled_class_sets())
    return sorted({word for table in tables for words in table.words for word in words})


def write_file(path: Path, count: int, dim: int) -> None:
    """Write a ``.bin`` in which the bundled words are spread over the whole file."""
    generator = np.random.default_rng(0)
    spread = bundled_words()
    names = [f"word_{i}" for i in range(count)]
    for word, place in zip(spread, np.linspace(0, count - 1, len(spread)).astype(int), strict=True):
        names[place] = word
    with path.open("wb") as stream:
        stream.write(f"{count} {dim}\n".encode("ascii"))
        for start in range(0, count, 10_000):
            block = generator.standard_normal((min(10_000, count - start), dim), np.float32)
            rows = zip(names[start : start + len(block)], block, strict=True)
            stream.write(b"".join(name.encode() + b" " + row.tobytes() for name, row in rows))


def measure(title: str, body: str, path: Path, cache: Path) -> tuple[float, float]:
    """Run a reader in a fresh process: (seconds with imports, MiB above what imports take)."""
    done = subprocess.run(
        [sys.executable, "-c", FRAME.format(body=body), str(path), json.dumps(bundled_words())],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "ZSL_BENCH_CACHE": str(cache)},
    )
    seconds, memory, found = json.loads(done.stdout.splitlines()[-1])
    print(f"{title:34s} {seconds:8.2f} s {memory:9.0f} MiB  {found} words")
    return seconds, memory


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--words", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "vectors.bin"
        write_file(path, arguments.words, arguments.dim)
        print(f"{arguments.words} x {arguments.dim}, {path.stat().st_size / 2**20:.0f} MiB")
        slow = measure("gensim load_word2vec_format", GENSIM, path, folder)
        first = measure("zsl-bench .bin, first time", OURS, path, folder)
        again = measure("zsl-bench .bin, from the cache", OURS, path, folder)
        packed = path.with_name("vectors.bin.gz")
        with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as stream:
            shutil.copyfileobj(plain, stream, 1 << 20)
        slow_gz = measure("gensim .bin.gz", GENSIM, packed, folder)
        first_gz = measure("zsl-bench .bin.gz, first time", OURS, packed, folder)
        print(f".bin: {slow[0] / first[0]:.1f} times faster, memory {first[1] / slow[1]:.3f} of it")
        print(f".bin again: {slow[0] / again[0]:.1f} times faster")
        print(f".bin.gz: {slow_gz[0] / first_gz[0]:.1f} times faster")


if __name__ == "__main__":
    main()
