"""What tells a replaced video file, looked up side by side."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from zsl_bench.evaluation.identity import LOOKUPS_AT_ONCE, file_stamps


@pytest.mark.parametrize(
    "count", [0, 1, LOOKUPS_AT_ONCE - 1, LOOKUPS_AT_ONCE, 2 * LOOKUPS_AT_ONCE + 3]
)
def test_every_file_has_its_stamp_in_order(tmp_path, count):
    for number in range(count):
        if number % 5 != 3:
            path = tmp_path / f"v{number}"
            path.write_bytes(bytes(number))
            os.utime(path, ns=(0, 1_000_000_007 * number))
    videos = tuple(SimpleNamespace(id=f"v{number}") for number in range(count))
    manifest = SimpleNamespace(videos=videos, resolve=lambda video: tmp_path / video.id)
    assert file_stamps(manifest) == [
        (f"v{n}", None, None) if n % 5 == 3 else (f"v{n}", n, 1_000_000_007 * n)
        for n in range(count)
    ]
