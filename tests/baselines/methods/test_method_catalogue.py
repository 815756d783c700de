"""Which methods there are, and how one is found."""

import sys
from pathlib import Path

import pytest

from zsl_bench.baselines.methods import FeatureMethod, MethodSpec
from zsl_bench.baselines.methods.catalogue import known_methods, load_method
from zsl_bench.errors import ModelError


def install(folder, name, *points):
    about = folder / f"{name}-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("\n".join(["[zsl_bench.methods]", *points]) + "\n")


@pytest.mark.parametrize("name", known_methods())
def test_every_known_method_is_one_and_says_what_it_is(name):
    method = load_method(name)
    assert isinstance(method, FeatureMethod)
    assert method.spec.name == name
    assert method.spec.title
    assert method.spec.sources
    assert method.spec.fidelity == "faithful" or method.spec.assumed
    method.configured(None)
    method.configured(method.quick)


def test_the_page_has_a_row_for_every_method():
    page = (Path(__file__).parents[3] / "docs" / "methods.md").read_text("utf-8")
    rows = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5:
            rows[cells[0].strip("`")] = tuple(cells[2:4])
    for name in known_methods():
        spec = load_method(name).spec
        assert rows[name] == (spec.setting, spec.fidelity)


def test_the_list_imports_no_method():
    known = known_methods()
    assert list(known) == sorted(known)
    assert {"rr", "eszsl"} <= known.keys()


def test_a_name_that_is_nearly_one_is_told():
    with pytest.raises(ModelError, match="did you mean 'eszsl'"):
        load_method("ezsl")


def test_a_class_is_found_by_its_place():
    assert load_method("py:zsl_bench.baselines.methods.ridge:Ridge").spec.name == "rr"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("py:no_such_package:Method", "install the package that brings no_such_package"),
        ("py:zsl_bench.baselines.methods.ridge:Rigde", "cannot be imported"),
        ("py:zsl_bench.baselines.methods.ridge", "no FeatureMethod"),
        ("py:zsl_bench.baselines.methods.ridge:GRID", "no FeatureMethod"),
        ("py:zsl_bench.baselines.methods.ridge:RidgeConfig", "no FeatureMethod"),
    ],
)
def test_what_is_no_method_is_refused(where, found):
    with pytest.raises(ModelError, match=found):
        load_method(where)


def test_an_installed_package_brings_its_own(tmp_path, monkeypatch):
    install(tmp_path, "one", "mine = zsl_bench.baselines.methods.ridge:Ridge")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert known_methods()["mine"] == "zsl_bench.baselines.methods.ridge:Ridge"
    assert load_method("mine").spec.name == "rr"


def test_one_name_from_two_packages_is_refused(tmp_path, monkeypatch):
    install(tmp_path / "a", "one", "mine = a.b:C")
    install(tmp_path / "b", "two", "mine = d.e:F")
    for name in ("a", "b"):
        monkeypatch.syspath_prepend(str(tmp_path / name))
    with pytest.raises(ModelError, match=r"two of that name, .*uninstall one"):
        known_methods()


def test_a_package_cannot_take_the_name_of_an_own_method(tmp_path, monkeypatch):
    install(tmp_path, "one", "rr = a.b:C")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match=r"method rr: two of that name"):
        known_methods()
    assert "a.b" not in sys.modules


@pytest.mark.parametrize(
    ("changed", "found"),
    [({"name": ""}, "no short name"), ({"name": "a b"}, "no short name"),
     ({"name": "../a"}, "no short name"), ({"fidelity": "exact"}, "choose among faithful, close")],
)  # fmt: skip
def test_a_spec_checks_its_choices(changed, found):
    with pytest.raises(ModelError, match=found):
        MethodSpec(**{"name": "a", "title": "a", "fidelity": "close", **changed})


def test_a_spec_says_its_setting():
    spec = MethodSpec(name="a+st", title="a", fidelity="close", transductive=True)
    assert spec.setting == "transductive"
