from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "indexing.py"


def test_both_ways_agree_and_the_second_check_opens_nothing():
    command = [sys.executable, str(SCRIPT), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured["ways"]["plain loop"]["ratio"] == 1
    assert measured["twice"]["files"] == 20
