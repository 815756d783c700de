import argparse
import importlib.util
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "adapter_overhead.py"


def test_the_quick_benchmark_agrees(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("adapter_overhead_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    arguments = argparse.Namespace(quick=True, device="cpu", clips=2)
    rows = module.benchmark(arguments, tmp_path)
    assert len(rows) == 6
    assert all(row["agree"] for row in rows)
