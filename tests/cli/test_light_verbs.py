"""What the light verbs import, looked up in real processes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from zsl_bench.datasets import official_list

HEAVY = (
    "torch",
    "torchvision",
    "transformers",
    "av",
    "cv2",
    "gensim",
    "sklearn",
    "pandas",
    "matplotlib",
)
CODE = """
import json, sys
from zsl_bench.cli import main
try:
    main(sys.argv[2:])
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps(sorted(set(json.loads(sys.argv[1])) & set(sys.modules))))
"""
VERBS = {
    "help": ["--help"],
    "list models": ["list", "models"],
    "list classes": ["list", "classes", "hmdb51"],
    "list protocols": ["list", "protocols"],
    "check-overlap": ["check-overlap", "kinetics400", "--against", "ucf101"],
    "score": ["score", "f.npz", "--dataset", "hmdb51", "--allow-partial", "--trained-on", "none"],
}


@pytest.mark.parametrize("verb", list(VERBS))
def test_the_verb_imports_nothing_heavy(verb, tmp_path):
    if verb == "score":
        write_features(tmp_path / "f.npz")
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(HEAVY), *VERBS[verb]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert len(done.stdout.splitlines()) > 3


def write_features(path):
    videos = list(official_list("hmdb51").videos.values())[::20]
    names = sorted({video.label for video in official_list("hmdb51").videos.values()})
    rng = np.random.default_rng(0)
    np.savez(
        path,
        video_ids=np.array([video.id for video in videos]),
        video_vectors=rng.standard_normal((len(videos), 8)).astype(np.float32),
        classes=np.array(names),
        class_vectors=rng.standard_normal((len(names), 8)).astype(np.float32),
    )
