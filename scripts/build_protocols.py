"""Write the frozen class lists of all protocols.

What each protocol is stands in ``protocol_definitions.toml``; a change that could change a number
raises its version there. Lists that follow from a recipe are drawn here. Lists that were published
as a file are read from FOLDER, which holds ``xu_ijcv17_splits.mat``, ``truze/ZSL.txt`` and
``er_k600/*.json``.

    python scripts/build_protocols.py FOLDER
"""

from __future__ import annotations

import json
import random
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from zsl_bench.classes import load_class_set
from zsl_bench.files import asset_path, atomic_write
from zsl_bench.protocols.catalogue import frozen_trials
from zsl_bench.protocols.protocol import protocol_digest
from zsl_bench.protocols.recipes import half_draws, seeded_halves

SEGMENTS, WHOLE_VIDEOS = "anet13-segments-v1", "anet13-video"
TRUZE_NAMES = {
    "Basketball Shooting": "Basketball",
    "Salsa Spins": "SalsaSpin",
    "Swing Basketball": "swing_baseball",
}
TRUZE_V1_ONLY = ("BaseballPitch", "CuttingInKitchen", "Punch")
FAIR = {
    "ucf101": [
        "PizzaTossing", "IceDancing", "HandstandWalking", "HandstandPushups", "Mixing",
        "WallPushups", "HorseRace", "PlayingDhol",
    ],
    "hmdb51": ["draw_sword", "sword_exercise", "chew"],
    "activitynet200": [
        "Applying sunscreen", "Beach soccer", "Cleaning shoes", "Cleaning sink",
        "Cutting the grass", "Doing karate", "Doing kickboxing", "Drinking beer",
        "Drinking coffee", "Fun sliding down", "Hand car wash", "Making an omelette",
        "Painting fence", "Playing water polo", "River tubing", "Snow tubing",
        "Starting a campfire", "Washing face", "Washing hands",
    ],
}  # fmt: skip

Frozen = dict[str, dict[str, Any]]


def names_of(dataset: str) -> list[str]:
    """Return the official class names in the data set's own order."""
    return list(load_class_set(dataset).names)


def drawn(trials: list[list[str]], videos: str) -> dict[str, Any]:
    """Describe trials that are random subsets of all classes."""
    return {"videos": videos, "drawn_size": len(trials[0]), "trials": trials}


def brattoli_half() -> Frozen:
    """Draw over names in code-point order; ActivityNet's had underscores for spaces."""
    underscored = {name.replace(" ", "_"): name for name in names_of("activitynet200")}
    segments = [[underscored[n] for n in draw] for draw in half_draws(tuple(underscored))]
    return {
        "ucf101": drawn(half_draws(names_of("ucf101")), "all"),
        "hmdb51": drawn(half_draws(names_of("hmdb51")), "all"),
        "activitynet200": drawn(segments, SEGMENTS),
    }


def all_classes() -> Frozen:
    """Take every class in one trial."""
    videos = {"ucf101": "all", "hmdb51": "all", "activitynet200": SEGMENTS}
    return {name: {"videos": v, "trials": [names_of(name)]} for name, v in videos.items()}


def wu_half() -> Frozen:
    """Draw over the official order: classInd.txt, the alphabet, the alphabet with spaces."""
    return {
        "ucf101": drawn(seeded_halves(names_of("ucf101")), "all"),
        "hmdb51": drawn(seeded_halves(names_of("hmdb51")), "all"),
        "activitynet200": drawn(seeded_halves(sorted(names_of("activitynet200"))), WHOLE_VIDEOS),
    }


def shuffled_halves(ordered: list[str]) -> list[list[str]]:
    """Shuffle ten times with one Python generator; the chosen half keeps its order."""
    generator = random.Random(2023)  # noqa: S311
    draws = []
    for _ in range(10):
        positions = list(range(len(ordered)))
        generator.shuffle(positions)
        draws.append([ordered[i] for i in sorted(positions[: len(ordered) // 2])])
    return draws


def weng_half() -> Frozen:
    """Draw as Open-VCLIP does, on the videos of its lists."""
    spaced = sorted(names_of("hmdb51"), key=lambda name: name.replace("_", " "))
    return {
        "ucf101": drawn(shuffled_halves(names_of("ucf101")), "all"),
        "hmdb51": drawn(shuffled_halves(spaced), "split1-train+test"),
    }


def xclip() -> Frozen:
    """Take every class on each of the three official test lists."""
    lists = {"ucf101": "testlist{:02d}", "hmdb51": "split{}-test"}
    return {
        name: {
            "videos": [pattern.format(number) for number in (1, 2, 3)],
            "trials": [names_of(name)] * 3,
        }
        for name, pattern in lists.items()
    }


def xu_50(folder: Path) -> Frozen:
    """Read the published positions, which begin at 1."""
    from scipy.io import loadmat

    path = folder / "xu_ijcv17_splits.mat"
    splits = loadmat(path, squeeze_me=True, struct_as_record=False)["Split"]
    published = {"ucf101": splits.UCF101.Test, "hmdb51": splits.HMDB51.Test}
    return {
        name: drawn([[names_of(name)[i - 1] for i in row] for row in rows.tolist()], "all")
        for name, rows in published.items()
    }


def truze(folder: Path) -> Frozen:
    """Read the published test classes and give them their official names."""
    text = (folder / "truze" / "ZSL.txt").read_text("utf-8")
    found = re.findall(r"Testing \(\d+ classes\): ([^.]+)\.", text)
    frozen = {}
    for dataset, listed in zip(("ucf101", "hmdb51"), found, strict=True):
        classes = load_class_set(dataset)
        spelt = [name.strip() for name in listed.split(",")]
        names = [classes.find(TRUZE_NAMES.get(name, name)) for name in spelt]
        frozen[dataset] = {"videos": "all", "trials": [sorted(n for n in names if n)]}
    return frozen


def truze_v1(folder: Path) -> Frozen:
    """Add the three classes that the later version moved away."""
    (later,) = truze(folder)["ucf101"]["trials"]
    return {"ucf101": {"videos": "all", "trials": [sorted([*later, *TRUZE_V1_ONLY])]}}


def er_k600(folder: Path) -> Frozen:
    """Read test and validation classes; the cleaned list uses Kinetics-600's own names."""
    classes = load_class_set("kinetics600")
    place = folder / "er_k600"
    names = json.loads((place / "classes620.json").read_text("utf-8"))
    lists = {
        part: [
            [classes.names[classes.index(names[i])] for i in row]
            for row in json.loads((place / f"{file}_class_idxs.json").read_text("utf-8"))
        ]
        for part, file in (("trials", "tst"), ("validation", "val"))
    }
    return {"kinetics600": {"videos": None, **lists}}


def fair_30() -> Frozen:
    """Take the 30 classes as candidates for the videos of each data set."""
    return {
        name: {
            "videos": None if name == "activitynet200" else "all",
            "trials": [own],
            "distractors": [
                f"{other}/{c}" for other, names in FAIR.items() if other != name for c in names
            ],
        }
        for name, own in FAIR.items()
    }


def definition(protocol: str, texts: dict[str, Any], lists: Frozen) -> dict[str, Any]:
    """Assemble one protocol's file."""
    fields = {
        "id": protocol,
        "version": texts["version"],
        "metric": "top1",
        "candidates": "the trial's own classes",
        "declared_distractors": protocol in ("open-label", "gzsl"),
        **texts,
    }
    for dataset, frozen in lists.items():
        frozen["sha256"] = protocol_digest(
            protocol, fields["version"], dataset, fields["metric"], frozen_trials(frozen)
        )
    return {**fields, "datasets": lists}


def render(value: object, depth: int = 0) -> str:
    """Write JSON with one line for each class list."""
    if depth < 4 and isinstance(value, dict):
        items = [f"{json.dumps(k)}: {render(v, depth + 1)}" for k, v in value.items()]
        left, right = "{", "}"
    elif depth < 4 and isinstance(value, list):
        items = [render(v, depth + 1) for v in value]
        left, right = "[", "]"
    else:
        return json.dumps(value, ensure_ascii=False)
    pad = "\n" + " " * (depth + 1)
    return left + pad + f",{pad}".join(items) + "\n" + " " * depth + right


def main() -> None:
    """Write every file."""
    folder = Path(sys.argv[1])
    texts = tomllib.loads(Path(__file__).with_name("protocol_definitions.toml").read_text("utf-8"))
    weng = weng_half()
    lists = {
        "brattoli-half": brattoli_half(),
        "brattoli-full": all_classes(),
        "wu-half": wu_half(),
        "weng-half": weng,
        "weng-half-list01": {"ucf101": {**weng["ucf101"], "videos": "testlist01"}},
        "xclip-3splits": xclip(),
        "xu-50": xu_50(folder),
        "truze-v1": truze_v1(folder),
        "truze-v2": truze(folder),
        "er-k600": er_k600(folder),
        "fair-30": fair_30(),
        "open-label": all_classes(),
        "gzsl": all_classes(),
    }
    for protocol, frozen in lists.items():
        path = asset_path("protocols", f"{protocol}.json")
        with atomic_write(path) as stream:
            stream.write(f"{render(definition(protocol, texts[protocol], frozen))}\n".encode())
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
