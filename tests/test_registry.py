import subprocess
import sys
from importlib import metadata

import pytest
import torch

from zsl_bench import registry
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ModelError, WeightsError, WordVectorError
from zsl_bench.model import ModelCard
from zsl_bench.registry import InstalledModel, LoadOptions, installed_models, load_model

MODEL = """
import sys
import torch
from zsl_bench.model import ModelCard

sys.modules.setdefault("loads_of_this_test", []).append(__name__)

class Fixed:
    card = ModelCard(name="fixed")
    def embed_classes(self, classes):
        return torch.ones(len(classes), 2)
    def embed_clips(self, clips):
        return torch.ones(len(clips), 2)

class Wanting(Fixed):
    def __init__(self, options):
        self.options = options

class Movable(Fixed):
    device = "cpu"
    def to(self, device):
        self.device = device

class NoCard:
    embed_classes = embed_clips = None

def load(): return Fixed()
def late(*, options): return Wanting(options)
def keyword(size=3, **more): return Fixed()
def greedy(path, size=3): return Fixed()
def nothing(): return None
def bare(): return NoCard()
def fails(): raise RuntimeError("out of luck\\nsecond line")
def stops(): raise KeyboardInterrupt
def refuses(options):
    from zsl_bench.errors import WordVectorError
    raise WordVectorError("x", found="y", fix="z")
instance = Fixed()
class holder:
    nested = Fixed
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    (tmp_path / "stranger_models.py").write_text(MODEL)
    (tmp_path / "stranger_broken.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "stranger_syntax.py").write_text("def load(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [
        n for n in sys.modules if n.startswith(("stranger_", "_zsl_bench_local", "loads_of"))
    ]:
        del sys.modules[name]


class Distribution(metadata.Distribution):
    """A package that is only metadata, as an entry point sees it."""

    def __init__(self, name, entry_points):
        self._name, self._entry_points = name, entry_points

    def read_text(self, filename):
        if filename == "entry_points.txt":
            lines = "".join(f"{name} = {value}\n" for name, value in self._entry_points.items())
            return f"[{registry.GROUP}]\n{lines}"
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: 2.0\n"

    def locate_file(self, path):
        raise FileNotFoundError(path)


@pytest.fixture
def install(monkeypatch):
    """Return a function that makes packages appear installed."""
    real = metadata.entry_points

    def pretend(**packages):
        added = [
            entry
            for name, points in packages.items()
            for entry in Distribution(name.replace("_", "-"), points).entry_points
        ]
        every = [*real(group=registry.GROUP), *added]
        monkeypatch.setattr(
            registry.metadata,
            "entry_points",
            lambda group: metadata.EntryPoints(every).select(group=group),
        )

    return pretend


def test_the_baselines_come_through_the_same_door_as_a_stranger(install):
    install(other={"zz": "stranger_models:load"})
    ours = [m for m in installed_models() if m.distribution == "zsl-bench"]
    assert [m.name for m in ours] == ["e2e", "e2e-random", "frozen"]
    assert (
        InstalledModel(name="zz", value="stranger_models:load", distribution="other", version="2.0")
        in installed_models()
    )


def test_listing_imports_no_model_and_no_torch():
    code = (
        "import sys; from zsl_bench.registry import installed_models; n = len(installed_models());"
        "heavy = {'torch', 'torchvision', 'zsl_bench.baselines.models', 'huggingface_hub'};"
        "print(n, sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, loaded = said.stdout.split(" ", 1)
    assert int(count) >= 3
    assert loaded.strip() == "[]"


def test_an_installed_model_loads_by_name(stranger, install):
    install(other={"fixed": "stranger_models:load"})
    assert load_model("fixed").card.name == "fixed"


def test_one_name_from_two_packages_is_refused_with_the_spellings(stranger, install):
    install(one={"fixed": "stranger_models:load"}, two={"fixed": "stranger_models:Fixed"})
    with pytest.raises(ModelError) as caught:
        load_model("fixed")
    for part in ("one 2.0", "two 2.0", "py:stranger_models:load", "py:stranger_models:Fixed"):
        assert part in str(caught.value)
    assert load_model("py:stranger_models:Fixed").card.name == "fixed"


def test_a_broken_package_is_listed_and_says_why_when_loaded(stranger, install):
    install(broken={"broken": "stranger_broken:load", "syntax": "stranger_syntax:load"})
    assert {"broken", "syntax", "e2e"} <= {m.name for m in installed_models()}
    with pytest.raises(ModelError, match=r"of broken: importing it.*a_package_that_is_not_there"):
        load_model("broken")
    with pytest.raises(ModelError, match="SyntaxError"):
        load_model("syntax")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("e3e", "did you mean 'e2e'"),
        ("E2E-Random", "did you mean 'e2e-random'"),
        ("clip", "choose from e2e"),
        ("", "no installed model of that name"),
        ("org/repo", "say which is meant: hub:org/repo or path:org/repo"),
        ("./weights", "say which is meant: path:./weights"),
        ("runs/a/weights", "say which is meant: path:runs/a/weights"),
        ("model.safetensors", "say which is meant: path:model.safetensors"),
        ("here", "say which is meant: path:here"),
        ("package.module", "say which is meant: py:package.module:load"),
        ("package.module:load", "did you mean py:package.module:load?"),
        ("http://x", "the unknown kind 'http'"),
        ("path:", "nothing after path:"),
        ("transformers:", "nothing after transformers:"),
        ("open_clop:x", "the unknown kind 'open_clop'"),
        ("hub:repo", "no org/repo@revision"),
        ("hub:../x@main", "no org/repo@revision"),
        ("py:stranger_models", "spell it like py:package.module:load"),
        ("py::load", "spell it like py:package.module:load"),
        ("py:stranger_models:lod", "no 'lod' in stranger_models; did you mean 'load'"),
        ("py:stranger_modles:load", "No module named 'stranger_modles'; install what is missing"),
        ("py:stranger_models:greedy", "a loader that wants path"),
        ("py:stranger_models:nothing", "NoneType with no ModelCard"),
        ("py:stranger_models:bare", "NoCard with no ModelCard"),
        (
            "py:stranger_models:fails",
            "its loader: RuntimeError: out of luck (stranger_models.py, line 33); mend",
        ),
        ("path:nowhere", "no file or folder nowhere"),
        ("path:empty", "neither config.json nor model.py"),
        ("path:both", "path:both/config.json or path:both/model.py"),
        ("path:here", "neither weights nor code (here)"),
    ],
)
def test_a_reference_that_will_not_do_is_told_in_one_line(
    stranger, monkeypatch, reference, message
):
    monkeypatch.chdir(stranger)
    (stranger / "here").write_text("")
    (stranger / "empty").mkdir()
    (stranger / "both").mkdir()
    for name in ("config.json", "model.py"):
        (stranger / "both" / name).write_text("{}")
    with pytest.raises((ModelError, WeightsError)) as caught:
        load_model(reference)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "attribute", ["load", "Fixed", "instance", "holder.nested", "keyword", "Wanting", "late"]
)
def test_loaders_classes_and_instances_are_taken(stranger, attribute):
    assert load_model(f"py:stranger_models:{attribute}").card.name == "fixed"


@pytest.mark.parametrize("attribute", ["Wanting", "late"])
def test_a_loader_that_takes_options_gets_them(stranger, attribute):
    options = LoadOptions(vectors="bundled", allow_approximate=True, device="cpu")
    assert load_model(f"py:stranger_models:{attribute}", options=options).options is options


@pytest.mark.parametrize("attribute", ["load", "Fixed", "instance", "keyword"])
def test_vectors_and_permissions_may_go_unused(stranger, attribute):
    options = LoadOptions(vectors="bundled", allow_approximate=True)
    assert load_model(f"py:stranger_models:{attribute}", options=options).card.name == "fixed"


@pytest.mark.parametrize("attribute", ["load", "Fixed", "instance", "keyword"])
def test_weights_are_never_dropped_in_silence(stranger, attribute):
    options = {"weights": "w"}
    with pytest.raises(ModelError, match="takes no options, and weights w given"):
        load_model(f"py:stranger_models:{attribute}", options=LoadOptions(**options))


@pytest.mark.parametrize("attribute", ["load", "Fixed", "instance", "keyword"])
def test_settings_are_never_dropped_in_silence(stranger, attribute):
    options = LoadOptions(settings={"prompts": "bare"})
    with pytest.raises(ModelError, match="takes no options, and settings prompts given"):
        load_model(f"py:stranger_models:{attribute}", options=options)


@pytest.mark.parametrize("reference", ["e2e-random", "path:x.safetensors", "hub:org/repo"])
def test_the_baselines_have_no_settings(tmp_path, monkeypatch, reference):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"")
    options = LoadOptions(settings={"prompts": "bare"})
    with pytest.raises(ModelError, match="the setting 'prompts'; leave it out"):
        load_model(reference, options=options)


def test_a_model_is_moved_where_its_loader_knows_no_devices(stranger):
    options = LoadOptions(device="meta")
    assert load_model("py:stranger_models:Movable", options=options).device == "meta"
    assert load_model("py:stranger_models:load", options=options).card.name == "fixed"


def test_errors_of_the_family_and_interrupts_pass_through(stranger):
    with pytest.raises(WordVectorError, match="x: y; z"):
        load_model("py:stranger_models:refuses")
    with pytest.raises(KeyboardInterrupt):
        load_model("py:stranger_models:stops")


def test_local_code_is_loaded_under_a_private_name(tmp_path, stranger):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(MODEL)
    first = load_model(f"path:{tmp_path / 'a'}")
    second = load_model(f"path:{tmp_path / 'b' / 'model.py'}")
    assert type(first).__module__.startswith("_zsl_bench_local_")
    assert type(first).__module__ != type(second).__module__
    assert "model" not in sys.modules


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", r"no 'load' in .*model\.py; call its loader, class or model load"),
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def load(:", "SyntaxError"),
    ],
)
def test_local_code_that_will_not_do(tmp_path, stranger, code, message):
    (tmp_path / "model.py").write_text(code)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"path:{tmp_path}")
    assert "_zsl_bench_local" not in str(caught.value)
    assert not code.startswith("1") or not [n for n in sys.modules if "_zsl_bench_local" in n]


def test_weights_named_twice_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    options = LoadOptions(weights=tmp_path)
    for reference in (f"path:{tmp_path}", "hub:org/repo@v1"):
        with pytest.raises(ModelError, match="weights named twice"):
            load_model(reference, options=options)


def test_a_folder_with_neither_card_nor_weights_is_told(tmp_path, monkeypatch):
    config = tmp_path / "folder" / "config.json"
    config.parent.mkdir()
    config.write_text("{}")
    with pytest.raises(WeightsError, match=r"no card\.json"):
        load_model(f"path:{config.parent}")
    (config.parent / "card.json").write_text("{}")
    with pytest.raises(WeightsError, match="schema None"):
        load_model(f"path:{config.parent}")
    config.write_text('{"model_type": "clip"}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"name it transformers:\./folder$"):
        load_model("path:folder")


def test_the_random_baseline_loads_by_name_and_embeds():
    model = load_model("e2e-random", options=LoadOptions(allow_approximate=True))
    assert isinstance(model.card, ModelCard)
    rows = model.embed_classes(load_class_set("hmdb51"))
    assert rows.shape == (51, 300)
    assert torch.isfinite(rows).all()


def test_a_file_in_this_folder_is_pointed_to(tmp_path, monkeypatch):
    (tmp_path / "local_only_model.py").write_text("def load(): ...")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    with pytest.raises(ModelError, match=r"give path:local_only_model\.py"):
        load_model("py:local_only_model:load")
