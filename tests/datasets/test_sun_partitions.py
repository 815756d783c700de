"""The authors' partitions of SUN397, made up at full size: 50 images of each of the 397 classes."""

from __future__ import annotations

import os

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import open_images
from zsl_bench.datasets.images import open_sun397
from zsl_bench.datasets.request import DatasetRequest
from zsl_bench.errors import DatasetError

NAMES = load_class_set("sun397").names
ABBEY = ("a/abbey/sun_aaaaaaaaaaaaaaaa.jpg", "a/abbey/sun_aaaaaaaaaaaaaaab.jpg")
OUTDOOR = "a/apartment_building/outdoor/sun_aaaaaaaaaaaaaaac.jpg"


def opened(root, **changes):
    return open_sun397(DatasetRequest(dataset="sun397", asked="SUN397", root=root, **changes))


def whole_partition(first=0):
    return [
        f"{name}/sun_{number:016d}.jpg" for name in NAMES for number in range(first, first + 50)
    ]


def text(lines, newline="\n"):
    return (newline.join(lines) + newline).encode()


@pytest.fixture
def tree(plant):
    """Return a function that plants images beside partitions of the authors' size."""

    def make(*images, lists="Partitions", below=""):
        root = plant(*(below + image for image in images))
        plant(f"{lists}/Training_01.txt", content=text(whole_partition()))
        plant(f"{lists}/Testing_10.txt", content=text(whole_partition(50), "\r\n"))
        return root

    return make


IMAGES = [f"{name[1:]}/sun_{number:016d}.jpg" for name in NAMES[:3] for number in (0, 49, 50, 99)]


@pytest.mark.parametrize(
    ("below", "lists"),
    [
        *(("", lists) for lists in ("Partitions", ".", "../Partitions")),
        *(("SUN397/", lists) for lists in ("Partitions", "SUN397/partitions", ".", "../Splits")),
    ],
)
def test_partitions_are_found_and_named(below, lists, tree):
    root = tree(*IMAGES, lists=lists, below=below)
    for spelling, name, numbers in [
        ("Training_01", "Training_01", ("00", "49")),
        ("testing_10", "Testing_10", ("50", "99")),
        ("test10", "Testing_10", ("50", "99")),
        ("train-1", "Training_01", ("00", "49")),
    ]:
        manifest = opened(root, test_list=spelling)
        assert manifest.split == name
        assert [video.id for video in manifest.videos] == [
            i for i in sorted(IMAGES) if i[-6:-4] in numbers
        ]
        assert set(manifest.expected.values()) == {50}
        assert len(manifest.missing) == 397 * 50 - 6
        assert manifest.is_partial


def test_without_a_partition_all_images_are_rows(tree):
    root = tree(*IMAGES)
    assert opened(root).digest == open_images("sun397", root).digest
    assert len(opened(root)) == 12
    assert (opened(root).split, opened(root).expected) == ("all", None)


def test_a_whole_partition_at_hand(tree):
    manifest = opened(tree(*(line[1:] for line in whole_partition())), test_list="Training_01")
    assert len(manifest) == 19850
    assert not manifest.is_partial
    assert manifest.counts() == manifest.expected


def test_a_file_that_is_no_whole_partition_is_a_custom_one(plant, tmp_path):
    root = plant(*ABBEY, OUTDOOR)
    lines = (f"/{ABBEY[0]}", f"SUN397/{OUTDOOR}", "abbey/sun_gone.jpg")
    for name in ("mine.txt", "Testing_03.txt"):
        (tmp_path / name).write_bytes(text(lines))
        manifest = opened(root, test_list=tmp_path / name)
        assert manifest.split == f"custom-{name[:-4]}"
        assert [video.id for video in manifest.videos] == [ABBEY[0], OUTDOOR]
        assert manifest.missing == ("a/abbey/sun_gone.jpg",)
        assert manifest.expected["/a/abbey"] == 2


def test_flattened_folders_have_the_same_ids(plant, tmp_path):
    flat = "apartment_building_outdoor/sun_aaaaaaaaaaaaaaac.jpg"
    (tmp_path / "mine.txt").write_bytes(text([f"/{OUTDOOR}"]))
    digests = {
        opened(plant(path, root=tmp_path / str(n)), test_list=str(tmp_path / "mine.txt")).digest
        for n, path in enumerate((flat, OUTDOOR))
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/a/abby/1.jpg", "names no image of a class of SUN397"),
        ("/a/abbey", "names no image"),
        ("1.jpg", "names no image"),
        ("/a/abbey/../../etc/passwd.jpg", "names no image"),
        ("/a/abbey/1.txt", "names no image"),
        ("../a/abbey/1.jpg", "names no image"),
        ("C:\\a\\abbey\\1.jpg", "names no image"),
        (f"/{ABBEY[0]}", "comes twice"),
    ],
)
def test_lines_that_do_not_fit(line, said, plant, tmp_path):
    (tmp_path / "mine.txt").write_bytes(text([f"/{ABBEY[0]}", line]))
    with pytest.raises(DatasetError, match=said) as caught:
        opened(plant(*ABBEY), test_list=tmp_path / "mine.txt")
    assert line.replace("\\", "\\\\") in str(caught.value)


def test_partitions_that_are_not_there(plant, tmp_path):
    root = plant(*ABBEY)
    with pytest.raises(DatasetError, match=r"no Testing_02\.txt in .*unpack the authors' Partit"):
        opened(root, test_list="testing_2")
    for name in ("testing_11", "Testing_00", "val"):
        with pytest.raises(DatasetError, match="choose from Training_01 to Training_10 and Testi"):
            opened(root, test_list=name)
    (tmp_path / "empty.txt").write_bytes(b"\n")
    with pytest.raises(DatasetError, match="no lines"):
        opened(root, test_list=tmp_path / "empty.txt")
    (tmp_path / "other.txt").write_bytes(text(["/a/abbey/sun_zzzz.jpg"]))
    with pytest.raises(
        DatasetError, match=r"custom-other of sun397 in .*: not one of its 1 images"
    ):
        opened(root, test_list=tmp_path / "other.txt")


def test_unreadable_images_of_a_partition(tree, plant):
    root = tree(*IMAGES)
    plant(IMAGES[0], content=b"")
    assert opened(root, test_list="Training_01").unreadable == ((IMAGES[0], "zero length"),)
    assert opened(root, test_list="Testing_10").unreadable == ()


def test_a_list_of_ones_own(plant):
    root = plant(*ABBEY)
    path = plant("mine.jsonl", content=b'{"path": "%s", "label": "abbey"}' % ABBEY[0].encode())
    manifest = opened(root, annotations=path / "mine.jsonl")
    assert [video.label for video in manifest.videos] == ["/a/abbey"]
    assert manifest.classes == load_class_set("sun397")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["Archery/v_Archery_g01_c01.avi"], "no image files; this looks like ucf101"),
        (["v_aaaaaaaaaaa.mp4"], "this looks like activitynet200 or activitynet100: 1 of 1 files"),
        (["Archery/1.jpg", "Diving/2.jpg", "YoYo/3.jpg"], "this looks like ucf101: 3 of 3 class"),
        (["abby/sun_aaaaaaaaaaaaaaaa.jpg"], "did you mean '/a/abbey'"),
    ],
)
def test_another_data_set_is_recognised(files, said, plant):
    with pytest.raises(DatasetError, match=said):
        opened(plant(*files))


def test_folders_that_may_not_be_read_and_links_that_go_round(plant, monkeypatch):
    root = plant(*ABBEY, OUTDOOR)
    (root / "a" / "abbey" / "again").symlink_to(root)
    with pytest.raises(DatasetError, match="the link 'a/abbey/again' leads back"):
        opened(root)
    (root / "a" / "abbey" / "again").unlink()
    really = os.scandir

    def scandir(path):
        if str(path).endswith("abbey"):
            raise PermissionError(13, "Permission denied", path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DatasetError, match="abbey: permission denied"):
        opened(root)
