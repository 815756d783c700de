"""Cards read from source: the same as those of the imported code, and nothing is imported."""

import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.model import LoadOptions, ModelCard
from zsl_bench.model_listing import BrokenSourceError, Unread, read_card
from zsl_bench.registry import load_model
from zsl_bench.video import ClipSpec

BODY = """
    def embed_classes(self, classes): return None
    def embed_clips(self, clips): return None
"""
DEEP = BODY.replace("    ", "        ")
HEAD = """
import zsl_bench
import zsl_bench.model as interface
from zsl_bench import ClipSpec, ModelCard, load_class_set
from zsl_bench.model import ModelCard as Card
FRAMES, SIDE = 4, 32
BASE = {"licence": "MIT", "citation": "me"}
SPEC = ClipSpec(frames=8, size=24, short_side=32)
SEEN = (load_class_set("ucf101"), zsl_bench.load_class_set("hmdb51"))
"""
SHAPES = {
    "class attribute": "class Model:\n    card = CARD\nBODY\nload = Model\n",
    "annotated": "class Model:\n    card: ModelCard = CARD\nBODY\nload = Model\n",
    "constant": "STATED = CARD\nclass Model:\n    card = STATED\nBODY\nload = Model\n",
    "object": "class Model:\n    card = CARD\nBODY\nload = Model()\n",
    "in init": "class Model:\n    def __init__(self):\n        self.card = CARD\nBODY\n"
    "load = Model\n",
    "property": "class Model:\n    @property\n    def card(self):\n        return CARD\nBODY\n"
    "load = Model\n",
    "inherited": "class Base:\n    card = CARD\nBODY\nclass Model(Base):\n    pass\nload = Model\n",
    "function of a class": "class Model:\n    card = CARD\nBODY\ndef load(options):\n"
    "    model = Model()\n    return model\n",
    "function that makes the card": "class Model:\n    def __init__(self, card): self.card = card\n"
    "BODY\ndef load():\n    card = CARD\n    return Model(card)\n",
    "function of a function": "class Model:\n    def __init__(self, card): self.card = card\nBODY\n"
    "def make(name, licence='none'):\n    return Model(CARD)\ndef load(options):\n"
    "    return make('x', licence='MIT')\n",
    "nested": "class holder:\n    class Model:\n        card = CARD\nDEEP\nload = holder.Model\n",
    "partial": "import functools\nclass Model:\n    def __init__(self, size): pass\n"
    "    card = CARD\nBODY\nload = functools.partial(Model, 3)\n",
    "method call": "class Model:\n    card = CARD\n    def eval(self): return self\nBODY\n"
    "def load(): return Model().eval()\n",
}
CLIPS = {
    "ClipSpec()": "paper-25",
    "SPEC": "uniform-8",
    "ClipSpec(frames=8, size=24, interpolation='bicubic', antialias=True)": "uniform-8",
    "zsl_bench.ClipSpec(**{'frames': 4, 'size': 20}, short_side=20)": "uniform-4",
}
DATA = (
    "None", "'open'", "()", "[]", "('archery', 'riding a horse')", "['archery'] + ['diving']",
    "load_class_set('kinetics400')", "zsl_bench.load_class_set('ucf101', 'plain')", "SEEN",
    "(load_class_set('hmdb51'),)",
)  # fmt: skip


def module(shape, card):
    return HEAD + SHAPES[shape].replace("BODY", BODY).replace("DEEP", DEEP).replace("CARD", card)


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    call=st.sampled_from(["ModelCard", "Card", "zsl_bench.ModelCard", "interface.ModelCard"]),
    clip=st.sampled_from(sorted(CLIPS)),
    data=st.tuples(st.sampled_from(DATA), st.sampled_from(DATA)),
    description=st.sampled_from(["'a' 'b'", "f'{FRAMES} frames'", "'x' + 'y'", "'caf\\u00e9'"]),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_card_reads_as_the_imported_one(site, shape, call, clip, data, description):
    fields = (
        f"name='n', clip={clip}, policy='{CLIPS[clip]}', trained_on={data[0]}, "
        f"pretrained_on={data[1]}, description={description}, **BASE"
    )
    name = site(module(shape, f"{call}({fields})"))
    read = read_card(f"{name}:load")
    assert name not in sys.modules
    real = load_model(f"py:{name}:load").card
    assert isinstance(real, ModelCard)
    for field in ("name", "clip", "policy", "trained_on", "pretrained_on", "licence"):
        assert getattr(read, field) == getattr(real, field), field
    assert read.description == real.description


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("card = make()", {}),
        ("card = ModelCard(name='n', description=open('x').read(), **MORE)", {}),
        (
            "card = ModelCard(name='n', licence=licence(), clip=ClipSpec(frames=F))",
            {"name": "n", "description": "", "trained_on": None, "policy": "paper-25"},
        ),
        ("card = ModelCard(name='n', policy=POLICY, clip=ClipSpec(frames=8))",
         {"name": "n", "licence": "", "trained_on": None, "clip": ClipSpec(frames=8)}),
        ("card = ModelCard(name='n', trained_on=load_class_set(NAME))",
         {"name": "n", "licence": "", "clip": ClipSpec(), "pretrained_on": None}),
        ("card = ModelCard(name='n') if F else ModelCard(name='m')", {}),
    ],
)  # fmt: skip
def test_a_field_that_is_not_literal_is_left_unread(site, text, read):
    name = site(
        f"import os\nfrom zsl_bench import *\nfrom zsl_bench import ClipSpec, ModelCard\n"
        f"F = int(os.environ['F'])\nclass Model:\n    {text}\nload = Model\n"
    )
    card = read_card(f"{name}:load")
    for field in ("name", "policy", "clip", "trained_on", "pretrained_on", "licence"):
        if field in read:
            assert getattr(card, field) == read[field]
    assert Unread.WHEN_LOADED in {getattr(card, field) for field in vars(card)}


def test_a_parameter_that_a_caller_sets_is_what_the_caller_sets(site):
    name = site(
        "from zsl_bench import ClipSpec, ModelCard\n"
        "class Model:\n    def __init__(self, card): self.card = card\n"
        "def make(size, *, frames=4, licence='none'):\n"
        "    clip = ClipSpec(frames=frames, size=size, short_side=size)\n"
        "    return Model(ModelCard(name='n', clip=clip, policy='uniform-8', licence=licence))\n"
        "def load(options):\n    return make(20, frames=8)\n"
        "def other(options):\n    return make(options.size, **options.more)\n"
    )
    card = read_card(f"{name}:load")
    assert (card.clip, card.licence) == (ClipSpec(frames=8, size=20, short_side=20), "none")
    card = read_card(f"{name}:other")
    assert (card.clip, card.licence) == (Unread.WHEN_LOADED, Unread.WHEN_LOADED)


HANDED = """
import dataclasses
from zsl_bench import ModelCard
BASE = {"licence": "MIT"}
CARD = ModelCard(name="fixed", licence="MIT")

class Made:
    def __init__(self, options, licence="none"):
        self.card = ModelCard(name="made", licence=licence)
    def embed_classes(self, classes): return None
    def embed_clips(self, clips): return None
    def to(self, device): return self
    def other(self): return Given(ModelCard(name="other", licence="BSD"))
    @classmethod
    def of(cls, licence): return cls(None, licence)

class Given(Made):
    def __init__(self, card): self.card = card

class Below(Made):
    def __init__(self, options): super().__init__(options, "BSD")

class Same(Made):
    pass

class Fixed(Made):
    card = CARD
    def __init__(self): pass

def replaced(): return Given(dataclasses.replace(CARD, licence="BSD"))
def altered():
    model = Fixed()
    model.card = dataclasses.replace(CARD, licence="BSD")
    return model
def handed(): return Made(None, "BSD")
def by_name(): return Same(None, licence="BSD").to("cpu")
def moved():
    model = Same(None, "BSD")
    model = model.to("cpu")
    return model
def exchanged():
    model = Same(None, "BSD")
    model = model.other()
    return model
def by_default(): return Same(None)
def through_a_method(): return Fixed().other()
def by_class_method(): return Made.of("BSD")
"""


@pytest.mark.parametrize(
    "loader",
    [
        "replaced", "altered", "handed", "by_name", "by_default", "through_a_method",
        "moved", "exchanged", "by_class_method", "Below", "Same", "Made", "Fixed",
    ],
)  # fmt: skip
def test_a_field_reads_as_it_will_be_or_not_at_all(site, loader):
    name = site(HANDED)
    read = read_card(f"{name}:{loader}").licence
    real = load_model(f"py:{name}:{loader}").card.licence
    assert read in (real, Unread.WHEN_LOADED)
    if loader in ("handed", "moved", "by_name", "by_default", "Same", "Made", "Fixed"):
        assert read == real


@pytest.mark.parametrize(
    "change",
    [
        "BASE['licence'] = 'BSD'", "BASE.update(licence='BSD')", "BASE |= {'licence': 'BSD'}",
        "if True:\n    BASE = {'licence': 'BSD'}",
        "Model.card = ModelCard(name='n', licence='BSD')",
    ],
)  # fmt: skip
def test_a_constant_that_is_changed_is_no_constant(site, change):
    name = site(
        "from zsl_bench import ModelCard\nBASE = {'licence': 'MIT'}\nclass Model:\n"
        f"    card = ModelCard(name='n', **BASE)\n{BODY}\nload = Model\n{change}\n"
    )
    assert read_card(f"{name}:load").licence is Unread.WHEN_LOADED


def test_imports_within_the_package_are_followed(site):
    inner = "from zsl_bench import ModelCard\nclass Model:\n    card = ModelCard(name='inner')\n"
    for line in (
        "from .inner import Model as load",
        "from SELF.inner import Model as load",
        "from . import inner\nload = inner.Model",
        "import SELF.inner\nload = SELF.inner.Model",
    ):
        name = site("", inner=inner)
        package = sys.path[0] + f"/{name}/__init__.py"
        with open(package, "w") as file:  # noqa: PTH123
            file.write(line.replace("SELF", name))
        assert read_card(f"{name}:load").name == "inner", line
        assert read_card(f"{name}.inner:Model").name == "inner"


def test_the_loaders_own_words_describe_it_where_the_card_is_unread(site):
    name = site(
        'def load():\n    """Make a model of the day.\n\n    More.\n    """\n    return 1\n'
    )
    card = read_card(f"{name}:load")
    assert card.description == "Make a model of the day."
    assert card.name is Unread.WHEN_LOADED


def test_our_own_random_model_reads_as_it_loads():
    read = read_card("zsl_bench.baselines.models:load_e2e_random")
    real = load_model("e2e-random", options=LoadOptions()).card
    for field in vars(read):
        assert getattr(read, field) == getattr(real, field), field


GOOD = (
    "from zsl_bench import ModelCard\nclass Model:\n    card = ModelCard(name='n')\nload = Model\n"
)


@pytest.mark.parametrize(
    ("text", "target", "reason"),
    [
        (GOOD, "a_package_that_is_not_there:load", "no module 'a_package_that_is_not_there'"),
        (GOOD, "SELF.absent:load", "no module 'SELF.absent'"),
        (GOOD, "SELF", "names no loader"),
        (GOOD, "SELF:laod", "no 'laod' in SELF; did you mean 'load'?"),
        ("def load(:\n", "SELF:load", r"SyntaxError: .* \(__init__.py, line 1\)"),
        ("x = 'a\0b'\n", "SELF:load", "null bytes"),
        ("import os\nimport a_lost.thing\n" + GOOD, "SELF:load",
         r"it imports a_lost, which is not installed \(__init__.py, line 2\)"),
        ("from a_lost import x\n" + GOOD, "SELF:load", "it imports a_lost, which"),
        (GOOD.replace("'n'", "'a/b'"), "SELF:load", "an empty name or one with a slash"),
        (GOOD.replace("name='n'", "licence='n'"), "SELF:load", "ModelCard lacks a name"),
        (GOOD.replace("name='n'", "'n'"), "SELF:load", "ModelCard takes its fields by name"),
        (GOOD.replace("'n'", "'n', polcy='x'"), "SELF:load", "ModelCard takes no 'polcy'"),
        (GOOD.replace("'n'", "'n', trained_on='ucf101'"), "SELF:load", "trained_on of model card"),
        (GOOD.replace("'n'", "'n', policy='uniform-8'"), "SELF:load", "the model takes 16"),
        (GOOD.replace("'n'", "'n', pooling='max'"), "SELF:load", "pooling 'max'"),
        ("from zsl_bench import load_class_set\n" + GOOD.replace(
            "'n'", "'n', trained_on=load_class_set('ucf11')"), "SELF:load", "class set 'ucf11'"),
        ("from zsl_bench import ClipSpec\n" + GOOD.replace("'n'", "'n', clip=ClipSpec(size=0)"),
         "SELF:load", "clip spec"),
        ("from zsl_bench import ClipSpec\n" + GOOD.replace("'n'", "'n', clip=ClipSpec(sise=0)"),
         "SELF:load", "ClipSpec takes no 'sise'"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told(site, text, target, reason):
    name = site(text)
    with pytest.raises(BrokenSourceError, match=reason.replace("SELF", name)) as caught:
        read_card(target.replace("SELF", name))
    assert "\n" not in str(caught.value)
    with pytest.raises(Exception):  # noqa: B017, PT011
        load_model(f"py:{target.replace('SELF', name)}")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import a_lost\nexcept ImportError:\n    a_lost = None\n" + GOOD,
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a_lost\n" + GOOD,
        "def f():\n    import a_lost\n" + GOOD,
        "import __main__\nfrom . import inner\n" + GOOD,
        "def __getattr__(name):\n    raise AttributeError\n" + GOOD,
        "globals()['x'] = 1\n" + GOOD,
    ],
)
def test_imports_that_may_fail_are_no_fault(site, text):
    assert read_card(f"{site(text)}:load").name == "n"


@pytest.mark.parametrize(
    "text",
    [
        "def __getattr__(name):\n    return None\n",
        "from os.path import *\n",
        "globals()['load'] = print\n",
        "exec('load = print')\n",
        "def f():\n    global load\n    load = 1\nf()\n",
        "try:\n    from os import one as load\nexcept ImportError:\n    load = print\n",
        "for load in (print,):\n    pass\n",
        "with open(__file__) as load:\n    pass\n",
        "load, other = print, print\n",
        "load = load2 = None\nload = print\n",
        "match 1:\n    case 1:\n        load = print\n",
        "load = a = b = load\n",
        "a = b\nb = a\nload = a\n",
    ],
)
def test_names_that_only_running_shows_are_not_called_missing(site, text):
    assert read_card(f"{site(text)}:load").name is Unread.WHEN_LOADED


def test_compiled_modules_and_namespaces(site, tmp_path):
    assert read_card("_json:make_encoder").name is Unread.WHEN_LOADED
    (tmp_path / "a_namespace" / "inner").mkdir(parents=True)
    (tmp_path / "a_namespace" / "inner" / "model.py").write_text(GOOD)
    assert read_card("a_namespace.inner.model:load").name == "n"
    assert load_class_set("ucf101")
