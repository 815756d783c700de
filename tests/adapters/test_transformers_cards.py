"""What models of transformers are declared to have seen."""

import pytest

from zsl_bench.adapters.transformers_cards import declared, label_classes
from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.files import read_asset

COMMIT = "0" * 40


def _names(data):
    return data if data is None or data == "open" else [one.dataset for one in data]


@pytest.mark.parametrize(
    ("repo", "trained", "pretrained"),
    [
        ("openai/clip-vit-base-patch32", [], "open"),
        ("openai/clip-vit-large-patch14-336", [], "open"),
        ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", [], "open"),
        ("google/siglip-so400m-patch14-384", [], "open"),
        ("google/siglip2-base-patch16-224", [], "open"),
        ("microsoft/xclip-base-patch32", ["kinetics400"], "open"),
        ("microsoft/xclip-large-patch14-16-frames", ["kinetics400"], "open"),
        ("microsoft/xclip-base-patch16-zero-shot", ["kinetics400"], "open"),
        ("microsoft/xclip-base-patch16-kinetics-600", ["kinetics600"], "open"),
        ("microsoft/xclip-base-patch16-kinetics-600-16-frames", ["kinetics600"], "open"),
        ("microsoft/xclip-base-patch16-hmdb-2-shot", ["hmdb51"], None),
        ("microsoft/xclip-base-patch16-ucf-16-shot", ["ucf101"], None),
        ("MCG-NJU/videomae-base-finetuned-kinetics", ["kinetics400"], ["kinetics400"]),
        ("MCG-NJU/videomae-base-finetuned-ssv2", None, None),
        ("facebook/timesformer-base-finetuned-k600", ["kinetics600"], None),
        ("google/vivit-b-16x2-kinetics400", ["kinetics400"], None),
        ("someone/clip-vit-base-patch32", None, None),
        ("someone/openai/clip-vit-base-patch32", None, None),
    ],
)
def test_what_is_known_of_a_repository(repo, trained, pretrained):
    known = declared(f"hub:{repo}@{COMMIT}")
    assert (_names(known.trained_on), _names(known.pretrained_on)) == (trained, pretrained)


def test_a_folder_is_undeclared_whatever_its_name():
    for folder in ("./openai/clip-vit-base-patch32", "/models/hub:openai/clip-vit-base-patch32"):
        known = declared(folder)
        assert known.trained_on is None
        assert known.pretrained_on is None
        assert known.licence == "unknown"


def test_every_row_says_what_says_so_and_names_no_repository_twice():
    rows = read_asset("transformers_models.json")["models"]
    names = [name for row in rows for name in row["names"]]
    assert len(names) == len(set(names))
    for row in rows:
        assert row["source"]
        assert row["citation"]
        for data in (row["trained_on"], row["pretrained_on"]):
            assert data in (None, "open") or set(data) <= set(bundled_class_sets())
        assert row["trained_on"] != "open"


@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600", "ucf101", "hmdb51"])
def test_labels_of_a_bundled_set_are_its_classes_in_the_order_of_the_outputs(dataset):
    classes = load_class_set(dataset)
    names = [*classes.names[1::2], *classes.names[::-2]]
    names += [name for name in classes.names if name not in names]
    names = list(dict.fromkeys(names))
    spelled = [name.upper().replace(" ", "_") for name in names]
    made = label_classes(dict(enumerate(spelled)), name="x", asked="test")
    assert made.dataset == dataset
    assert list(made.names) == names


def test_labels_in_the_order_of_their_numbers_and_not_of_the_file():
    made = label_classes({2: "yoga", 0: "archery", 1: "welding"}, name="mine", asked="test")
    assert made.names == ("archery", "welding", "yoga")
    assert made.dataset == "mine"


@pytest.mark.parametrize(
    "labels",
    [{5: "yoga", 6: "welding", 7: "archery", 9: "run"}, {1: "yoga", 2: "run"}, {-1: "a", 0: "b"}],
)
def test_labels_that_are_not_numbered_from_0_on_are_refused(labels):
    with pytest.raises(ModelError, match=r"classes numbered .*; number id2label .* from 0 to"):
        label_classes(labels, name="mine", asked="test")


def test_a_part_of_a_set_is_not_that_set():
    names = load_class_set("kinetics400").names[:-1]
    assert label_classes(dict(enumerate(names)), name="mine", asked="test").dataset == "mine"


def test_labels_that_only_count_are_refused():
    with pytest.raises(ModelError, match="a class called LABEL_0; write the names"):
        label_classes({0: "LABEL_0", 1: "LABEL_1"}, name="x", asked="test")
    with pytest.raises(ZslBenchError):
        label_classes({0: "yoga", 1: "yoga"}, name="x", asked="test")
