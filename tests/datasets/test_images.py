"""SUN397 and folders of image classes."""

from __future__ import annotations

import unicodedata

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import open_dataset, open_images, summary_lines
from zsl_bench.errors import DatasetError

SUN397 = (
    "a/abbey/sun_aaa.jpg",
    "a/abbey/sun_aab.jpg",
    "a/apartment_building/outdoor/sun_aac.jpg",
    "a/apartment_building/outdoor/more/sun_aad.JPG",
    "b/barndoor/sun_aae.jpg",
    "t/thriftshop/sun_aaf.jpg",
)
ROWS = [
    ("a/abbey/sun_aaa.jpg", "/a/abbey"),
    ("a/abbey/sun_aab.jpg", "/a/abbey"),
    ("a/apartment_building/outdoor/more/sun_aad.JPG", "/a/apartment_building/outdoor"),
    ("a/apartment_building/outdoor/sun_aac.jpg", "/a/apartment_building/outdoor"),
    ("b/barndoor/sun_aae.jpg", "/b/barndoor"),
    ("t/thriftshop/sun_aaf.jpg", "/t/thriftshop"),
]


def rows(manifest):
    return [(video.id, video.label) for video in manifest.videos]


@pytest.mark.parametrize("with_names", [False, True])
@pytest.mark.parametrize("above", ["", "SUN397/", "sun397/"])
def test_sun397_is_read_from_its_folder_or_the_one_above(above, with_names, plant):
    root = plant(*(above + path for path in SUN397))
    if with_names:
        plant(f"{above}ClassName.txt")
    manifest = open_images("SUN 397", root)
    assert (manifest.dataset, manifest.split) == ("sun397", "all")
    assert manifest.classes == load_class_set("sun397")
    assert rows(manifest) == ROWS
    assert [video.path for video in manifest.videos] == [above + id_ for id_, _ in ROWS]
    assert all(manifest.resolve(video).is_file() for video in manifest.videos)
    assert all(video.group == video.id for video in manifest.videos)
    absent = (
        "classes without images: 393 of 397 (/a/airplane_cabin, /a/airport_terminal, "
        "/a/alley, /a/amphitheater, /a/amusement_arcade and 388 more)"
    )
    left_out = "left out, no images: 1 (.txt 1)"
    assert manifest.notes == ((left_out,) if with_names else ()) + (absent,)
    assert manifest.is_partial


def test_copies_of_sun397_have_one_digest(plant, tmp_path):
    first = open_images("sun397", plant(*SUN397))
    below = plant(*(f"SUN397/{path}" for path in SUN397), root=tmp_path / "copy")
    assert open_images("sun397", below).digest == first.digest


def test_a_sun397_beside_other_folders_is_taken_alone(plant):
    root = plant("SUN397/a/abbey/1.jpg", "places/kitchen/2.jpg", "a.jpg")
    manifest = open_images("sun397", root)
    assert [video.path for video in manifest.videos] == ["SUN397/a/abbey/1.jpg"]
    assert manifest.extra == ()


def test_every_class_of_sun397_is_found_in_its_folder(plant):
    names = load_class_set("sun397").names
    manifest = open_images("sun397", plant(*(f"{name[1:]}/1.jpg" for name in names)))
    assert [(video.path, video.label) for video in manifest.videos] == sorted(
        (f"{name[1:]}/1.jpg", name) for name in names
    )
    assert manifest.notes == ()
    assert not manifest.is_partial


def test_flattened_folders_of_sun397(plant):
    root = plant("abbey/1.jpg", "apartment_building_outdoor/2.jpg", "loose.jpg")
    manifest = open_images("sun397", root)
    assert rows(manifest) == [
        ("a/abbey/1.jpg", "/a/abbey"),
        ("a/apartment_building/outdoor/2.jpg", "/a/apartment_building/outdoor"),
    ]
    assert manifest.extra == ("loose.jpg",)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("a/abby/1.jpg", "a/abbey/1.jpg"), r"\(1\): a/abby; did you mean '/a/abbey'"),
        (("1.jpg",), "no class folders with images; give the folder SUN397"),
        (("a/abbey/1.mp4",), "no image files; give the folder SUN397"),
        (("SUN397.tar.gz",), r"no image files; unpack its \.gz archives first"),
        (("a/abbey/1.jpg", "abbey/1.jpg"), "one image as 'a/abbey/1.jpg' and 'abbey/1.jpg'"),
    ],
)
def test_what_is_not_sun397_is_refused(paths, said, plant):
    with pytest.raises(DatasetError, match=said):
        open_images("sun397", plant(*paths))


def test_class_folders_of_images(plant):
    root = plant("cat/1.jpg", "cat/1.png", "cat/deep/2.jpeg", "dog/1.webp", "x.gif", "cat/a.mp4")
    (root / "bird").mkdir()
    manifest = open_images("pets", str(root))
    assert rows(manifest) == [
        ("cat/1.jpg", "cat"),
        ("cat/1.png", "cat"),
        ("cat/deep/2.jpeg", "cat"),
        ("dog/1.webp", "dog"),
    ]
    assert [video.group for video in manifest.videos] == [video.id for video in manifest.videos]
    assert manifest.counts() == {"bird": 0, "cat": 3, "dog": 1}
    assert manifest.extra == ("x.gif",)
    assert manifest.notes == (
        "left out, no images: 1 (.mp4 1)",
        "classes without images: 1 of 3 (bird)",
    )
    assert summary_lines(manifest)[0].startswith("pets, all: 4")


def test_images_of_a_bundled_class_set(plant):
    manifest = open_images("UCF-101", plant("Apply Eye Makeup/1.jpg", "Archery/2.jpg"))
    assert rows(manifest) == [
        ("ApplyEyeMakeup/1.jpg", "ApplyEyeMakeup"),
        ("Archery/2.jpg", "Archery"),
    ]
    assert manifest.expected is None


def test_videos_are_read_as_before(plant):
    root = plant("cat/1.jpg", "cat/2.mp4", "dog/3.mp4")
    assert [video.id for video in open_dataset("pets", root).videos] == ["cat/2.mp4", "dog/3.mp4"]
    assert [video.id for video in open_images("pets", root).videos] == ["cat/1.jpg"]


@pytest.mark.parametrize("name", ["sun397", "pets"])
def test_unreadable_images_stay_rows(name, plant):
    plant("a/abbey/empty.jpg", content=b"")
    root = plant("a/abbey/1.jpg")
    (root / "a/abbey/gone.jpg").symlink_to("nowhere.jpg")
    manifest = open_images(name, root)
    assert len(manifest) == 3
    reasons = dict(manifest.unreadable)
    assert [reason.partition(" (")[0] for reason in reasons.values()] == [
        "zero length",
        "a link to a file that cannot be reached",
    ]


def test_names_are_composed(plant, tmp_path):
    both = [unicodedata.normalize(form, "a/abbey/é.jpg") for form in ("NFC", "NFD")]
    first = open_images("sun397", plant(both[0]))
    second = open_images("sun397", plant(both[1], root=tmp_path / "other"))
    assert first.digest == second.digest
    assert second.resolve(second.videos[0]).is_file()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "no image files"),
        (lambda path: path.exists(), "images in .*no such file"),
        (
            lambda path: path.write_bytes(b"x"),
            "a file, not a folder; give the folder of the images",
        ),
    ],
)
@pytest.mark.parametrize("name", ["sun397", "pets"])
def test_bad_folders(name, make, said, tmp_path):
    make(tmp_path / "images")
    with pytest.raises(DatasetError, match=said):
        open_images(name, tmp_path / "images")


def test_bad_names(plant):
    with pytest.raises(DatasetError, match="cannot be part of a file name"):
        open_images("a/b", plant("cat/1.jpg"))
