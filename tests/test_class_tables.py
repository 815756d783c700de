"""The bundled class tables: names, words, aliases, and the published counts that follow."""

from __future__ import annotations

import math
import re

import pytest

from zsl_bench.classes import ClassSet, bundled_class_sets, fold, load_class_set
from zsl_bench.wordvectors import class_vectors, load_word_vectors

SIZES = {
    "activitynet200": 200,
    "hmdb51": 51,
    "kinetics400": 400,
    "kinetics600": 600,
    "kinetics700": 700,
    "sun397": 397,
    "ucf101": 101,
}
LISTS = {
    "activitynet200": "activitynet_label_map.txt",
    "hmdb51": "hmdb51_label_map.txt",
    "kinetics400": "kinetics_label_map_k400.txt",
    "kinetics600": "kinetics_label_map_k600.txt",
    "kinetics700": "kinetics_label_map_k700.txt",
    "sun397": "sun397_labels.txt",
    "ucf101": "ucf101_label_map.txt",
}
every_set = pytest.mark.parametrize("dataset", sorted(SIZES))


def test_the_bundled_sets_are_these():
    assert bundled_class_sets() == tuple(sorted(SIZES))


@every_set
def test_a_set_is_whole(dataset: str):
    classes = load_class_set(dataset)
    assert len(classes) == SIZES[dataset]
    assert classes.rules == "brattoli2020"
    assert classes.dataset == dataset
    assert classes.source
    for words, label in zip(classes.words, classes.labels, strict=True):
        assert all(word and word == word.strip() for word in words)
        assert label
        assert label == label.strip()


@every_set
def test_names_are_the_official_ones_in_their_order(dataset: str, shared_data):
    path = shared_data / "labels" / LISTS[dataset]
    assert list(load_class_set(dataset).names) == path.read_text(encoding="utf-8").splitlines()


@every_set
def test_a_spelling_stands_for_one_class_of_a_set(dataset: str):
    classes = load_class_set(dataset)
    owner: dict[str, str] = {}
    for name, aliases, label in zip(classes.names, classes.aliases, classes.labels, strict=True):
        assert name not in aliases
        assert len(set(aliases)) == len(aliases)
        for spelling in (name, *aliases, label):
            assert owner.setdefault(fold(spelling), name) == name
            assert classes.find(spelling) == name


@pytest.mark.parametrize(
    ("dataset", "spelling", "name"),
    [
        ("ucf101", "HandStandPushups", "HandstandPushups"),
        ("ucf101", "Basketball Shooting", "Basketball"),
        ("ucf101", "Salsa Spins", "SalsaSpin"),
        ("ucf101", "Tai Chi", "TaiChi"),
        ("ucf101", "Yo Yo", "YoYo"),
        ("hmdb51", "claping", "clap"),
        ("hmdb51", "Swing Basketball", "swing_baseball"),
        ("hmdb51", "brush hair", "brush_hair"),
        ("activitynet200", "Mooping_floor", "Mooping floor"),
        ("activitynet200", "Mopping floor", "Mooping floor"),
        ("activitynet200", "Playing_guitar", "Playing guitarra"),
        ("activitynet200", "Platform diving", "Plataform diving"),
        ("activitynet200", "Blow-drying_hair", "Blow-drying hair"),
        ("kinetics400", "making the bed", "making bed"),
        ("kinetics400", "dyeing hair", "dying hair"),
        ("kinetics700", "dying hair", "dyeing hair"),
        ("kinetics700", "massaging_persons_head", "massaging person's head"),
        (
            "kinetics600",
            "passing American football (not in game)",
            "passing american football (not in game)",
        ),
        ("kinetics700", "petting_animal_not_cat", "petting animal (not cat)"),
        ("sun397", "abbey", "/a/abbey"),
        ("sun397", "car_interior/frontseat", "/c/car_interior/frontseat"),
    ],
)
def test_spellings_of_the_wild_are_aliases(dataset: str, spelling: str, name: str):
    classes = load_class_set(dataset)
    assert spelling in classes.aliases[classes.index(name)]
    assert classes.find(spelling) == name


def test_truze_spells_known_classes(shared_data):
    text = (shared_data / "splits" / "truze" / "ZSL.txt").read_text(encoding="utf-8")
    ucf, hmdb = text.split("##HMDB51")
    for part, dataset in ((ucf, "ucf101"), (hmdb, "hmdb51")):
        lists = re.findall(r"classes\):\s*([^.]*)\.", part)
        names = [name.strip() for names in lists for name in names.split(",")]
        classes = load_class_set(dataset)
        assert {classes.find(name) for name in names} == set(classes.names)


@pytest.mark.parametrize(
    ("dataset", "name", "words"),
    [
        ("ucf101", "ApplyEyeMakeup", "apply eye makeup"),
        ("ucf101", "HorseRiding", "horse rid"),
        ("ucf101", "Skijet", "Skyjet"),
        ("ucf101", "HandstandPushups", "handstand pushups"),
        ("ucf101", "WritingOnBoard", "write on board"),
        ("ucf101", "StillRings", "still ring"),
        ("ucf101", "ThrowDiscus", "throw disc"),
        ("hmdb51", "clap", "clap"),
        ("hmdb51", "shoot_ball", "shoot ball"),
        ("activitynet200", "Mooping floor", "mop floor"),
        ("activitynet200", "Plataform diving", "diving trampoline"),
        ("activitynet200", "Rock-paper-scissors", "play rock paper scissors"),
        ("activitynet200", "Doing a powerbomb", "do powerbomb"),
        ("activitynet200", "Trimming branches or hedges", "trim branch or hedge"),
        ("kinetics700", "clean and jerk", "weight lift"),
        ("kinetics700", "canoeing or kayaking", "canoe kayak"),
        ("kinetics700", "tying knot (not on a tie)", "ty knot"),
        ("kinetics700", "pretending to be a statue", "pretend statue"),
        ("kinetics700", "hugging (not baby)", "hug"),
        ("kinetics700", "fencing (sport)", "fence sport"),
        ("kinetics700", "riding mule", "rid mule"),
        ("kinetics700", "using a paint roller", "paint roller"),
        ("kinetics700", "doing aerobics", "do aerobics"),
        ("sun397", "/f/forest/needleleaf", "forest needle leaf"),
        ("sun397", "/d/dining_room", "dining room"),
        ("sun397", "/b/barndoor", "barndoor"),
    ],
)
def test_words_follow_the_released_rules(dataset: str, name: str, words: str):
    classes = load_class_set(dataset)
    assert " ".join(classes.words[classes.index(name)]) == words


@pytest.mark.parametrize(
    ("dataset", "name", "label"),
    [
        ("ucf101", "ApplyEyeMakeup", "apply eye makeup"),
        ("ucf101", "HandstandPushups", "handstand pushups"),
        ("hmdb51", "clap", "clap"),
        ("activitynet200", "Playing guitarra", "playing guitar"),
        ("activitynet200", "Polishing forniture", "polishing furniture"),
        (
            "kinetics700",
            "passing American football (in game)",
            "passing American football (in game)",
        ),
        ("sun397", "/t/theater/indoor_procenium", "theater indoor proscenium"),
    ],
)
def test_labels_are_natural_language(dataset: str, name: str, label: str):
    classes = load_class_set(dataset)
    assert classes.labels[classes.index(name)] == label


@pytest.mark.parametrize(
    ("dataset", "approximate"),
    [("ucf101", 20), ("hmdb51", 7), ("activitynet200", 51), ("kinetics700", 158)],
)
def test_so_many_classes_have_a_word_without_a_bundled_vector(dataset: str, approximate: int):
    made = class_vectors(load_class_set(dataset), allow_approximate=True)
    assert len(made.approximate_classes) == approximate


def nearest(train: str, *tests: str, rules: str = "brattoli2020") -> list[tuple[float, str, str]]:
    """Cosine distances by plain loops over words: (distance, class, nearest test class), sorted."""
    sets = [load_class_set(name, rules) for name in (train, *tests)]
    wanted = {word for classes in sets for words in classes.words for word in words}
    vectors = load_word_vectors(words=wanted)
    spelled = {word: index for index, word in enumerate(sorted(wanted))}

    def embed(classes: ClassSet) -> dict[str, dict[int, float]]:
        """Sparse sums; a word without a vector is an axis of its own."""
        made = {}
        for name, words in zip(classes.names, classes.words, strict=True):
            total: dict[int, float] = {}
            for word in words:
                if word in vectors:
                    for i, value in enumerate(vectors.vector(word).tolist()):
                        total[i] = total.get(i, 0.0) + value
                else:
                    axis = 1000 + spelled[word]
                    total[axis] = total.get(axis, 0.0) + 1.0
            length = math.sqrt(sum(value * value for value in total.values()))
            made[name] = {i: value / length for i, value in total.items()}
        return made

    targets = [pair for classes in sets[1:] for pair in embed(classes).items()]
    rows = []
    for name, vector in embed(sets[0]).items():
        distances = []
        for other, target in targets:
            small, large = sorted((vector, target), key=len)
            product = sum(value * large.get(i, 0.0) for i, value in small.items())
            distances.append((1.0 - product, other))
        rows.append((min(distances)[0], name, min(distances)[1]))
    return sorted(rows)


def test_kinetics400_keeps_361_classes_as_published():
    distances = [row[0] for row in nearest("kinetics400", "ucf101", "hmdb51")]
    assert sum(distance >= 0.05 for distance in distances) == 361
    assert sum(distance < 1e-6 for distance in distances) == 37


def test_activitynet_loses_23_classes_as_published():
    distances = [row[0] for row in nearest("activitynet200", "ucf101", "hmdb51")]
    assert sum(distance < 0.05 for distance in distances) == 23


def test_kinetics700_keeps_662_classes_with_the_known_closest_calls():
    rows = nearest("kinetics700", "ucf101", "hmdb51")
    assert sum(distance >= 0.05 for distance, _, _ in rows) == 662
    assert sum(distance < 1e-6 for distance, _, _ in rows) == 36
    assert [(round(d, 3), name, other) for d, name, other in rows[36:38]] == [
        (0.043, "throwing discus", "JavelinThrow"),
        (0.047, "canoeing or kayaking", "Kayaking"),
    ]
    assert [(round(d, 3), name) for d, name, _ in rows[38:40]] == [
        (0.077, "swinging baseball bat"),
        (0.079, "playing clarinet"),
    ]


@pytest.mark.parametrize(
    ("train", "tests", "kept", "equal"),
    [
        ("kinetics400", ["ucf101", "hmdb51"], 378, 21),
        ("kinetics700", ["ucf101", "hmdb51"], 678, 21),
        ("kinetics700", ["ucf101", "hmdb51", "activitynet200"], 605, 94),
        ("activitynet200", ["ucf101", "hmdb51"], 180, 19),
    ],
)
def test_so_many_classes_are_kept_under_plain(train: str, tests: list[str], kept: int, equal: int):
    rows = nearest(train, *tests, rules="plain")
    assert sum(distance >= 0.05 for distance, _, _ in rows) == kept
    assert sum(distance < 1e-6 for distance, _, _ in rows) == equal
    borderline = "Discus throw" if train == "activitynet200" else "canoeing or kayaking"
    assert [name for distance, name, _ in rows[:-kept] if distance >= 1e-6] == [borderline]
