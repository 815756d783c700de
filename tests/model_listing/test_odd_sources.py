"""Odd sources break their own model alone, with a reason, whatever is in them."""

import inspect
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.baselines import models
from zsl_bench.model_listing import BrokenSourceError, Unread, read_card, reading

GOOD = (
    "from zsl_bench import ModelCard\nclass Model:\n    card = ModelCard(name='n')\nload = Model\n"
)
ODD = {
    "a sequence where a mapping is unpacked": ("settings={**[1]}", {"name": "n"}),
    "a mapping as a key": ("settings={{}: 1}", {"name": "n"}),
    "a sequence with a mapping as a key": ("settings={({},): 1}", {"name": "n"}),
    "text where keyword arguments are unpacked": ("**{**'text'}", {}),
    "numbers as names": ("**{1: 2}", None),
    "a number as licence": ("licence=3", None),
    "bytes as description": ("description=b'x'", None),
    "no number as licence": ("licence=1e999", None),
    "a mapping as pooling": ("pooling={}", None),
    "a mapping as policy": ("policy={}", None),
    "a number as clip": ("clip=7", None),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_is_unread_or_a_fault_of_this_model(site, odd):
    field, read = ODD[odd]
    name = site(GOOD.replace("name='n'", f"name='n', {field}"))
    if read is None:
        with pytest.raises(BrokenSourceError) as caught:
            read_card(f"{name}:load")
        assert str(caught.value).isprintable()
    else:
        card = read_card(f"{name}:load")
        assert card.name == read.get("name", Unread.WHEN_LOADED)


@pytest.mark.parametrize(
    "text",
    ["-" * 100_000 + "1", "x = " + "[" * 199 + "]" * 199, "x = " + "+".join(["1"] * 20_000),
     "x = " + "a.b" + ".c" * 30_000, "lambda: " * 5000 + "1"],
    ids=["signs", "lists", "sums", "attributes", "functions"],
)  # fmt: skip
def test_source_that_is_nested_too_deeply_breaks_this_model_alone(site, text):
    name = site(f"{GOOD}{text}\n")
    try:
        assert read_card(f"{name}:load").name in ("n", Unread.WHEN_LOADED)
    except BrokenSourceError as error:
        assert "nested" in str(error)  # noqa: PT017


def test_what_warns_the_compiler_is_read_in_silence(site):
    name = site(GOOD + "PATTERN = '\\d'\nassert (1, 'always')\n")
    assert read_card(f"{name}:load").name == "n"


def test_an_error_of_the_reader_itself_breaks_this_model_alone(site, monkeypatch):
    def fails(_source):
        raise ZeroDivisionError("a\n\x1b[31mlong story")

    monkeypatch.setattr(reading, "module_scope", fails)
    with pytest.raises(BrokenSourceError) as caught:
        read_card(f"{site(GOOD)}:load")
    told = "its source cannot be read: ZeroDivisionError: a \\x1b[31mlong story"
    assert str(caught.value) == told


RICH = """
import dataclasses, functools
import zsl_bench.model as interface
from zsl_bench import ClipSpec, ModelCard, load_class_set
FRAMES, SIDE = 4, 32
BASE = {"licence": "MIT", **{"citation": "me"}}
SEEN = (load_class_set("ucf101"), load_class_set("hmdb51"))

class Base:
    card = ModelCard(
        name=f"n{FRAMES}", clip=ClipSpec(frames=FRAMES, **{"size": 20}, short_side=SIDE),
        policy="uniform-4", trained_on=SEEN, pretrained_on=["archery"] + ["diving"], **BASE,
    )
    def to(self, device): return self
    @classmethod
    def of(cls, licence): return cls(None, licence)

class Model(Base):
    def __init__(self, options=None, licence="none"):
        self.card = interface.ModelCard(name="made" + "x", licence=licence)

class Below(Model):
    def __init__(self, options, *more, **others): super().__init__(options, "BSD")

class inner:
    Model = functools.partial(Model, None, licence="BSD")

def make(size, *, frames=4):
    model = Model(None, "BSD")
    model = model.to("cpu")
    return model

def changed(options):
    model = Base()
    model.card = dataclasses.replace(Base.card, licence="BSD")
    return model

def load(options):
    return make(20, frames=8)
"""
SOURCES = (RICH, GOOD, inspect.getsource(models))
PIECES = (
    "**", "*", "{}", "{**[1]}", "[]", "()", "x", "'", "{", "}", "(", ")", ",", ":", "=", ".", "\n",
    "\n    ", "self", "lambda: 0", "None", "1e999", "b'x'", "f'{x}'", "ModelCard", "ClipSpec(",
    "load_class_set(", "load", "card", "return ", "import ", "from . import ", "del ", "class ",
    "def ", "async ", "await x", "yield", "global load\n", "@", "[0]", " for x in x", "x := 1",
    "\0", "\x0c", "\\", "\udc80", "é",
)  # fmt: skip


@given(
    source=st.sampled_from(SOURCES),
    edits=st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=4)
        ),
        min_size=1,
        max_size=4,
    ),
    loader=st.sampled_from(["load", "changed", "inner.Model", "Model.of", "Below", "load_frozen"]),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_source_raises_anything_but_that_it_is_broken(site, source, edits, loader):
    text = source
    for place, removed, put in edits:
        at = int(place * len(text))
        text = text[:at] + put + text[at + removed :]
    name = site("")
    path = f"{sys.path[0]}/{name}/inner.py"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(text.encode("utf-8", "surrogateescape" if "\udc80" in text else "replace"))
    try:
        read_card(f"{name}.inner:{loader}")
    except BrokenSourceError as error:
        assert "its source cannot be read" not in str(error), "foreseen"  # noqa: PT017
