from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "word_vectors.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("word_vectors_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_readers_bring_the_same_vectors(script):
    command = [sys.executable, str(SCRIPT), "--quick", "--json", "--dim", "20"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured["bytes"]["gz"] < measured["bytes"]["bin"]
    for kind in ("bin", "gz"):
        assert measured["kinds"][kind]["agree"]
        assert measured["kinds"][kind]["words_found"] == len(script.bundled_words())


def test_another_vector_is_a_disagreement_and_the_baseline_is_gensim(script):
    def ran(seconds, mib, digest="a"):
        return {"seconds": seconds, "mib": mib, "found": 3, "sha256": digest}

    measured = {"gensim": [ran(8.0, 400.0)], "first time": [ran(2.0, 4.0)]}
    table = script.compare({**measured, "from the cache": [ran(1.0, 1.0)]})
    assert table["agree"]
    assert [row["ratio"]["median"] for row in table["rows"]] == [1.0, 4.0, 8.0]
    assert [row["memory_ratio"] for row in table["rows"]] == [1.0, 0.01, 0.0025]
    assert not script.compare({**measured, "from the cache": [ran(1.0, 1.0, "b")]})["agree"]
