"""Rebuild the class tables and the verb table under ``zsl_bench/assets``.

The official names are taken from the tables themselves; words, labels and aliases are made anew
from ``scripts/data/class_rules.toml`` and WordNet 3.0. docs/class-tables.md has the details.

    python scripts/build_class_tables.py --wordnet /usr/share/wordnet
    python scripts/build_class_tables.py --wordnet DIR --import-names ucf101=names.txt

Needs ``nltk`` (``pip install zsl-bench[words]``) and the WordNet 3.0 database files.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import fold
from zsl_bench.files import asset_path, atomic_write, read_asset
from zsl_bench.words import verb_lemma

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = 1
RULES, PLAIN = "brattoli2020", "plain"
DATASETS = (
    "ucf101",
    "hmdb51",
    "activitynet200",
    "kinetics400",
    "kinetics600",
    "kinetics700",
    "sun397",
)
VERB_HEADER = """\
# Verbs and irregular verb forms of WordNet 3.0, Copyright 2006 by Princeton University.
# All rights reserved. The licence is in the NOTICE file of zsl-bench.
# "verb" is a base form; "form base..." is an irregular form and its base forms.
"""
SYNTACTIC_CATEGORIES = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}

Rules = dict[str, Any]
Lemma = Callable[[str], str]


def read_facts() -> dict[str, Rules]:
    """Read ``scripts/data/class_rules.toml``."""
    path = Path(__file__).parent / "data" / "class_rules.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@contextmanager
def nltk_wordnet(folder: Path) -> Iterator[None]:
    """Let NLTK read the WordNet 3.0 files of a folder, which may lack ``lexnames``.

    Distributions leave that file out; its content is in the manual page lexnames(5WN).
    """
    import nltk

    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpora" / "wordnet"
        corpus.mkdir(parents=True)
        for source in folder.iterdir():
            if source.is_file():
                shutil.copyfile(source, corpus / source.name)
        names = enumerate(read_facts()["wordnet"]["lexicographer_files"])
        rows = (f"{i:02d}\t{n}\t{SYNTACTIC_CATEGORIES[n.split('.')[0]]}\n" for i, n in names)
        (corpus / "lexnames").write_text("".join(rows), encoding="ascii")
        nltk.data.path.insert(0, temporary)
        try:
            yield
        finally:
            nltk.data.path.remove(temporary)


def nltk_lemma(word: str) -> str:
    """Lemmatise as the released code does: a word with a verb sense, as a verb."""
    from nltk.corpus import wordnet
    from nltk.stem import WordNetLemmatizer

    if any(sense.pos() == "v" for sense in wordnet.synsets(word)):
        return str(WordNetLemmatizer().lemmatize(word, "v"))
    return word


def write_verbs(folder: Path) -> None:
    """Write the verb table of ``zsl_bench.words`` from ``index.verb`` and ``verb.exc``."""
    index = (folder / "index.verb").read_text(encoding="ascii").splitlines()
    verbs = {line.split()[0] for line in index if not line.startswith(" ")}
    irregular = {}
    for line in (folder / "verb.exc").read_text(encoding="ascii").splitlines():
        form, *bases = line.split()
        irregular[form] = " ".join((form, *bases))
    lines = [*sorted(verbs), *(irregular[form] for form in sorted(irregular))]
    with atomic_write(asset_path("verbs.txt")) as stream:
        stream.write((VERB_HEADER + "\n".join(lines) + "\n").encode("ascii"))


def official_names(dataset: str, imported: dict[str, Path]) -> list[str]:
    """Return the official names: of the existing table, or of a list with one name a line."""
    if dataset in imported:
        lines = imported[dataset].read_text(encoding="utf-8-sig").splitlines()
        return [line.strip() for line in lines if line.strip()]
    return [row["name"] for row in read_asset("classes", f"{dataset}.json")["classes"]]


def words_of_ucf(name: str, rules: Rules, lemma: Lemma) -> list[str]:
    """Split before every capital; no stop words."""
    if name in rules["replace"]:
        return list(rules["replace"][name].split())
    return [lemma(part.lower()) for part in re.findall("[A-Z][^A-Z]*", name)]


def words_of_hmdb(name: str, rules: Rules, lemma: Lemma) -> list[str]:
    """Split at underscores; the replacement is lemmatised too."""
    return [lemma(word) for word in rules["replace"].get(name, name.replace("_", " ")).split(" ")]


def words_of_kinetics(name: str, rules: Rules, lemma: Lemma) -> list[str]:
    """Split at spaces, drop stop words, cut at ``(not``, strip parentheses, lemmatise."""
    if name in rules["replace"]:
        return list(rules["replace"][name].split())
    kept = [word for word in name.lower().split(" ") if word not in rules["stop_words"]]
    if "(not" in kept:
        kept = kept[: kept.index("(not")]
    return [lemma(word.replace("(", "").replace(")", "")) for word in kept]


def words_of_activitynet(name: str, rules: Rules, lemma: Lemma) -> list[str]:
    """As Kinetics, on the underscored spelling that the released code read."""
    underscored = name.replace(" ", "_")
    if underscored in rules["replace"]:
        return list(rules["replace"][underscored].split())
    return words_of_kinetics(underscored.replace("_", " "), rules, lemma)


def words_of_sun(name: str, rules: Rules, lemma: Lemma) -> list[str]:  # noqa: ARG001
    """Split at slashes and underscores, without the leading letter; nothing is lemmatised."""
    short = sun_name(name)
    replaced = rules["replace"].get(short)
    return list(replaced.split()) if replaced else short.lower().replace("/", "_").split("_")


WORD_RULES: dict[str, Callable[[str, Rules, Lemma], list[str]]] = {
    "ucf101": words_of_ucf,
    "hmdb51": words_of_hmdb,
    "activitynet200": words_of_activitynet,
    "sun397": words_of_sun,
}


def class_words(dataset: str, name: str, rules: Rules, lemma: Lemma) -> list[str]:
    """Return the words of a class under a data set's rule, with a lemmatiser of one's choice."""
    return WORD_RULES.get(dataset, words_of_kinetics)(name, rules, lemma)


def words_by_rule(dataset: str, name: str, rules: Rules) -> dict[str, list[str]]:
    """Return the words of a class, and where they differ those without lemmatisation, too."""
    words = class_words(dataset, name, rules, nltk_lemma)
    plain = class_words(dataset, name, rules, str)
    return {"words": words} if plain == words else {"words": words, PLAIN: plain}


def sun_name(name: str) -> str:
    """Drop the letter folder: ``/c/car_interior/backseat`` -> ``car_interior/backseat``."""
    return name.split("/", 2)[2]


def camel_spaced(name: str) -> str:
    """Put a space before every capital but the first."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name)


def label(dataset: str, name: str, rules: Rules) -> str:
    """Return the natural-language label; Kinetics keeps its official wording."""
    corrected = rules.get("corrected", {})
    if dataset.startswith("kinetics"):
        return name
    if dataset == "ucf101":
        return camel_spaced(name).lower()
    if dataset == "sun397":
        return " ".join(corrected.get(w, w) for w in re.split("[/_]", sun_name(name)))
    return str(corrected.get(name, name)).replace("_", " ").lower()


def spellings(dataset: str, name: str, rules: Rules) -> list[str]:
    """Return the other spellings of a name, most official first."""
    found = list(rules.get("aliases", {}).get(name, []))
    if dataset == "ucf101":
        found.append(camel_spaced(name))
    elif dataset == "hmdb51":
        found.append(name.replace("_", " "))
    elif dataset == "sun397":
        found += [sun_name(name), sun_name(name).replace("/", "_")]
    elif dataset == "activitynet200":
        corrected = rules["corrected"].get(name, name)
        found += [name.replace(" ", "_"), corrected, corrected.replace(" ", "_")]
    else:
        rows = [row for row in rules["respelled"]["rows"] if name in row]
        found += [other for row in rows for other in row]
        found.append(re.sub("['()]", "", name).replace(" ", "_"))
    phrase = label(dataset, name, rules)
    if fold(phrase) not in map(fold, (name, *found)):
        found.append(phrase)
    return [spelling for spelling in dict.fromkeys(found) if spelling != name]


def build_table(dataset: str, names: Sequence[str], rules: Rules) -> dict[str, Any]:
    """Make the table of one data set; an alias never names another class of the same set.

    The words are those of the rule set that the table names; a class whose words are others under
    ``plain`` has these beside them.
    """
    rows = [
        {
            "name": name,
            **words_by_rule(dataset, name, rules),
            "label": label(dataset, name, rules),
            "aliases": [s for s in spellings(dataset, name, rules) if s not in names],
        }
        for name in names
    ]
    return {
        "dataset": dataset,
        "version": VERSION,
        "rules": RULES,
        "source": rules["source"],
        "classes": rows,
    }


def write_table(table: dict[str, Any]) -> None:
    """Write a table with one class a line, so that differences can be read."""
    head = "".join(
        f" {json.dumps(key)}: {json.dumps(value)},\n"
        for key, value in table.items()
        if key != "classes"
    )
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in table["classes"])
    with atomic_write(asset_path("classes", f"{table['dataset']}.json")) as stream:
        stream.write(f'{{\n{head} "classes": [\n{rows}\n ]\n}}\n'.encode())


def read_rules() -> dict[str, Rules]:
    """Return the facts of each data set; the three Kinetics releases share one rule."""
    facts = read_facts()
    return {
        d: {**facts["kinetics"], **facts[d]} if d.startswith("kinetics") else facts[d]
        for d in DATASETS
    }


def check_lemmas(words: set[str]) -> None:
    """Stop if the package's own lemmatiser differs from NLTK on a word of the tables."""
    different = sorted(word for word in words if verb_lemma(word) != nltk_lemma(word))
    if different:
        sys.exit(f"zsl_bench.words.verb_lemma differs from NLTK on: {', '.join(different)}")


def main() -> None:
    """Rebuild every table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with index.verb")
    parser.add_argument(
        "--import-names",
        action="append",
        default=[],
        metavar="DATASET=FILE",
        help="take a data set's official names from a list with one name a line",
    )
    arguments = parser.parse_args()
    imported = {d: Path(f) for d, f in (pair.split("=", 1) for pair in arguments.import_names)}
    rules = read_rules()
    write_verbs(arguments.wordnet)
    with nltk_wordnet(arguments.wordnet):
        for dataset in DATASETS:
            table = build_table(dataset, official_names(dataset, imported), rules[dataset])
            check_lemmas({word.lower() for row in table["classes"] for word in row["words"]})
            write_table(table)
            print(f"{dataset}: {len(table['classes'])} classes", file=sys.stderr)


if __name__ == "__main__":
    main()
