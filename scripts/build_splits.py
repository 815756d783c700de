"""Write the bundled splits: Kinetics-700 under Training Protocols 1 and 2, as the rule yields them.

python scripts/build_splits.py
"""

from __future__ import annotations

from zsl_bench.files import asset_path
from zsl_bench.splits import check_overlap, split_from_audit

PROTOCOLS = {
    "kinetics700-tp1": ("ucf101", "hmdb51"),
    "kinetics700-tp2": ("ucf101", "hmdb51", "activitynet200"),
}


def main() -> None:
    """Audit and write each split."""
    for name, against in PROTOCOLS.items():
        split = split_from_audit(check_overlap("kinetics700", list(against)), split_id=name)
        split.save(asset_path("splits", f"{name}.json"))
        print(f"{name}: {len(split.kept)} kept, {len(split.removed)} removed")


if __name__ == "__main__":
    main()
