"""Write the frozen class lists of the paper's two Evaluation Protocols.

The lists of Evaluation Protocol 1 are drawn by the released code's recipe (seeds 0 to 9). On
ActivityNet the released code sorted names that had underscores for spaces, which changes the
order, and so the draws.

    python scripts/build_protocols.py
"""

from __future__ import annotations

from zsl_bench.classes import load_class_set
from zsl_bench.files import asset_path, write_json
from zsl_bench.protocols.catalogue import half_draws, trials_digest

PAPER = "Brattoli et al., Rethinking Zero-shot Video Classification, CVPR 2020"
VIDEOS = {"ucf101": "all", "hmdb51": "all", "activitynet200": "anet13-segments-v1"}
VERSION = 1
COMMON = {
    "version": VERSION,
    "candidates": "the trial's own classes",
    "metric": "top-1 and top-5 over videos; a tie never helps",
}


def draw_half(dataset: str) -> list[list[str]]:
    """Draw the ten halves of a data set in the order of its names as the released code has them."""
    names = load_class_set(dataset).names
    if dataset != "activitynet200":
        return half_draws(names)
    official = {name.replace(" ", "_"): name for name in names}
    return [[official[name] for name in draw] for draw in half_draws(tuple(official))]


def definition(
    protocol: str, trials: dict[str, list[list[str]]], **fields: object
) -> dict[str, object]:
    """Assemble one protocol's file."""
    return {
        "id": protocol,
        **COMMON,
        **fields,
        "datasets": {
            name: {
                "videos": VIDEOS[name],
                "sha256": trials_digest(protocol, VERSION, name, lists),
                "trials": lists,
            }
            for name, lists in trials.items()
        },
    }


def main() -> None:
    """Write both files."""
    half = definition(
        "brattoli-half",
        {name: draw_half(name) for name in VIDEOS},
        title="Evaluation Protocol 1: half of the test classes, ten draws",
        averaging="mean and population standard deviation over the ten draws",
        source=f"{PAPER}, section 4.3; draws by its released code: RandomState(0..9)",
    )
    full = definition(
        "brattoli-full",
        {name: [list(load_class_set(name).names)] for name in VIDEOS},
        title="Evaluation Protocol 2: all test classes",
        averaging="one trial",
        source=f"{PAPER}, section 4.3",
    )
    for content in (half, full):
        path = asset_path("protocols", f"{content['id']}.json")
        write_json(path, content)
        print(path.name)


if __name__ == "__main__":
    main()
