"""From a class name to words: tokens, verb lemmas and a readable label, without NLTK.

There are two rule sets: ``brattoli2020``, after the code released with the paper, and ``plain``,
the same without lemmatisation. The bundled class sets carry their words as data; the functions
here serve the class names of a stranger.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Literal, get_args

from zsl_bench.errors import ClassSetError, near_matches
from zsl_bench.files import asset_path

WordRules = Literal["brattoli2020", "plain"]
"""``brattoli2020`` takes verbs to their base form, ``plain`` leaves every word as it is spelt."""

STOP_WORDS = frozenset(
    {"a", "the", "of", "and", "at", "on", "in", "an", "or", "do", "using", "with"}
)
"""Words that both rule sets drop from a Kinetics-like name, before lemmatisation."""

_VERB_ENDINGS = (
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
)
_SEPARATORS = re.compile(r"[\s_/\\]+")
_NEGATION = re.compile(r"\(\s*not\b.*", re.IGNORECASE | re.DOTALL)
_UNIT = re.compile(r"[^\W\d_]{1,2}(?![^\W\d_])")


def check_rules(rules: str) -> None:
    """Refuse the name of no rule set.

    Raises:
        ClassSetError: There is no such rule set; near names are suggested.
    """
    known = get_args(WordRules)
    if rules not in known:
        raise ClassSetError(
            f"word rules {rules!r}",
            found="no rule set of that name",
            fix=near_matches(str(rules), known),
        )


def words_of(name: str, rules: str = "brattoli2020") -> tuple[str, ...]:
    """Return the words whose vectors stand for a class name that no bundled set knows.

    The name is split at capitals (``HandstandPushups``), spaces, underscores, slashes, hyphens and
    punctuation; everything from ``(not`` on is dropped; the words are lower-cased and stop words
    go. Where nothing would be left, as for ``using`` or ``on and on``, the dropped words are kept.
    Under ``brattoli2020`` words that can be verbs then become their base form.

    Args:
        name: A class name in any of the usual spellings.
        rules: ``brattoli2020`` or ``plain``.

    Returns:
        The words in the name's order, repeats kept; empty if the name has no letter.

    Raises:
        ClassSetError: There is no such rule set.

    Example:
        >>> words_of("WritingOnBoard"), words_of("petting animal (not cat)")
        (('write', 'board'), ('pet', 'animal'))
        >>> words_of("WritingOnBoard", "plain")
        ('writing', 'board')
    """
    check_rules(rules)
    if not any(character.isalpha() for character in name):
        return ()
    affirmed = _tokens(_NEGATION.sub("", name))
    tokens = affirmed if any(map(_has_letter, affirmed)) else _tokens(name)
    kept = [token for token in tokens if token not in STOP_WORDS]
    chosen = kept or tokens
    return tuple(chosen if rules == "plain" else map(verb_lemma, chosen))


def label_of(name: str) -> str:
    """Return a class name as a readable lower-case phrase.

    Example:
        >>> label_of("HandstandPushups"), label_of("brush_hair")
        ('handstand pushups', 'brush hair')
    """
    return _spaced(name).lower()


def verb_lemma(word: str) -> str:
    """Return the base form of a word that can be a verb, and any other word unchanged.

    Equals ``WordNetLemmatizer().lemmatize(word, "v")`` of NLTK on WordNet 3.0: of all base forms
    that are verbs the shortest wins, so ``riding`` gives ``rid``, not ``ride``.
    """
    verbs, irregular = _verb_table()
    bases = irregular.get(word)
    if bases is None:
        bases = tuple(
            word.removesuffix(ending) + base
            for ending, base in _VERB_ENDINGS
            if word.endswith(ending)
        )
    return min((form for form in (word, *bases) if form in verbs), key=len, default=word)


@lru_cache(maxsize=1)
def _verb_table() -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
    """Read the verbs of WordNet: base forms, and irregular form -> base forms."""
    verbs: list[str] = []
    irregular: dict[str, tuple[str, ...]] = {}
    for line in asset_path("verbs.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        first, *bases = line.split(" ")
        if bases:
            irregular[first] = tuple(bases)
        else:
            verbs.append(first)
    return frozenset(verbs), irregular


def _tokens(name: str) -> list[str]:
    """Split into lower-case runs of letters, digits and marks; apostrophes inside a word stay."""
    characters = [c if _in_word(c) or c == "'" else " " for c in _spaced(name).lower()]
    return [token for token in (t.strip("'") for t in "".join(characters).split()) if token]


def _spaced(name: str) -> str:
    """Put one space at every separator and at every boundary that capitals or digits mark."""
    text = unicodedata.normalize("NFKC", name).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    text = _SEPARATORS.sub(" ", text).strip()
    cuts = [i for i in range(1, len(text)) if _is_boundary(text, i)]
    return " ".join(text[start:stop] for start, stop in pairwise([0, *cuts, len(text)])).strip()


def _is_boundary(text: str, i: int) -> bool:
    """Tell whether a new word begins at ``text[i]`` although no separator stands before it."""
    before, here, starts_word = text[i - 1], text[i], text[i + 1 : i + 2].islower()
    if here.isupper():
        return before.islower() or (starts_word and (before.isupper() or before.isdigit()))
    if here.isdigit():
        return before.isalpha()
    return here.isalpha() and before.isdigit() and not _UNIT.match(text, i)


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _has_letter(token: str) -> bool:
    return any(character.isalpha() for character in token)
