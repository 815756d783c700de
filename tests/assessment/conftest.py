"""A forger of result files, for tests of what a verification finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from zsl_bench.assessment.reload import rescore
from zsl_bench.files import sha256_file, sha256_json

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


class Forger:
    """Changes a result file as somebody would who knows how every hash is made."""

    def __init__(self, path):
        self.path = path
        self.data = json.loads(path.read_text())
        with np.load(path.with_name(self.data["arrays"]["file"])) as stored:
            self.arrays = dict(stored)

    @property
    def identity(self):
        return self.data["identity"]

    def keep(self, rows):
        for name in ("video_ids", "groups", "labels", "video_vectors"):
            self.arrays[name] = self.arrays[name][rows]

    def count(self):
        """Make the coverage follow from the arrays, with nothing missing."""
        names = self.arrays["classes"].tolist()
        found = np.bincount(self.arrays["labels"], minlength=len(names)).tolist()
        total = sum(found)
        self.data["coverage"].update(
            expected=total,
            listed=total,
            scored=total,
            missing=[],
            classes_with_videos=sum(number > 0 for number in found),
            per_class={
                name: {"expected": number, "scored": number}
                for name, number in zip(names, found, strict=True)
            },
        )

    def save(self, *, scored_again=False):
        """Write both files with every hash made anew, and with honest scores if asked."""
        arrays = self.path.with_name("forged.npz")
        np.savez(arrays, **self.arrays)
        self.data["arrays"] = {"file": arrays.name, "sha256": sha256_file(arrays)}
        self.identity["scored"] = sha256_json(self.arrays["video_ids"].tolist())
        self._write()
        if scored_again:
            self.data["scores"] = json.loads(json.dumps(rescore(self.path).scores))
            self._write()
        return self.path

    def _write(self):
        self.data["identity_sha256"] = sha256_json(self.identity)
        content = {name: value for name, value in self.data.items() if name != "sha256"}
        self.path.write_text(json.dumps({**content, "sha256": sha256_json(content)}))


@pytest.fixture(scope="session")
def forge():
    """Return the class of forgers, for results other than the golden one."""
    return Forger


@pytest.fixture
def forger(tmp_path):
    """A forger at work on two protocols of the golden result: UCF101 in part, trained on tp1."""
    (golden,) = GOLDEN.glob("*.json")
    shutil.copy(golden.with_suffix(".npz"), tmp_path)
    made = Forger(Path(shutil.copy(golden, tmp_path / "result.json")))
    for part in (made.data["scores"], made.identity["protocols"]):
        for name in ("brattoli-half", "xclip-3splits"):
            del part[name]
    return made
