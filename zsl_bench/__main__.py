"""Run the command line as ``python -m zsl_bench``."""

from __future__ import annotations

from zsl_bench.cli import main

if __name__ == "__main__":
    main()
