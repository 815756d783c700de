"""Every frozen class list, re-derived from its recipe by code that shares none with the package."""

from __future__ import annotations

import hashlib
import json
import random
import re

import numpy as np
import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.expected import official_list
from zsl_bench.files import asset_path
from zsl_bench.protocols import list_protocols, load_definition

PINNED = {
    ("brattoli-full", "ucf101"):
        "be44bd0a664bcc30ba9d228a35e9e0b73542fb3f895ea61b5491c4b51092c5da",
    ("brattoli-full", "hmdb51"):
        "ef030981f1646cf649c8d1f210b3cefdea3da8976b731ad884b77e22092975bc",
    ("brattoli-full", "activitynet200"):
        "04f395f9b0ca215773b61e9fde408f8d683aa6a6e94d9083fb7abe6fe5c59a32",
    ("brattoli-half", "ucf101"):
        "85b35760e5d80135ec61e2626c004e62671d0d8c06afbc3881c7c874c39884d4",
    ("brattoli-half", "hmdb51"):
        "bc6c211d774a706fe181089b8aaad1dd60ace1cc58766fed3cf9edd4251e500c",
    ("brattoli-half", "activitynet200"):
        "c190e03afe180f3421948006363d1411a4cbfee694e78a0699dcbdc3bf8fbd20",
    ("er-k600", "kinetics600"):
        "6f740b85c438904a3c0b88ce157ce0d584e091dde4ded4aea20c4e48330b967c",
    ("fair-30", "ucf101"):
        "03966cad4876428bb7ac687c4f44137a311e0e8d21c1be889162d230586bd4ce",
    ("fair-30", "hmdb51"):
        "fd823ba8df6957e4f27db8a3e2c055ba5f90f621af4b50d93f450d67ab024a12",
    ("fair-30", "activitynet200"):
        "94197ba786f5b025473e72241a3feb614026eb98aa13b13b32d1c7d26ffe384a",
    ("gzsl", "ucf101"):
        "1a35506fa98d9d7086b578ffb1760ab3ebc6dc3bd4089add371e1c654f439269",
    ("gzsl", "hmdb51"):
        "1f2bf846819d3bd95386e0cd69069e3bc2d4b460d83752089ab93f2777ec46fd",
    ("gzsl", "activitynet200"):
        "3eaef2f6a9fe5120cb0ec2b8849f65430316be8741a3f037d42373368a655993",
    ("open-label", "ucf101"):
        "74f5855306d9f0d7133db77474f4d47f5800f5858520899f414a1c064a83af15",
    ("open-label", "hmdb51"):
        "7a7ac239f5fdc46ce6503e64fcf71ff9f490a23d96e7d7a4ebda5f54d86f362e",
    ("open-label", "activitynet200"):
        "e7f73ad103551de170cda5edf177b535f7599045fc6492c1c09c649274181b33",
    ("truze-v1", "ucf101"):
        "ab68b57821c7be43258d15baa97629da25a55e602ec3a76afabc947396603240",
    ("truze-v2", "ucf101"):
        "daa710e563563bfa46ea2fa05aafa7b1f1ad2fe38569afdc548685b949d8dd29",
    ("truze-v2", "hmdb51"):
        "c605d6fddfad23a9806f3c6e432ee424968c1bd36cc471c41a94d08f019a281f",
    ("weng-half", "ucf101"):
        "bc24937cfead0e3cc7599c74e00c12e8e9f8b355e29dd854e31b39c3ea5b9ec8",
    ("weng-half", "hmdb51"):
        "f67327f71c90f72ae002fe9a6dd754c3bed16a648b26c7272732392c99e5c8cb",
    ("weng-half-list01", "ucf101"):
        "1aaaa8d99158d8ff67948b7c7828f36f3a56655c880aa607f5d69745b4fb184a",
    ("wu-half", "ucf101"):
        "090cacfe1b4183ef8ed8b3c7583be118ecf07d16344172c71ae1144aad2a5a3a",
    ("wu-half", "hmdb51"):
        "158bd27b056c7a4dc9a3eb69877ad0364d13ac217f21c92a3a6b040bf601e7a2",
    ("wu-half", "activitynet200"):
        "ea813e1a9566707c3b9356b465502fc26d3eae45341bc595beb2bb2e168ee7f3",
    ("xclip-3splits", "ucf101"):
        "80a0e446c817229bf9e30f2f986357e1ca73a9e685979c3af72fcda98137a4b7",
    ("xclip-3splits", "hmdb51"):
        "529b7be3fc61692bb0d56b8896dffee75ca3d0387ab1f6c99da4abe819ab9e46",
    ("xu-50", "ucf101"):
        "028ac86c75c7abbeb3ebb813f29d7dd0576f1ca846298af06f4b3031d0e3e6c3",
    ("xu-50", "hmdb51"):
        "e699e74cac6cde1d02d444e21fbc96abd7124d0653e9bedfca76d068ae895a91",
}  # fmt: skip

SHAPES = {
    "brattoli-half": {"ucf101": (10, 50), "hmdb51": (10, 25), "activitynet200": (10, 100)},
    "brattoli-full": {"ucf101": (1, 101), "hmdb51": (1, 51), "activitynet200": (1, 200)},
    "wu-half": {"ucf101": (10, 50), "hmdb51": (10, 25), "activitynet200": (10, 100)},
    "weng-half": {"ucf101": (10, 50), "hmdb51": (10, 25)},
    "weng-half-list01": {"ucf101": (10, 50)},
    "xclip-3splits": {"ucf101": (3, 101), "hmdb51": (3, 51)},
    "xu-50": {"ucf101": (50, 50), "hmdb51": (50, 25)},
    "truze-v1": {"ucf101": (1, 34)},
    "truze-v2": {"ucf101": (1, 31), "hmdb51": (1, 22)},
    "er-k600": {"kinetics600": (3, 160)},
    "fair-30": {"ucf101": (1, 8), "hmdb51": (1, 3), "activitynet200": (1, 19)},
    "open-label": {"ucf101": (1, 101), "hmdb51": (1, 51), "activitynet200": (1, 200)},
    "gzsl": {"ucf101": (1, 101), "hmdb51": (1, 51), "activitynet200": (1, 200)},
}
DRAWN = {"brattoli-half", "wu-half", "weng-half", "weng-half-list01", "xu-50"}
EVERY = [(protocol, dataset) for protocol, sets in SHAPES.items() for dataset in sets]


def trials_of(protocol: str, dataset: str) -> list[list[str]]:
    return load_definition(protocol)["datasets"][dataset]["trials"]


def names_of(dataset: str) -> list[str]:
    return list(load_class_set(dataset).names)


def numpy_halves(ordered: list[str]) -> list[list[str]]:
    draws = []
    for seed in range(10):
        state = np.random.RandomState()
        state.seed(seed)
        order = state.permutation(len(ordered))
        draws.append([ordered[order[i]] for i in range(len(ordered) // 2)])
    return draws


def python_halves(ordered: list[str]) -> list[set[str]]:
    random.seed(2023)
    draws = []
    for _ in range(10):
        places = list(range(len(ordered)))
        random.shuffle(places)
        draws.append({ordered[i] for i in places[: len(ordered) // 2]})
    return draws


def test_the_catalogue_is_complete():
    assert set(list_protocols()) == set(SHAPES)
    for protocol, sets in SHAPES.items():
        assert set(load_definition(protocol)["datasets"]) == set(sets)


@pytest.mark.parametrize(("protocol", "dataset"), EVERY)
def test_lengths_names_and_drawn_sizes(protocol, dataset):
    frozen = load_definition(protocol)["datasets"][dataset]
    known = set(names_of(dataset))
    trials, size = SHAPES[protocol][dataset]
    assert len(frozen["trials"]) == trials
    for trial in frozen["trials"]:
        assert len(trial) == len(set(trial)) == size
        assert set(trial) <= known
    assert frozen.get("drawn_size") == (size if protocol in DRAWN else None)


@pytest.mark.parametrize(("protocol", "dataset"), EVERY)
def test_hashes_are_pinned_and_those_of_the_lists(protocol, dataset):
    definition = json.loads(asset_path("protocols", f"{protocol}.json").read_text("utf-8"))
    frozen = definition["datasets"][dataset]
    videos = frozen["videos"]
    if not isinstance(videos, list):
        videos = [videos] * len(frozen["trials"])
    body = {
        "dataset": dataset,
        "id": protocol,
        "metric": definition["metric"],
        "trials": [
            {"classes": names, "distractors": frozen.get("distractors", []), "videos": name}
            for names, name in zip(frozen["trials"], videos, strict=True)
        ],
        "version": definition["version"],
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == frozen["sha256"]
    assert frozen["sha256"] == PINNED[protocol, dataset]


def test_every_definition_says_what_it_is():
    for protocol in SHAPES:
        definition = load_definition(protocol)
        for field in ("title", "summary", "candidates", "averaging", "source"):
            assert definition[field].strip() == definition[field] != ""
        assert definition["notes"]
        assert len(definition["summary"]) <= 60


def test_brattoli_half_is_drawn_over_code_point_order():
    for dataset in ("ucf101", "hmdb51"):
        assert trials_of("brattoli-half", dataset) == numpy_halves(sorted(names_of(dataset)))
    underscored = {name.replace(" ", "_"): name for name in names_of("activitynet200")}
    draws = numpy_halves(sorted(underscored))
    assert trials_of("brattoli-half", "activitynet200") == [
        [underscored[name] for name in draw] for draw in draws
    ]


def test_wu_half_is_drawn_over_the_official_order():
    for dataset in ("ucf101", "hmdb51"):
        assert trials_of("wu-half", dataset) == numpy_halves(names_of(dataset))
    spaced = sorted(names_of("activitynet200"))
    assert spaced[:3] == ["Applying sunscreen", "Archery", "Arm wrestling"]
    assert spaced[141:145] == [
        "River tubing", "Rock climbing", "Rock-paper-scissors", "Rollerblading"
    ]  # fmt: skip
    assert trials_of("wu-half", "activitynet200") == numpy_halves(spaced)


@pytest.mark.parametrize(
    ("dataset", "differing"),
    [
        ("ucf101", [1, 2, 4, 5, 8, 9]),
        ("hmdb51", []),
        ("activitynet200", [0, 3, 4, 5, 7, 8, 9]),
    ],
)
def test_the_same_seeds_hold_other_classes(dataset, differing):
    paper, wu = trials_of("brattoli-half", dataset), trials_of("wu-half", dataset)
    assert [s for s in range(10) if set(paper[s]) != set(wu[s])] == differing


def test_the_bundled_ucf101_order_is_that_of_classind(shared_data):
    folder = shared_data / "splits" / "ucfTrainTestlist"
    indexed = (folder / "classInd.txt").read_text().split()[1::2]
    assert indexed == names_of("ucf101")
    lines = (folder / "testlist01.txt").read_text().split()
    assert list(dict.fromkeys(line.split("/")[0] for line in lines)) == indexed


def test_weng_half_is_one_python_generator_shuffling_ten_times():
    for dataset in ("ucf101", "hmdb51"):
        frozen = trials_of("weng-half", dataset)
        assert [set(trial) for trial in frozen] == python_halves(names_of(dataset))
        places = {name: i for i, name in enumerate(names_of(dataset))}
        assert all(trial == sorted(trial, key=places.get) for trial in frozen)
    assert trials_of("weng-half-list01", "ucf101") == trials_of("weng-half", "ucf101")


def test_weng_half_begins_and_ends_as_published():
    ucf, hmdb = trials_of("weng-half", "ucf101"), trials_of("weng-half", "hmdb51")
    assert ucf[0][:6] == [
        "ApplyEyeMakeup", "ApplyLipstick", "BandMarching", "Biking", "Billiards", "BlowingCandles"
    ]  # fmt: skip
    assert ucf[9][-5:] == ["SoccerPenalty", "Swing", "TennisSwing", "VolleyballSpiking", "YoYo"]
    assert " ".join(hmdb[0]) == (
        "brush_hair chew climb draw_sword dribble drink fall_floor golf handstand hit hug laugh "
        "pullup punch pushup ride_bike ride_horse run situp somersault stand swing_baseball talk "
        "throw turn"
    )
    assert hmdb[9][-5:] == ["sword", "sword_exercise", "turn", "walk", "wave"]


def test_weng_half_takes_all_of_ucf101_and_2500_of_hmdb51():
    definition = load_definition("weng-half")["datasets"]
    assert definition["ucf101"]["videos"] == "all"
    videos = official_list("ucf101").videos.values()
    first = set(definition["ucf101"]["trials"][0])
    assert sum(video.label in first for video in videos) == 6483
    listed = official_list("hmdb51")
    ids = listed.splits[definition["hmdb51"]["videos"]]
    counts = listed.counts(ids, load_class_set("hmdb51").names)
    for trial in definition["hmdb51"]["trials"]:
        assert sum(counts[name] for name in trial) == 2500


def test_one_published_list_has_the_length_of_all_videos():
    """The published CSV of draw 0 has 262,919 bytes: ``class/video.avi,index`` of every video."""
    (names, *_) = trials_of("weng-half", "ucf101")
    index = {name: i for i, name in enumerate(names)}
    size = sum(
        len(f"{video.label}/{video.id}.avi,{index[video.label]}\n")
        for video in official_list("ucf101").videos.values()
        if video.label in index
    )
    assert size == 262919


def test_whole_sets_hold_every_class():
    for protocol in ("brattoli-full", "open-label", "gzsl", "xclip-3splits"):
        for dataset, frozen in load_definition(protocol)["datasets"].items():
            for trial in frozen["trials"]:
                assert sorted(trial) == sorted(names_of(dataset))


def test_xclip_names_the_official_test_lists():
    for dataset, sizes in (("ucf101", [3783, 3734, 3696]), ("hmdb51", [1530, 1530, 1530])):
        names = load_definition("xclip-3splits")["datasets"][dataset]["videos"]
        listed = official_list(dataset)
        assert [len(listed.splits[name]) for name in names] == sizes
        assert names == [listed.find(f"split{number}") for number in (1, 2, 3)]


def test_xu_50_is_the_published_file(shared_data):
    from scipy.io import loadmat

    split = loadmat(shared_data / "splits" / "xu_ijcv17_splits.mat")["Split"][0, 0]
    for dataset, field in (("ucf101", "UCF101"), ("hmdb51", "HMDB51")):
        names = names_of(dataset)
        published = split[field][0, 0]
        trials = trials_of("xu-50", dataset)
        for trial, test, train in zip(trials, published["Test"], published["Train"], strict=True):
            assert trial == [names[position - 1] for position in test]
            assert {names[position - 1] for position in train} == set(names) - set(trial)


TRUZE_SPELLINGS = {
    "basketballshooting": "Basketball",
    "salsaspins": "SalsaSpin",
    "swingbasketball": "swing_baseball",
}


def test_truze_is_the_published_file(shared_data):
    text = (shared_data / "splits" / "truze" / "ZSL.txt").read_text()
    parts = re.split("HMDB51", text)
    for dataset, part, sizes in zip(("ucf101", "hmdb51"), parts, ((70, 31), (29, 22)), strict=True):
        spelt = {re.sub(r"[^a-z]", "", name.lower()): name for name in names_of(dataset)}
        spelt |= {key: name for key, name in TRUZE_SPELLINGS.items() if name in names_of(dataset)}
        listed = {}
        for kind in ("Training", "Testing"):
            names = part.split(f"{kind} (")[1].split(":")[1].split(".")[0].split(",")
            listed[kind] = {spelt[re.sub(r"[^a-z]", "", name.lower())] for name in names}
        assert (len(listed["Training"]), len(listed["Testing"])) == sizes
        assert listed["Training"] | listed["Testing"] == set(names_of(dataset))
        assert set(trials_of("truze-v2", dataset)[0]) == listed["Testing"]


def test_truze_versions_differ_by_three_classes():
    (first,), (second,) = trials_of("truze-v1", "ucf101"), trials_of("truze-v2", "ucf101")
    assert set(first) - set(second) == {"BaseballPitch", "CuttingInKitchen", "Punch"}
    assert set(second) < set(first)
    assert {"Basketball", "SalsaSpin"}.isdisjoint(first)
    assert "swing_baseball" not in trials_of("truze-v2", "hmdb51")[0]


def test_er_k600_is_the_published_files(shared_data):
    folder = shared_data / "splits" / "er_k600"
    names = json.loads((folder / "classes620.json").read_text())
    frozen = load_definition("er-k600")["datasets"]["kinetics600"]
    for part, file in (("trials", "tst"), ("validation", "val")):
        published = json.loads((folder / f"{file}_class_idxs.json").read_text())
        assert frozen[part] == [[names[i] for i in row] for row in published]
    assert names[:400] == names_of("kinetics400")
    assert set(names[400:]) <= set(names_of("kinetics600"))
    assert set(names[400:]).isdisjoint(names_of("kinetics400"))


def test_er_k600_parts_are_disjoint_and_make_the_same_220():
    frozen = load_definition("er-k600")["datasets"]["kinetics600"]
    wholes = []
    for test, validation in zip(frozen["trials"], frozen["validation"], strict=True):
        assert (len(test), len(validation)) == (160, 60)
        assert not set(test) & set(validation)
        wholes.append(set(test) | set(validation))
    assert wholes[0] == wholes[1] == wholes[2]
    assert len(set(frozen["trials"][0]) & set(frozen["trials"][1])) == 110
    assert len(set(names_of("kinetics600")) - set(names_of("kinetics400"))) == 232
    text = json.dumps(frozen["validation"], separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "4a79e1eaa3aef713d83ef718f55e4943a88d4b4a526b2f413e29935e285bfa86"
    )


FAIR_30 = (
    "Pizza Tossing, Ice Dancing, Handstand Walking, Handstand Pushup, Mixing, Wall Pushups, "
    "Horse Race, Playing Dhol, Draw Sword, Sword Exercise, Chew, Applying sunscreen, "
    "Beach soccer, Cleaning shoes, Cleaning sink, Cutting the grass, Doing karate, "
    "Doing kickboxing, Drinking beer, Drinking coffee, Fun sliding down, Hand car wash, "
    "Making an omelette, Painting fence, Playing water polo, River tubing, Snow tubing, "
    "Starting a campfire, Washing face, Washing hands"
)


def test_fair_30_pools_the_classes_of_three_data_sets():
    published = FAIR_30.split(", ")
    folded = {re.sub(r"[^a-z]", "", name.lower()).removesuffix("s") for name in published}
    assert len(folded) == 30
    for dataset, frozen in load_definition("fair-30")["datasets"].items():
        own = [f"{dataset}/{name}" for name in frozen["trials"][0]]
        pool = [*own, *frozen["distractors"]]
        assert len(set(pool)) == 30
        names = (name.split("/")[1] for name in pool)
        assert {re.sub(r"[^a-z]", "", n.lower()).removesuffix("s") for n in names} == folded
        assert not any(name.startswith(f"{dataset}/") for name in frozen["distractors"])
        for name in frozen["distractors"]:
            other, _, label = name.partition("/")
            assert label in names_of(other)
