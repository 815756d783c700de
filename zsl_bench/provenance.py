"""What a result was made with: versions, platform, git state, time. Never part of an identity."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib import metadata

_PACKAGES = (
    "zsl-bench", "torch", "torchvision", "numpy", "scipy", "av", "opencv-python-headless",
    "gensim", "huggingface-hub", "safetensors", "transformers", "tokenizers", "open-clip-torch",
    "timm", "sentence-transformers", "mteb",
)  # fmt: skip


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Return the installed versions of this package and those it computes with."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_state() -> dict[str, object] | None:
    """Return commit and cleanliness of the working folder's repository, or None outside one."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _command() -> list[str]:
    """Return the command line as it can be given again, without the place of the program."""
    if not sys.argv:
        return []
    program = os.path.basename(sys.argv[0])  # noqa: PTH119
    is_module = program == "__main__.py"
    return [*(("python", "-m", "zsl_bench") if is_module else (program,)), *sys.argv[1:]]


def utc_now() -> str:
    """Return the time now in UTC, ISO 8601 to the second."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def environment() -> dict[str, object]:
    """Return versions, platform, processor count, command line and git state for a result file."""
    return {
        "time": utc_now(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "packages": package_versions(),
        "command": _command(),
        "git": git_state(),
    }
