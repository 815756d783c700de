from __future__ import annotations

import argparse


def test_the_quick_benchmark_agrees(tmp_path, load_benchmark):
    arguments = argparse.Namespace(quick=True, workers=0, device="cpu")
    report = load_benchmark("frozen").benchmark(arguments, tmp_path)
    assert report["agree"]
    assert report["ratio"] > 1
