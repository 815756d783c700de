from __future__ import annotations

import io
import struct
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from zsl_bench.errors import VideoError
from zsl_bench.video import MOST_PIXELS, read_image

LEVELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PICTURE = Image.fromarray(LEVELS)
TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def saved(folder, picture, name, **options):
    picture.save(folder / name, **options)
    return folder / name


def read(path):
    image = read_image(path)
    assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
    assert image.flags.writeable
    assert image.flags.c_contiguous
    return image


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.PNG", "no-extension"])
def test_files_without_loss_come_back(name, tmp_path):
    options = {} if "." in name else {"format": "PNG"}
    np.testing.assert_array_equal(read(saved(tmp_path, PICTURE, name, **options)), LEVELS)
    np.testing.assert_array_equal(read(str(tmp_path / name)), LEVELS)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.gif"])
def test_files_with_loss_come_back_nearly(name, tmp_path):
    smooth = PICTURE.resize((3, 2)).resize((30, 20), Image.Resampling.BICUBIC)
    off = read(saved(tmp_path, smooth, name)).astype(int) - np.asarray(smooth)
    assert np.abs(off).mean() < 12


def test_grey_with_and_without_alpha(tmp_path):
    grey = LEVELS[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(read(saved(tmp_path, Image.fromarray(grey), "l.png")), expected)
    alpha = np.dstack([grey, LEVELS[..., 1]])
    picture = Image.fromarray(alpha)
    assert picture.mode == "LA"
    np.testing.assert_array_equal(read(saved(tmp_path, picture, "la.png")), expected)
    black_and_white = Image.fromarray(grey > 100)
    assert set(np.unique(read(saved(tmp_path, black_and_white, "1.png")))) == {0, 255}


def test_transparency_is_dropped(tmp_path):
    picture = Image.fromarray(np.dstack([LEVELS, LEVELS[..., 0]]))
    assert picture.mode == "RGBA"
    np.testing.assert_array_equal(read(saved(tmp_path, picture, "rgba.png")), LEVELS)


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(256))])
def test_palettes_with_and_without_transparency(transparency, tmp_path):
    picture = PICTURE.quantize(16)
    expected = np.asarray(picture.convert("RGB"))
    options = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(read(saved(tmp_path, picture, "p.png", **options)), expected)


@pytest.mark.parametrize(("name", "loss"), [("cmyk.tif", 0), ("cmyk.jpg", 12)])
def test_cmyk(name, loss, tmp_path):
    smooth = PICTURE.resize((3, 2)).resize((30, 20), Image.Resampling.BICUBIC)
    off = read(saved(tmp_path, smooth.convert("CMYK"), name)).astype(int) - np.asarray(smooth)
    assert np.abs(off).mean() <= loss


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_keep_their_high_byte(name, tmp_path):
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
    image = read(saved(tmp_path, Image.fromarray(deep), name))
    np.testing.assert_array_equal(image, np.repeat((deep // 256)[..., None], 3, axis=2))


def test_sixteen_bit_colour(tmp_path):
    deep = (LEVELS * np.uint16(256) + np.uint16(77)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 30, 20, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )
    np.testing.assert_array_equal(read(path), LEVELS)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_levels_that_are_not_of_an_image_are_refused(mode, tmp_path):
    levels = np.full((4, 4), 70_000, np.int32 if mode == "I" else np.float32)
    with pytest.raises(VideoError, match="convert it to 8 bits"):
        read_image(saved(tmp_path, Image.fromarray(levels), "deep.tif"))


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_exif_orientation_is_applied(name, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read(saved(tmp_path, PICTURE, name, exif=exif))
    np.testing.assert_array_equal(image, TURNED[orientation](LEVELS))


def test_damaged_exif_leaves_the_picture_as_it_is(tmp_path):
    path = saved(tmp_path, PICTURE, "a.jpg", exif=b"Exif\0\0MM\x77*\0\0\0\x08")
    assert read(path).shape == LEVELS.shape


def test_the_first_picture_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert (read(path) == (255, 0, 0)).all()


def bomb(width, height):
    """A PNG file of a few bytes that says it is large."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(b"IHDR" + body))
    chunk = struct.pack(">I", len(body)) + b"IHDR" + body + check
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"


@pytest.mark.parametrize("side", [9_460, 12_000, 60_000])
def test_more_pixels_than_allowed_are_refused_without_a_warning(side, tmp_path):
    assert side * side > MOST_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side, side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(VideoError, match="make the image smaller"):
            read_image(path)


def test_a_large_image_is_read(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (8_000, 5_000), "green"), "large.jpg")
    assert read(path).shape == (5_000, 8_000, 3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.gif", "a.bmp"])
def test_a_file_that_was_cut_short_is_refused(name, tmp_path):
    data = saved(tmp_path, PICTURE.resize((90, 60)), name).read_bytes()
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / f"cut-{name}"
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(VideoError) as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an image"),
        (b"no image", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (None, "no such file"),
    ],
)
def test_what_is_no_image_is_refused(content, said, tmp_path):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=said):
        read_image(path)
    with pytest.raises(VideoError, match="directory"):
        read_image(tmp_path)


def encoded(picture, kind):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM"]))
def test_damaged_files_are_read_or_refused(data, kind, tmp_path):
    if kind == "WEBP" and not features.check("webp"):
        return
    content = bytearray(encoded(PICTURE, kind))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with suppress(VideoError):
        assert read_image(path).shape[2] == 3
