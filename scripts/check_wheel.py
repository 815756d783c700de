"""Check a built wheel: size, data files, entry points, no machine paths.

python scripts/check_wheel.py dist/zsl_bench-*.whl
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

LIMIT_BYTES = 10_000_000
NEEDED = (
    "zsl_bench/py.typed",
    "zsl_bench/assets/classes/ucf101.json",
    "zsl_bench/assets/protocols/brattoli-half.json",
    "zsl_bench/assets/splits/kinetics700-tp1.json",
    "zsl_bench/assets/vectors/googlenews.npz",
)
MACHINE_PATH = re.compile(rb"/(?:root|home|tmp|work)/[a-z]")


def main() -> None:
    """Check the wheel named on the command line; leave with status 1 at the first fault."""
    wheel = Path(sys.argv[1])
    if wheel.stat().st_size > LIMIT_BYTES:
        sys.exit(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {LIMIT_BYTES:,}")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for name in NEEDED:
            if name not in names:
                sys.exit(f"{wheel.name} lacks {name}")
        for name in sorted(names):
            if name.endswith(".py") and MACHINE_PATH.search(archive.read(name)):
                sys.exit(f"{name} names a path of one machine")
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        if b"zsl-bench = zsl_bench.cli:main" not in archive.read(entry_points):
            sys.exit(f"{wheel.name} has no command zsl-bench")
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {len(names)} files, complete")


if __name__ == "__main__":
    main()
