"""Rebuild ``zsl_bench/assets/videos`` from the official lists of UCF101 and HMDB51.

Run as ``python scripts/build_video_lists.py UCF_TRAIN_TEST_LIST_FOLDER HMDB_SPLIT_FOLDER`` with the
two folders as their authors publish them (``ucfTrainTestlist`` and the 153 split files).
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from zsl_bench.files import write_json

SPLITS = (1, 2, 3)
OUT = Path(__file__).resolve().parent.parent / "zsl_bench" / "assets" / "videos"
UCF_NAME = re.compile(r"v_(?P<prefix>\w+)_g(?P<group>\d\d)_c(?P<clip>\d\d)\.avi")
HMDB_TAIL = re.compile(
    r"(?P<body>[fhlu])_(?P<camera>[cn])m_np(?P<people>\d+)"
    r"_(?P<view>ba|fr|le|ri)_(?P<quality>goo|med|bad)_(?P<clip>\d+)\.avi"
)


def lines_of(path: Path) -> list[list[str]]:
    """Return the words of every line that is not empty, whatever ends the lines."""
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_ucf(folder: Path) -> dict[str, dict[int, str]]:
    """Return for each ``Class/name.avi`` whether each split uses it to ``train`` or ``test``."""
    videos: dict[str, dict[int, str]] = defaultdict(dict)
    for split in SPLITS:
        for part in ("train", "test"):
            for words in lines_of(folder / f"{part}list{split:02d}.txt"):
                if videos[words[0]].setdefault(split, part) != part:
                    raise SystemExit(f"{words[0]} is in both lists of split {split}")
    return videos


def ucf_table(folder: Path) -> dict[str, Any]:
    """Return UCF101 as numbers of clips per group and groups per test list."""
    clips: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    tested: dict[int, set[int]] = {split: set() for split in SPLITS}
    trained: dict[int, set[int]] = {split: set() for split in SPLITS}
    prefixes: dict[str, str] = {}
    for path, parts in read_ucf(folder).items():
        label, _, file = path.partition("/")
        match = UCF_NAME.fullmatch(file)
        if match is None:
            raise SystemExit(f"{path} is not named as expected")
        group = int(match["group"])
        clips[label][group].add(int(match["clip"]))
        prefixes[label] = match["prefix"]
        for split in SPLITS:
            (tested if parts[split] == "test" else trained)[split].add(group)
    names = [words[1] for words in lines_of(folder / "classInd.txt")]
    if sorted(names) != sorted(clips) or any(tested[s] & trained[s] for s in SPLITS):
        raise SystemExit("the lists do not split by class and group")
    return {
        "dataset": "ucf101",
        "version": 1,
        "source": "UCF101 Action Recognition Train/Test Splits (ucfTrainTestlist), "
        "Center for Research in Computer Vision, University of Central Florida",
        "format": "clips: one digit per group g01, g02, ...: how many clips c01, c02, ... it has; "
        "test_groups: first and last group of the test list, the rest are its training list; "
        "prefixes: classes whose files are spelt otherwise than the class",
        "test_groups": {f"testlist{s:02d}": span(tested[s]) for s in SPLITS},
        "prefixes": {n: prefixes[n] for n in names if prefixes[n] != n},
        "clips": {name: digits(clips[name]) for name in names},
    }


def span(groups: set[int]) -> str:
    """Write a gapless set of groups as ``first-last``."""
    if groups != set(range(min(groups), max(groups) + 1)):
        raise SystemExit("a test list skips a group")
    return f"{min(groups)}-{max(groups)}"


def digits(groups: dict[int, set[int]]) -> str:
    """Write the number of clips of groups 1, 2, ... as digits."""
    for group, clips in groups.items():
        if clips != set(range(1, len(clips) + 1)) or len(clips) > 9:
            raise SystemExit(f"group {group} has odd clip numbers")
    return "".join(str(len(groups[group])) for group in range(1, len(groups) + 1))


def hmdb_table(folder: Path) -> dict[str, Any]:
    """Return HMDB51 as, per class and source, short clip codes with their three split digits."""
    uses: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for path in sorted(folder.glob("*_test_split[123].txt")):
        label, _, number = path.stem.rpartition("_test_split")
        for name, digit in lines_of(path):
            uses[label, name][int(number)] = digit
    classes: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    for (label, name), marks in sorted(uses.items()):
        source, _, tail = name.rpartition(f"_{label}_")
        match = HMDB_TAIL.fullmatch(tail)
        if match is None or sorted(marks) != list(SPLITS):
            raise SystemExit(f"{label}/{name} is not named or listed as expected")
        code = match["body"] + match["camera"] + match["people"]
        code += match["view"][0] + match["quality"][0] + match["clip"]
        use = "".join(marks[split] for split in SPLITS)
        classes[label][source].append((int(match["clip"]), f"{code}-{use}"))
    return {
        "dataset": "hmdb51",
        "version": 1,
        "source": "HMDB51 test/train splits (test_train_splits), Serre Lab, Brown University",
        "format": "videos: class, then source, then its clips: visible body f h l u, camera motion "
        "c n, number of people, viewpoint b f l r, quality g m b, clip number; after the dash "
        "what splits 1, 2 and 3 do with it: 0 unused, 1 train, 2 test",
        "videos": {
            label: {
                source: " ".join(code for _, code in sorted(clips))
                for source, clips in sorted(classes[label].items())
            }
            for label in sorted(classes)
        },
    }


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ucf", type=Path, help="folder with classInd.txt and trainlist/testlist")
    parser.add_argument("hmdb", type=Path, help="folder with CLASS_test_splitN.txt")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the tables")
    options = parser.parse_args()
    write_json(options.out / "ucf101.json", ucf_table(options.ucf))
    write_json(options.out / "hmdb51.json", hmdb_table(options.hmdb))


if __name__ == "__main__":
    main()
