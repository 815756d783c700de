"""From class names to words."""

from __future__ import annotations

import importlib
import io
import os
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.files import asset_path
from zsl_bench.words import STOP_WORDS, label_of, verb_lemma, words_of

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.mark.parametrize(
    ("word", "lemma"),
    [
        ("riding", "rid"),
        ("playing", "play"),
        ("skiing", "ski"),
        ("rings", "ring"),
        ("shot", "shoot"),
        ("clothes", "clothe"),
        ("swam", "swim"),
        ("making", "make"),
        ("tying", "tie"),
        ("daf", "daf"),
        ("Running", "Running"),
        ("", ""),
        ("s", "s"),
        ("give_up", "give_up"),
    ],
)
def test_lemmas_are_those_of_nltk(word: str, lemma: str):
    assert verb_lemma(word) == lemma


@pytest.fixture(scope="module")
def script():
    """The script that makes the tables, with its folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("build_class_tables")


@pytest.fixture(scope="module")
def wordnet(script) -> Path:
    """A folder of WordNet files that NLTK reads from; NLTK can be told of only one."""
    pytest.importorskip("nltk", reason="nltk is not installed")
    places = map(Path, filter(None, (os.environ.get("ZSL_BENCH_WORDNET"), "/usr/share/wordnet")))
    folder = next((place for place in places if (place / "index.verb").is_file()), None)
    if folder is None:
        pytest.skip("no WordNet 3.0 files (set ZSL_BENCH_WORDNET to their folder)")
    with script.nltk_wordnet(folder):
        yield folder


def test_lemmas_equal_nltk_on_every_word_of_wordnet_and_on_nonsense(wordnet: Path):
    from nltk.stem import WordNetLemmatizer

    words = inflected(wordnet) | nonsense()
    reference = WordNetLemmatizer()
    different = [w for w in words if verb_lemma(w) != reference.lemmatize(w, "v")]
    assert len(words) > 50_000
    assert different == []


def test_the_script_makes_the_bundled_tables_and_verbs(
    script, wordnet: Path, monkeypatch: pytest.MonkeyPatch
):
    made: dict[str, bytes] = {}

    @contextmanager
    def collect(path: Path):
        stream = io.BytesIO()
        yield stream
        made[path.name] = stream.getvalue()

    monkeypatch.setattr(script, "atomic_write", collect)
    monkeypatch.setattr(script, "nltk_wordnet", nullcontext)
    monkeypatch.setattr(sys, "argv", ["build_class_tables.py", "--wordnet", str(wordnet)])
    script.main()
    assert len(made) == 8
    for name, content in made.items():
        place = ("verbs.txt",) if name == "verbs.txt" else ("classes", name)
        assert content == asset_path(*place).read_bytes()


def inflected(folder: Path) -> set[str]:
    words = set()
    for part in ("verb", "noun"):
        lines = (folder / f"index.{part}").read_text(encoding="ascii").splitlines()
        words |= {line.split()[0] for line in lines if not line.startswith(" ")}
        words |= set((folder / f"{part}.exc").read_text(encoding="ascii").split())
    stems = np.random.default_rng(0).choice(sorted(words), 8000).tolist()
    endings = ("s", "es", "ies", "ed", "ing")
    return words | {stem.rstrip("ey") + ending for stem in stems for ending in endings}


def nonsense() -> set[str]:
    generator = np.random.default_rng(1)
    drawn = generator.choice(list("adeginrst"), size=(20_000, 7))
    lengths = generator.integers(0, 8, size=len(drawn))
    return {"".join(row[:length]) for row, length in zip(drawn, lengths, strict=True)}


def test_the_verb_table_is_small_and_names_its_licence():
    data = asset_path("verbs.txt").read_bytes()
    assert len(data) < 150_000
    assert b"WordNet 3.0" in data.splitlines()[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HandstandPushups", ("handstand", "pushups")),
        ("WritingOnBoard", ("write", "board")),
        ("brush_hair", ("brush", "hair")),
        ("Riding a camel", ("rid", "camel")),
        ("petting animal (not cat)", ("pet", "animal")),
        ("Petting animal (NOT a cat)", ("pet", "animal")),
        ("curling (sport)", ("curl", "sport")),
        ("catching/throwing ball", ("catch", "throw", "ball")),
        ("rock-paper-scissors", ("rock", "paper", "scissor")),
        ("BMXRiding", ("bmx", "rid")),
        ("3DPrinting", ("3d", "print")),
        ("10KRun", ("10k", "run")),
        ("running 400m", ("run", "400m")),
        ("100meters", ("100", "meter")),
        ("Karate2", ("karate", "2")),
        ("step,step,turn", ("step", "step", "turn")),
        ("rubik\N{RIGHT SINGLE QUOTATION MARK}s cube", ("rubik's", "cube")),
        ("  Tai   Chi ", ("tai", "chi")),
        ("日本語", ("日本語",)),
    ],
)
def test_words_of_a_strangers_name(name: str, words: tuple[str, ...]):
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("doing", ("do",)),
        ("using", ("use",)),
        ("on and on", ("on", "and", "on")),
        ("(not running)", ("not", "run")),
    ],
)
def test_a_name_of_stop_words_alone_keeps_them(name: str, words: tuple[str, ...]):
    assert words_of(name) == words


@pytest.mark.parametrize("name", ["", "   ", "123", "?!", "4 - 5", "_"])
def test_a_name_without_a_letter_has_no_words(name: str):
    assert words_of(name) == ()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("HandstandPushups", "handstand pushups"),
        ("brush_hair", "brush hair"),
        ("Rock-paper-scissors", "rock-paper-scissors"),
        ("passing American football (in game)", "passing american football (in game)"),
        ("BMXRiding", "bmx riding"),
    ],
)
def test_labels_are_readable(name: str, label: str):
    assert label_of(name) == label


@given(st.text())
def test_a_name_has_words_exactly_if_it_has_a_letter(name: str):
    words = words_of(name)
    assert bool(words) == any(c.isalpha() for c in name)
    assert all(word and not any(c.isspace() for c in word) for word in words)


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=5))
def test_every_spelling_of_a_phrase_gives_the_same_words(tokens: list[str]):
    expected = words_of(" ".join(tokens))
    assert words_of("_".join(tokens)) == expected
    assert words_of("/".join(tokens)) == expected
    assert words_of("  ".join(tokens).upper()) == expected
    kept = [token for token in tokens if token not in STOP_WORDS] or tokens
    assert expected == tuple(map(verb_lemma, kept))


@given(st.lists(st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True), min_size=1, max_size=5))
def test_camel_case_splits_at_every_capital(tokens: list[str]):
    assert words_of("".join(tokens)) == words_of(" ".join(tokens))
    assert label_of("".join(tokens)) == " ".join(tokens).lower()
