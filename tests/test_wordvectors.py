"""Word vectors: the bundled subset, every kind of file, damage, the cache, class vectors."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import os
import pickle
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import ClassSet, class_set_from_names, load_class_set
from zsl_bench.errors import ClassSetError, WordVectorError
from zsl_bench.files import asset_path, cache_dir, read_asset
from zsl_bench.vector_files import download, reading, streams
from zsl_bench.wordvectors import (
    ClassVectors,
    WordVectors,
    class_vectors,
    hash_vector,
    load_word_vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VOCABULARY = ["walk", "run", "Skyjet", "naïve", "日本", "ball", "play"]
MATRIX = np.random.default_rng(3).standard_normal((7, 5)).astype(np.float32) * 3
ROWS = dict(zip(VOCABULARY, MATRIX, strict=True))


def binary(path: Path, *, newline: bytes = b"", count: int = 7, dim: int = 5) -> Path:
    records = [word.encode() + b" " + row.tobytes() + newline for word, row in ROWS.items()]
    path.write_bytes(f"{count} {dim}\n".encode() + b"".join(records))
    return path


def text(path: Path, *, header: str = "", end: str = "\n", separator: str = " ") -> Path:
    lines = [separator.join([word, *map(repr, row.tolist())]) for word, row in ROWS.items()]
    path.write_bytes((header + end.join(lines) + end).encode())
    return path


def keyed(path: Path, **options: object) -> Path:
    models = pytest.importorskip("gensim.models")
    vectors = models.KeyedVectors(5)
    vectors.add_vectors(VOCABULARY, MATRIX)
    vectors.fill_norms()
    vectors.save(str(path), **options)
    return path


def zipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


MAKERS: dict[str, Callable[[Path], Path]] = {
    "bin": lambda folder: binary(folder / "v.bin"),
    "bin with newlines": lambda folder: binary(folder / "v.bin", newline=b"\n"),
    "bin.gz": lambda folder: zipped(binary(folder / "v.bin")),
    "bin.gz of two members": lambda folder: two_members(binary(folder / "v.bin")),
    "gz of bin": lambda folder: zipped(binary(folder / "v")),
    "glove text": lambda folder: text(folder / "v.txt"),
    "text with a header": lambda folder: text(folder / "v.vec", header="7 5\n"),
    "text as fastText writes it": lambda folder: text(folder / "v.vec", header="7 5\n", end=" \n"),
    "text from Windows": lambda folder: text(folder / "V.TXT", header="\ufeff7 5\r\n", end="\r\n"),
    "text with tabs": lambda folder: text(folder / "v.txt", separator="\t"),
    "txt.gz": lambda folder: zipped(text(folder / "v.txt")),
    "gz of text": lambda folder: zipped(text(folder / "v", header="7 5\n")),
    "kv": lambda folder: keyed(folder / "v.kv"),
    "kv of protocol 2": lambda folder: keyed(folder / "v.kv", pickle_protocol=2),
    "kv of protocol 5": lambda folder: keyed(folder / "v.kv", pickle_protocol=5),
    "kv with vectors beside it": lambda folder: keyed(folder / "v.kv", separately=["vectors"]),
}


def two_members(path: Path) -> Path:
    data = path.read_bytes()
    packed = path.with_name("two.bin.gz")
    packed.write_bytes(gzip.compress(data[:40]) + gzip.compress(data[40:]) + b"\0" * 16)
    return packed


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_every_kind_of_file_gives_unit_vectors_of_the_wanted_words(kind: str, tmp_path: Path):
    path = MAKERS[kind](tmp_path)
    wanted = ["walk", "Skyjet", "日本", "play", "absent"]
    for _ in ("from the file", "from the cache"):
        vectors = load_word_vectors(path, words=wanted)
        assert set(vectors.words) == set(wanted) - {"absent"}
        assert vectors.dim == 5
        assert "absent" not in vectors
        for word in vectors.words:
            row = ROWS[word].astype(np.float64)
            expected = (row / np.linalg.norm(row)).astype(np.float32)
            assert np.array_equal(vectors.vector(word), expected)
    with pytest.raises(WordVectorError, match="vector of 'absent'"):
        vectors.vector("absent")


def test_records_are_found_wherever_chunks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for path in (
        binary(tmp_path / "v.bin"),
        text(tmp_path / "v.txt"),
        two_members(tmp_path / "v.bin"),
    ):
        whole = reading._scan(path, "text" if path.suffix == ".txt" else "binary", frozenset(ROWS))
        for size in (2, 3, 7, 26, 100):
            monkeypatch.setattr(streams, "CHUNK", size)
            scan = reading._scan(
                path, "text" if path.suffix == ".txt" else "binary", frozenset(ROWS)
            )
            assert scan.words == whole.words
            assert scan.digest == whole.digest
            assert np.array_equal(scan.matrix, whole.matrix)
        monkeypatch.undo()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(data=st.data())
def test_any_file_that_gensim_would_write_is_read(tmp_path: Path, data: st.DataObject):
    words = data.draw(st.lists(st.text("abcäé_#", min_size=1, max_size=5), unique=True, min_size=1))
    dim = data.draw(st.integers(1, 9))
    rows = np.random.default_rng(0).standard_normal((len(words), dim)).astype(np.float32)
    wanted = data.draw(st.lists(st.sampled_from(words), unique=True))
    head = f"{len(words)} {dim}\n".encode()
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
    path.write_bytes(
        head + b"".join(w.encode() + b" " + r.tobytes() for w, r in zip(words, rows, strict=True))
    )
    found = reading.read_vectors(path, wanted)
    assert sorted(found.words) == sorted(wanted)
    for word, row in zip(found.words, found.matrix, strict=True):
        assert np.array_equal(row, rows[words.index(word)])
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_of_a_word_that_comes_twice_the_first_counts(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("walk 1 0\nwalk 0 1\n", encoding="utf-8")
    assert load_word_vectors(path, words=["walk"]).vector("walk").tolist() == [1, 0]


def test_a_key_of_several_words_is_nobodys_word(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("run 1 0\nat name@domain 0 1\nat 1 1\n", encoding="utf-8")
    vectors = load_word_vectors(path, words=["at"])
    assert vectors.vector("at").tolist() == pytest.approx([0.5**0.5] * 2)


def test_the_digest_is_of_the_content_whatever_its_packing(tmp_path: Path):
    path = binary(tmp_path / "v.bin")
    plain = load_word_vectors(path, words=["walk"])
    packed = load_word_vectors(zipped(path), words=["run"])
    assert plain.digest == packed.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert plain.source == "v.bin"


DAMAGE: dict[str, tuple[str, bytes, str]] = {
    "empty": ("v.bin", b"", "an empty file"),
    "empty text": ("v.txt", b"\n\n", "no word followed by numbers"),
    "no header": ("v.bin", b"walk \0\0\0\0", "no word2vec header"),
    "header of one number": ("v.bin", b"7\nwalk", "no word2vec header"),
    "header without end": ("v.bin", b"7 5", "no word2vec header"),
    "header of no length": ("v.bin", b"7 0\n", "no word2vec header"),
    "no records": ("v.bin", b"7 5\n", "cut short"),
    "a picture": ("v.bin", bytes(range(256)) * 9, "no word2vec header"),
    "a picture as text": ("v.txt", bytes(range(256)) * 9, "no word followed by numbers"),
    "prose": ("v.txt", b"It was a dark night.\n", "no word followed by numbers in line 1"),
    "no space anywhere": ("v.bin", b"7 5\n" + b"x" * 300_000, "cut short"),
    "too few values": ("v.txt", b"run 1 2 3\nwalk 1 2\n", "3 numbers in line 2"),
    "no number": ("v.txt", b"run 1 2 3\nwalk 1 2 x\n", "3 numbers in line 2"),
    "text cut short": ("v.txt", b"3 2\nrun 1 2\nwalk 1 2\n", "1 words are missing"),
    "text cut in a line": ("v.txt", b"run 1 2 3\nball 1 2", "3 numbers in line 2"),
    "text too long": ("v.txt", b"1 2\nrun 1 2\nball 1 2\n", "more data than its header says"),
    "not a number": ("v.txt", b"walk nan 2\n", "zero or not finite: walk"),
    "zeros": ("v.txt", b"walk 0 0\n", "zero or not finite: walk"),
    "infinite": ("v.bin", b"1 1\nwalk " + np.float32(np.inf).tobytes(), "zero or not finite"),
    "no gzip": ("v.bin.gz", b"\x1f\x8bnonsense", "damaged or cut-short gzip"),
    "gzip cut short": ("v.txt.gz", gzip.compress(b"walk 1 2\n" * 99)[:-9], "cut-short gzip"),
    "gzip with a false sum": (
        "v.txt.gz",
        gzip.compress(b"walk 1 2\n")[:-8] + b"\0" * 8,
        "damaged or cut-short gzip",
    ),
    "no pickle": ("v.kv", b"hello", "no gensim file, or a damaged one"),
    "pickle cut short": ("v.kv", pickle.dumps({"a": 1})[:-3], "no gensim file, or a damaged one"),
    "pickle of a dict": ("v.kv", pickle.dumps({"a": 1}), "a pickle of dict"),
    "another kind": ("v.onnx", b"x", "unknown kind of file '.onnx'"),
    "no suffix": ("v", b"x", "unknown kind of file ''"),
}


@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_a_damaged_file_is_told_in_one_line(kind: str, tmp_path: Path):
    name, content, message = DAMAGE[kind]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WordVectorError, match=message) as caught:
        load_word_vectors(path, words=["walk"])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(cache_dir().rglob("*"))


@pytest.mark.parametrize("lost", [1, 20, 27, 150])
def test_a_cut_short_file_is_noticed_though_every_wanted_word_was_found(lost: int, tmp_path: Path):
    path = binary(tmp_path / "v.bin")
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(WordVectorError, match=r"cut short.*7 words of 5 values"):
        load_word_vectors(path, words=["walk"])


@pytest.mark.parametrize(("count", "dim"), [(6, 5), (8, 5), (7, 4), (7, 6)])
def test_a_header_that_does_not_fit_is_noticed(count: int, dim: int, tmp_path: Path):
    path = binary(tmp_path / "v.bin", count=count, dim=dim)
    with pytest.raises(WordVectorError, match="header says"):
        load_word_vectors(path, words=["absent"])


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path):
    with pytest.raises(WordVectorError, match="a folder"):
        load_word_vectors(tmp_path, words=["walk"])
    with pytest.raises(WordVectorError, match="no such file"):
        load_word_vectors(tmp_path / "none.bin", words=["walk"])
    with pytest.raises(WordVectorError, match="no such file"):
        load_word_vectors("nul\0.bin", words=["walk"])


class Bomb:
    """Would write a file when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_with_code_is_refused_and_runs_nothing(protocol: int, tmp_path: Path):
    path, mark = tmp_path / "v.kv", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(mark), protocol))
    with pytest.raises(WordVectorError, match=r"asks for (posix|nt|os)\.system.*nothing ran"):
        load_word_vectors(path, words=["walk"])
    assert not mark.exists()


@pytest.mark.parametrize("value", [print, np.load, np.save, ClassSet, Path("x"), np.dtype("O")])
def test_no_other_name_is_let_through(value: object, tmp_path: Path):
    path = tmp_path / "v.kv"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(WordVectorError, match=r"refused, nothing ran|not of word vectors"):
        load_word_vectors(path, words=["walk"])


def test_vectors_beside_a_kv_may_hold_no_objects(tmp_path: Path):
    path = keyed(tmp_path / "v.kv", separately=["vectors"])
    beside = tmp_path / "v.kv.vectors.npy"
    np.save(beside, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WordVectorError, match="no vectors as gensim saves them"):
        load_word_vectors(path, words=["walk"])
    np.save(beside, MATRIX[:2])
    with pytest.raises(WordVectorError, match="words beyond its 2 vectors"):
        load_word_vectors(path, words=["play"])
    beside.unlink()
    with pytest.raises(WordVectorError, match=r"no v\.kv\.vectors\.npy beside it"):
        load_word_vectors(path, words=["walk"])


def test_the_kv_layout_of_gensim_3_is_read(tmp_path: Path):
    module = pytest.importorskip("gensim.models.keyedvectors")
    old = module.KeyedVectors.__new__(module.KeyedVectors)
    entries = {w: module.CompatVocab(index=i, count=np.uint32(9)) for i, w in enumerate(VOCABULARY)}
    old.__dict__ = {"syn0": MATRIX, "vocab": entries, "index2word": VOCABULARY}
    path = tmp_path / "v.kv"
    path.write_bytes(pickle.dumps(old, 2))
    vectors = load_word_vectors(path, words=["ball"])
    assert np.allclose(vectors.vector("ball"), ROWS["ball"] / np.linalg.norm(ROWS["ball"]))


def test_a_second_call_does_not_read_the_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scans = counted_scans(monkeypatch)
    path = binary(tmp_path / "v.bin")
    first = load_word_vectors(path, words=["walk", "absent"])
    again = load_word_vectors(path, words=["absent", "walk"])
    assert len(scans) == 1
    assert first.words == again.words
    assert np.array_equal(first.matrix, again.matrix)
    load_word_vectors(path, words=["cartwheel", "play"])
    assert len(scans) == 1, "the words of the bundled classes are looked for at once"
    assert set(load_word_vectors(path, words=["日本"]).words) == {"日本"}
    assert len(scans) == 2
    assert set(load_word_vectors(path, words=["walk", "日本"]).words) == {"walk", "日本"}
    assert len(scans) == 2


def counted_scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    scans: list[Path] = []
    scan = reading._scan

    def counted(path: Path, kind: str, wanted: frozenset[str]):
        scans.append(path)
        return scan(path, kind, wanted)

    monkeypatch.setattr(reading, "_scan", counted)
    return scans


def test_a_changed_file_is_read_again(tmp_path: Path):
    path = text(tmp_path / "v.txt")
    load_word_vectors(path, words=["walk"])
    path.write_text("walk 1 0\n", encoding="utf-8")
    vectors = load_word_vectors(path, words=["walk"])
    assert vectors.vector("walk").tolist() == [1, 0]
    assert vectors.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("pattern", ["*.npz", "*.json"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", None])
def test_a_damaged_cache_is_made_again(pattern: str, content: bytes | None, tmp_path: Path):
    path = binary(tmp_path / "v.bin")
    first = load_word_vectors(path, words=["walk"])
    (kept,) = (cache_dir() / "vectors").glob(pattern)
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content is None else content)
    again = load_word_vectors(path, words=["walk"])
    assert np.array_equal(first.matrix, again.matrix)
    assert kept.read_bytes() == whole


def test_a_flipped_bit_in_the_cache_is_noticed(tmp_path: Path):
    path = binary(tmp_path / "v.bin")
    first = load_word_vectors(path, words=["walk"])
    (kept,) = (cache_dir() / "vectors").glob("*.npz")
    data = bytearray(kept.read_bytes())
    data[data.index(MATRIX[0].tobytes()) + 1] ^= 1
    kept.write_bytes(data)
    assert np.array_equal(load_word_vectors(path, words=["walk"]).matrix, first.matrix)


def test_without_a_writable_cache_vectors_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ZSL_BENCH_CACHE", str(tmp_path / "file"))
    assert "walk" in load_word_vectors(binary(tmp_path / "v.bin"), words=["walk"])


def test_gensim_names_go_to_its_downloader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    downloader = pytest.importorskip("gensim.downloader")
    path = zipped(text(tmp_path / "glove"))

    def load(name: str, *, return_path: bool) -> str:
        assert (name, return_path) == ("glove-tiny", True)
        return str(path)

    monkeypatch.setattr(downloader, "load", load)
    vectors = load_word_vectors("gensim:glove-tiny", words=["walk"])
    assert vectors.source == "gensim:glove-tiny"
    assert "walk" in vectors


@pytest.mark.parametrize(
    "error", [ValueError("Incorrect model/corpus name"), OSError("no route"), Exception("checksum")]
)
def test_a_failed_download_is_told_in_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch):
    downloader = pytest.importorskip("gensim.downloader")

    def load(name: str, *, return_path: bool) -> str:
        raise error

    monkeypatch.setattr(downloader, "load", load)
    with pytest.raises(WordVectorError, match=r"gensim:glove: .*; .*network") as caught:
        download.fetch_gensim("glove")
    assert "\n" not in str(caught.value)


def test_the_bundled_subset_is_googlenews():
    vectors = load_word_vectors(words=())
    assert vectors.dim == 300
    assert len(vectors.words) == read_asset("vectors", "googlenews.json")["words"]
    assert float(vectors.vector("dog") @ vectors.vector("cat")) == pytest.approx(0.7609, abs=1e-4)
    assert load_word_vectors("bundled", words=()) is vectors
    with pytest.raises(ValueError, match="read-only"):
        vectors.matrix[0, 0] = 1


def test_the_bundled_subset_equals_its_source(shared_data: Path):
    path = shared_data / "wordvectors" / "GoogleNews-vectors-negative300-bolukbasi.bin"
    bundled = load_word_vectors(words=())
    without = read_asset("vectors", "googlenews.json")["without_vector"]
    source = load_word_vectors(path, words=[*bundled.words, *without])
    assert source.words == bundled.words
    assert np.array_equal(source.matrix, bundled.matrix)
    assert source.digest == bundled.digest


def test_the_script_makes_the_bundled_file(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    script = importlib.import_module("build_word_vectors")
    source = shared_data / "wordvectors" / "GoogleNews-vectors-negative300-bolukbasi.bin"
    written = {}
    stream = io.BytesIO()
    monkeypatch.setattr(script, "atomic_write", lambda _: nullcontext(stream))
    monkeypatch.setattr(script, "write_json", lambda _, value: written.update(value))
    monkeypatch.setattr(sys, "argv", ["build_word_vectors.py", str(source)])
    script.main()
    assert stream.getvalue() == asset_path("vectors", "googlenews.npz").read_bytes()
    assert written == read_asset("vectors", "googlenews.json")


def test_the_bundled_subset_covers_every_bundled_word_that_its_source_has():
    description = read_asset("vectors", "googlenews.json")
    known = {*load_word_vectors(words=()).words, *description["without_vector"]}
    for path in asset_path("classes").glob("*.json"):
        assert {word for words in load_class_set(path.stem).words for word in words} <= known


def test_loading_the_bundled_subset_imports_nothing_heavy():
    code = (
        "import sys; from zsl_bench.wordvectors import class_vectors;"
        "from zsl_bench.classes import load_class_set;"
        "class_vectors(load_class_set('ucf101'), allow_approximate=True);"
        "print(sorted({'torch', 'gensim', 'scipy', 'nltk', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_class_vectors_equal_plain_averages():
    classes = load_class_set("hmdb51")
    made = class_vectors(classes, allow_approximate=True)
    vectors = load_word_vectors(words=())
    for row, words in zip(made.matrix, classes.words, strict=True):
        rows = [vectors.vector(w) if w in vectors else hash_vector(w, 300) for w in words]
        mean = sum(row.astype(np.float64) for row in rows) / len(rows)
        assert np.allclose(row, mean / np.sqrt((mean**2).sum()), atol=1e-7)
    assert made.approximate_words == (
        "cartwheel",
        "flac",
        "flic",
        "handstand",
        "pullup",
        "pushup",
        "situp",
        "somersault",
    )
    assert len(made.approximate_classes) == 7
    assert made.approximate_classes[0] == "cartwheel"


def test_a_class_set_may_be_given_by_name_or_file(tmp_path: Path):
    file = tmp_path / "mine.txt"
    file.write_text("walk\nrun\n", encoding="utf-8")
    for ref, names in (("HMDB-51", load_class_set("hmdb51").names), (file, ("walk", "run"))):
        for spelling in {ref, str(ref)}:
            made = class_vectors(spelling, allow_approximate=True)
            assert made.classes.names == names
            expected = class_vectors(made.classes, allow_approximate=True).matrix
            assert np.array_equal(made.matrix, expected)
    with pytest.raises(ClassSetError, match="did you mean 'ucf101'"):
        class_vectors("ucf11")


def test_equal_word_lists_give_equal_bytes_in_any_order():
    classes = class_set_from_names(
        ["dribble basketball court", "court dribble basketball", "basketball court dribble x"],
        dataset="mine",
        source="test",
    )
    made = class_vectors(classes, allow_approximate=True).matrix
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_repeated_words_count_twice():
    vectors = WordVectors(
        words={"step": 0, "turn": 1}, matrix=np.eye(2, dtype=np.float32), source="t", digest="d"
    )
    classes = class_set_from_names(["step step turn"], dataset="mine", source="test")
    expected = np.array([[2, 1]]) / np.sqrt(5)
    assert np.allclose(class_vectors(classes, vectors).matrix, expected)


def test_classes_without_vectors_are_named_unless_allowed():
    with pytest.raises(
        WordVectorError, match=r"20 of 101 classes .*Billiards.*--vectors"
    ) as caught:
        class_vectors(load_class_set("ucf101"))
    assert "\n" not in str(caught.value)


def test_words_that_cancel_out_are_told():
    vectors = WordVectors(
        words={"left": 0, "right": 1},
        matrix=np.array([[1, 0], [-1, 0]], np.float32),
        source="t",
        digest="d",
    )
    classes = ClassSet(
        dataset="mine",
        version=1,
        names=("both",),
        words=(("left", "right"),),
        labels=("both",),
        aliases=((),),
    )
    with pytest.raises(WordVectorError, match=r"left, right.*cancel out"):
        class_vectors(classes, vectors)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3, dtype=np.float32),
        np.eye(2, dtype=np.float64),
        2 * np.eye(2, dtype=np.float32),
        np.full((2, 2), np.nan, np.float32),
    ],
)
def test_malformed_vectors_are_refused(matrix: np.ndarray):
    with pytest.raises(WordVectorError):
        WordVectors(words={"a": 0, "b": 1}, matrix=matrix, source="t", digest="d")
    classes = class_set_from_names(["walk", "run"], dataset="mine", source="test")
    with pytest.raises(WordVectorError):
        ClassVectors(classes=classes, matrix=matrix, source="t", digest="d", approximate=((), ()))


def test_class_vectors_name_their_source():
    classes = class_set_from_names(["walk"], dataset="mine", source="test")
    with pytest.raises(WordVectorError, match="source digest ''"):
        ClassVectors(
            classes=classes,
            matrix=np.eye(1, dtype=np.float32),
            source="t",
            digest="",
            approximate=((),),
        )


def test_hash_vectors_are_the_same_everywhere():
    vector = hash_vector("Skyjet", 300)
    bits = "".join(f"{byte:08b}" for byte in hashlib.shake_256(b"Skyjet").digest(38))
    assert vector.dtype == np.float32
    assert [value > 0 for value in vector] == [bit == "1" for bit in bits[:300]]
    assert np.allclose(np.abs(vector), 300**-0.5)


@given(st.text(), st.text(), st.integers(1, 400))
def test_hash_vectors_are_unit_and_words_apart(first: str, second: str, dim: int):
    vector = hash_vector(first, dim)
    assert vector.shape == (dim,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vector, hash_vector(first, dim))
    if first != second and dim >= 300:
        assert abs(float(vector @ hash_vector(second, dim))) < 0.5
