"""Fitted methods on disk."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import ResultError, WeightsError, ZslBenchError
from zsl_bench.files import sha256_bytes
from zsl_bench.testing.method_world import SMALL, compositional_world

WORLD = compositional_world(SMALL)


def fitted(name="rr"):
    seen = WORLD.seen
    return load_method(name).fit(seen.features, seen.lengths, seen.labels, seen.class_vectors)


def scores(method):
    unseen = WORLD.unseen
    return method.score(unseen.features, unseen.lengths, unseen.class_vectors)


@pytest.mark.parametrize("name", ["rr", "eszsl"])
def test_a_method_comes_back_as_it_was(tmp_path, name):
    before = fitted(name)
    after = load_fitted(save_method(before, tmp_path / "deep" / "folder"))
    assert scores(after).tobytes() == scores(before).tobytes()
    assert (after.spec, after.settings()) == (before.spec, before.settings())


def test_an_adapted_method_comes_back_transductive(tmp_path):
    unseen = WORLD.unseen
    before = fitted().adapt(unseen.features, unseen.lengths, unseen.class_vectors)
    after = load_fitted(save_method(before, tmp_path))
    assert (after.spec.name, after.spec.setting) == ("rr+st", "transductive")
    assert scores(after).tobytes() == scores(before).tobytes()


def test_one_fit_gives_one_file(tmp_path):
    for name in ("one", "two"):
        save_method(fitted(), tmp_path / name)
    for file in ("method.json", "arrays.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def change(folder, **changed):
    path = folder / "method.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_arrays_of_another_method_are_refused(tmp_path):
    save_method(fitted("eszsl"), tmp_path / "other")
    save_method(fitted(), tmp_path / "mine")
    (tmp_path / "other" / "arrays.safetensors").replace(tmp_path / "mine" / "arrays.safetensors")
    with pytest.raises(WeightsError, match="arrays of another method"):
        load_fitted(tmp_path / "mine")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"format": 9}, "format 9"),
        ({"format": "1"}, "incomplete"),
        ({"settings": None}, "incomplete"),
        ({"settings": {}}, "damaged arrays"),
        ({"settings": {"regulariser": "x", "neighbours": 1}}, "damaged arrays"),
        ({"method": "rrr"}, "method 'rrr' of a file, no installed method"),
        ({"method": "py:os:remove"}, "a file names no code to run"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, changed, found):
    change(save_method(fitted(), tmp_path), **changed)
    with pytest.raises(WeightsError, match=found):
        load_fitted(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"no safetensors"])
def test_damaged_arrays_are_refused(tmp_path, content):
    save_method(fitted(), tmp_path)
    (tmp_path / "arrays.safetensors").write_bytes(content)
    change(tmp_path, arrays_sha256=sha256_bytes(content))
    with pytest.raises(WeightsError, match="damaged arrays"):
        load_fitted(tmp_path)


def test_arrays_that_are_not_finite_are_refused(tmp_path):
    save_method(fitted(), tmp_path)
    arrays = load(tmp_path.joinpath("arrays.safetensors").read_bytes())
    content = save({**arrays, "mean": arrays["mean"] * np.nan})
    (tmp_path / "arrays.safetensors").write_bytes(content)
    change(tmp_path, arrays_sha256=sha256_bytes(content))
    with pytest.raises(WeightsError, match="mean, which is not finite"):
        load_fitted(tmp_path)


def test_missing_files_are_one_line(tmp_path):
    with pytest.raises(ResultError):
        load_fitted(tmp_path)
    save_method(fitted(), tmp_path)
    (tmp_path / "arrays.safetensors").unlink()
    with pytest.raises(ZslBenchError, match=r"arrays\.safetensors") as caught:
        load_fitted(tmp_path)
    assert "\n" not in str(caught.value)


def test_nothing_in_the_folder_is_code(tmp_path):
    save_method(fitted(), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"method.json", "arrays.safetensors"}
    about = json.loads((tmp_path / "method.json").read_text())
    assert about["method"] == "rr"
    assert np.isfinite(about["settings"]["regulariser"])
