"""Seconds to read a features file of all of UCF101 and to match it to the official videos.

13,320 vectors of 512 float32 numbers with ids, written by the script in every format; the best of
some runs, files in the page cache. Every format must give the same vectors back.

    python benchmarks/features.py [--runs 5] [--quick] [--json]

``--quick`` reads each once. The exit code is 1 where a format gives other vectors back.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from zsl_bench.datasets import official_list
from zsl_bench.features import match_features, read_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 512


def write(folder: Path, ids: list[str], vectors: NDArray[np.float32]) -> tuple[Path, ...]:
    """Write the features in every format and return the files."""
    np.savez(folder / "f.npz", video_ids=np.array(ids), video_vectors=vectors)
    save_file(
        {"video_vectors": vectors},
        folder / "f.safetensors",
        metadata={"video_ids": json.dumps(ids)},
    )
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), SIZE)
    pq.write_table(pa.table({"id": ids, "vector": lists}), folder / "list.parquet")
    columns = {f"f{i}": vectors[:, i] for i in range(SIZE)}
    pq.write_table(pa.table({"id": ids, **columns}), folder / "columns.parquet")
    with (folder / "f.csv").open("w") as stream:
        stream.write(",".join(["id", *columns]) + "\n")
        for video, row in zip(ids, vectors.tolist(), strict=True):
            stream.write(",".join([video, *map(repr, row)]) + "\n")
    names = ("f.npz", "f.safetensors", "list.parquet", "columns.parquet", "f.csv")
    return tuple(folder / name for name in names)


def measure(path: Path, vectors: NDArray[np.float32], runs: int) -> tuple[float, float]:
    """Return the least seconds to read a file and to match it, checking what comes out."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        features = read_features(path)
        middle = time.perf_counter()
        matched = match_features(features, "ucf101")
        seconds.append((middle - start, time.perf_counter() - middle))
        found = features.video_vectors
        same = found is not None and np.array_equal(found, vectors)
        if not same or matched.manifest.missing:
            raise SystemExit(f"{path.name} does not give the vectors back")
    reading, matching = zip(*seconds, strict=True)
    return min(reading), min(matching)


def main() -> None:
    """Print a table of seconds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one run; a check, not a figure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = 1 if arguments.quick else arguments.runs
    videos = official_list("ucf101").videos
    ids = [f"{video.label}/{video.id}.avi" for video in videos.values()]
    vectors = np.random.default_rng(0).standard_normal((len(ids), SIZE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), ids, vectors)
        table = {path.name: measure(path, vectors, runs) for path in files}
    if arguments.json:
        least = table["f.npz"][0]
        rows = [
            {
                "format": name,
                "read_s": reading,
                "match_s": matching,
                "ratio_to_npz": reading / least,
            }
            for name, (reading, matching) in table.items()
        ]
        print(json.dumps({"agree": True, "rows": rows}, indent=1))
        return
    for name, (reading, matching) in table.items():
        print(f"{name:16} read {reading:5.2f} s, match {matching:5.2f} s")


if __name__ == "__main__":
    main()
