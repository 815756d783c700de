"""Reading the words of the bundled classes from a word-vector file as large as GoogleNews.

    python benchmarks/word_vectors.py [--words 3000000] [--dim 300] [--runs 1] [--kinds bin gz]
        [--folder FOLDER] [--quick] [--json]

Writes a synthetic word2vec ``.bin`` of 3.6 GB with the wanted words spread over all of it, and
``.bin.gz`` from it. The values are rounded to bfloat16, so that gzip has something to do. Every
reader runs in a process of its own, the readers in turn: gensim, which reads the whole file
(4 GB of memory), ours with an empty cache, and ours again from the cache. Seconds count the
imports; memory is the peak above what the process takes after the imports. All readers must bring
the same vectors: the exit code is 1 where they do not. ``--quick`` takes 3,000 words.

Needs Linux, for /proc/self/status, and gensim.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from zsl_bench.classes import bundled_class_sets, load_class_set

OURS = """
from pathlib import Path
from zsl_bench.vector_files.reading import read_vectors
before = memory("VmRSS")
slim = read_vectors(Path(path), words)
found, matrix = len(slim.words), slim.matrix
"""
GENSIM = """
import numpy
from gensim.models import KeyedVectors
before = memory("VmRSS")
vectors = KeyedVectors.load_word2vec_format(path, binary=True)
known = [word for word in words if word in vectors]
found, matrix = len(known), numpy.stack([vectors[word] for word in known])
"""
FRAME = """
import hashlib, json, sys, time
path, words = sys.argv[1], json.loads(sys.argv[2])
def memory(field):
    with open("/proc/self/status") as stream:
        return next(int(line.split()[1]) / 1024 for line in stream if line.startswith(field))
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
digest = hashlib.sha256(matrix.astype("<f4").tobytes()).hexdigest()
print(json.dumps({{"seconds": seconds, "mib": memory("VmHWM") - before, "found": found,
                  "sha256": digest}}))
"""
READERS = {"gensim": GENSIM, "first time": OURS, "from the cache": OURS}
FULL, QUICK = 3_000_000, 3_000
FLOOR, MOST_MEMORY = 3.75, 0.01
BLOCK = 10_000
UPPER_HALF = np.uint32(0xFFFF0000)


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
        for start in range(0, count, BLOCK):
            block = generator.standard_normal((min(BLOCK, count - start), dim), np.float32)
            block = (block.view(np.uint32) & UPPER_HALF).view(np.float32)
            rows = zip(names[start : start + len(block)], block, strict=True)
            stream.write(b"".join(name.encode() + b" " + row.tobytes() for name, row in rows))


def pack(path: Path) -> Path:
    """Write the file gzipped beside itself."""
    packed = path.with_name(path.name + ".gz")
    with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as stream:
        shutil.copyfileobj(plain, stream, 1 << 20)
    return packed


def read_once(body: str, path: Path, cache: Path) -> dict[str, Any]:
    """Run a reader in a fresh process: its seconds, MiB, words found and digest of the vectors."""
    done = subprocess.run(
        [sys.executable, "-c", FRAME.format(body=body), str(path), json.dumps(bundled_words())],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ZSL_BENCH_CACHE": str(cache)},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(path: Path, runs: int) -> dict[str, list[dict[str, Any]]]:
    """Run every reader in turn; each run begins with an empty cache."""
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=path.parent) as cache:
            for name, body in READERS.items():
                measured[name].append(read_once(body, path, Path(cache)))
    return measured


def compare(measured: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return seconds, memory and their ratios to gensim's, and whether all vectors are equal."""
    seconds = {name: [run["seconds"] for run in runs] for name, runs in measured.items()}
    memory = {name: statistics.median(r["mib"] for r in runs) for name, runs in measured.items()}
    answers = {(run["found"], run["sha256"]) for runs in measured.values() for run in runs}
    return {
        "agree": len(answers) == 1,
        "words_found": min(found for found, _ in answers),
        "rows": [
            {
                "reader": name,
                "seconds": statistics.median(seconds[name]),
                "mib": memory[name],
                "ratio": spread(
                    [a / b for a, b in zip(seconds["gensim"], seconds[name], strict=True)]
                ),
                "memory_ratio": memory[name] / memory["gensim"],
            }
            for name in READERS
        ],
    }


def spread(ratios: list[float]) -> dict[str, float]:
    """Return median, lowest and highest."""
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def show(kind: str, table: dict[str, Any]) -> None:
    """Print the readers of one kind of file."""
    print(f"| {kind} | s | against gensim | MiB | of gensim's |\n|---|--:|--:|--:|--:|")
    for row in table["rows"]:
        times = row["ratio"]
        print(
            f"| {row['reader']} | {row['seconds']:.2f} | {times['median']:.1f}x "
            f"({times['low']:.1f} to {times['high']:.1f}) | {row['mib']:.0f} "
            f"| {row['memory_ratio']:.4f} |"
        )
    print(f"{table['words_found']} words, equal vectors: {'yes' if table['agree'] else 'NO'}\n")


def main() -> None:
    """Write the files, read them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--words", type=int, default=FULL)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=("bin", "gz"), default=["bin", "gz"])
    parser.add_argument("--folder", type=Path, help="where the files are written for the while")
    parser.add_argument("--quick", action="store_true", help="3,000 words; a check, not a figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    count = QUICK if arguments.quick else arguments.words
    tables = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        path = Path(name) / "vectors.bin"
        write_file(path, count, arguments.dim)
        bytes_of = {"bin": path.stat().st_size}
        for kind in arguments.kinds:
            file = path if kind == "bin" else pack(path)
            bytes_of[kind] = file.stat().st_size
            tables[kind] = compare(measure(file, arguments.runs))
    if count >= FULL and "bin" in tables:
        first = tables["bin"]["rows"][1]
        tables["bin"]["above_floor"] = first["ratio"]["median"] >= FLOOR
        tables["bin"]["within_limit"] = first["memory_ratio"] <= MOST_MEMORY
    if arguments.json:
        sizes = {"words": count, "dim": arguments.dim, "bytes": bytes_of, "runs": arguments.runs}
        print(json.dumps({**sizes, "kinds": tables}, indent=1))
    else:
        print(f"{count:,} words of {arguments.dim} values, bytes: {bytes_of}")
        for kind, table in tables.items():
            show(kind, table)
    sys.exit(not all(table["agree"] for table in tables.values()))


if __name__ == "__main__":
    main()
