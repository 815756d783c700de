import argparse
import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "frozen.py"


def test_the_quick_benchmark_agrees(tmp_path):
    spec = importlib.util.spec_from_file_location("frozen_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = argparse.Namespace(quick=True, workers=0, device="cpu")
    report = module.benchmark(arguments, tmp_path)
    assert report["agree"]
    assert report["ratio"] > 1
