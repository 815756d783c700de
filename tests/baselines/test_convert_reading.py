"""What a checkpoint may hold, and what is refused, with nothing run."""

import argparse
import collections
import io
import os
import pickle
import re
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from zsl_bench.baselines.convert.declarations import declare
from zsl_bench.baselines.convert.reading import Checkpoint, read_checkpoint
from zsl_bench.baselines.convert.stand_ins import ArrayStandIn, OptionsStandIn, TypeStandIn, plain
from zsl_bench.errors import WeightsError
from zsl_bench.state_files import read_pickle

STATE = collections.OrderedDict(
    {"module.a": torch.arange(6.0).reshape(2, 3), "module.n": torch.tensor(7)}
)
OPTIONS = {
    "network": "r2plus1d_18",
    "lr": 1e-3,
    "n_classes": 664,
    "class_overlap": np.float64(0.01),
    "fixconvs": False,
    "weights": None,
    "device": torch.device("cuda:0"),
    "sizes": [1, (2, 3)],
    "nested": argparse.Namespace(seed=np.int64(3)),
}


class Call:
    """A pickle that calls what it is told to."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(path, content, *, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (0.25, 0.25),
        (np.float64(0.25), 0.25),
        (np.float32(0.5), 0.5),
        (np.array(0.25), 0.25),
        (np.array([0.5, 0.25]), [0.5, 0.25]),
        (torch.tensor(0.5), 0.5),
        (float("nan"), "nan"),
        (None, None),
    ],
    ids=repr,
)
def test_the_released_format_is_read_whole(tmp_path, monkeypatch, zipped, accuracy, expected):
    content = {
        "state_dict": STATE,
        "opt": argparse.Namespace(**OPTIONS),
        "accuracy": accuracy,
        "epoch": 3,
    }
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:1")
    path = saved(tmp_path / "a.pth.tar", content, zipped=zipped)
    read = read_checkpoint(path)
    assert list(read.state) == list(STATE)
    assert all(torch.equal(read.state[key], STATE[key]) for key in STATE)
    assert all(tensor.device.type == "cpu" for tensor in read.state.values())
    assert read.options == {
        **OPTIONS,
        "device": "cuda:0",
        "sizes": [1, [2, 3]],
        "nested": {"seed": 3},
    }
    assert type(read.options["class_overlap"]) is float
    assert read.accuracy == expected
    assert read.ignored == ("epoch",)


def test_names_of_older_numpy_are_known(tmp_path):
    stream = io.BytesIO()
    torch.save({"state_dict": STATE, "accuracy": np.float64(0.5)}, stream)
    (tmp_path / "a.pth").write_bytes(stream.getvalue())
    old = re.sub(rb"numpy\._core\.multi", b"numpy.core.multi", _legacy(np.float64(0.5)))
    assert b"numpy.core" in old
    (tmp_path / "b.pth").write_bytes(old)
    assert read_checkpoint(tmp_path / "a.pth").accuracy == 0.5
    assert read_checkpoint(tmp_path / "b.pth").accuracy == 0.5


def _legacy(accuracy):
    stream = io.BytesIO()
    content = {"state_dict": STATE, "accuracy": accuracy}
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_a_plain_state_dict_and_safetensors_are_read_whatever_their_name(tmp_path):
    plain_file = saved(tmp_path / "c3d.pickle", dict(STATE))
    save_file(dict(STATE), tmp_path / "weights.bin")
    for path in (plain_file, tmp_path / "weights.bin"):
        read = read_checkpoint(path)
        assert set(read.state) == set(STATE)
        assert read.options is None
        assert read.accuracy is None


def test_weights_of_the_package_are_sent_to_their_own_door(tmp_path):
    save_file(dict(STATE), tmp_path / "a.safetensors", {"zsl_bench": "{}"})
    with pytest.raises(WeightsError, match="already; load them as path:FILE"):
        read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["top", "opt", "inside opt", "accuracy", "state_dict", "key"])
@pytest.mark.parametrize(
    "function", [os.mkdir, os.system, eval, getattr, subprocess.Popen, __import__]
)
def test_code_is_refused_wherever_it_stands_and_never_run(tmp_path, zipped, place, function):
    marker = tmp_path / "made"
    argument = f"open({str(marker)!r}, 'w')" if function is eval else f"mkdir {marker}"
    hostile = Call(function, str(marker) if function is os.mkdir else argument)
    content = {
        "state_dict": dict(STATE),
        "opt": argparse.Namespace(**OPTIONS),
        "accuracy": 0.5,
    }
    if place == "top":
        content = hostile
    elif place == "inside opt":
        content["opt"].deep = [{"a": hostile}]
    elif place == "state_dict":
        content["state_dict"]["module.b"] = hostile
    elif place == "key":
        content[(1, hostile)] = 0
    else:
        content[place] = hostile
    path = saved(tmp_path / "a.pth.tar", content, zipped=zipped)
    with pytest.raises(WeightsError, match="it contains code") as caught:
        read_checkpoint(path)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "hostile",
    [
        Call(argparse.Namespace, 1),
        Call(np.dtype, "O"),
        Call(np._core.multiarray.scalar, np.dtype("O"), b"x" * 8),
        Call(np._core.multiarray.scalar, np.dtype("f8"), b"x" * 16),
        Call(np._core.multiarray.scalar, 1, 2),
        np.array([object]),
        Call(torch.Tensor, "x"),
        Call(bytearray, 1 << 62),
        Call(collections.OrderedDict, 3),
        Call(torch.device, "nothing"),
        Call(torch._utils._rebuild_tensor_v2, 1, 2, 3, 4, 5, 6),
    ],
    ids=lambda hostile: getattr(getattr(hostile, "call", [None])[0], "__name__", "array"),
)
def test_what_is_allowed_is_not_harmful_in_odd_use(tmp_path, hostile):
    path = saved(tmp_path / "a.pth", {"state_dict": dict(STATE), "accuracy": hostile})
    try:
        read = read_checkpoint(path)
    except WeightsError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert isinstance(read.accuracy, str)  # described, not kept


def test_the_stand_ins_leave_with_the_file(tmp_path):
    path = saved(tmp_path / "a.pth", {"state_dict": STATE, "opt": argparse.Namespace(a=1)})
    before = set(map(str, torch.serialization.get_safe_globals()))
    assert read_checkpoint(path).options == {"a": 1}
    assert set(map(str, torch.serialization.get_safe_globals())) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)  # noqa: TID251


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([1, 2], "a list"),
        ({}, "no state dict"),
        ({"state_dict": [1]}, "no state dict"),
        ({"model": 3, "epoch": 1}, "no tensors, and no state_dict: model, epoch"),
        ({"state_dict": {"a": 1}}, "no tensors"),
        ({"state_dict": {"a": torch.eye(2).to_sparse()}}, "without values of their own"),
        ({"state_dict": {"a": torch.empty(2, device="meta")}}, "without values of their own"),
        ({"state_dict": dict(STATE), "opt": 3}, "options that are a int"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_is(tmp_path, content, match):
    with pytest.raises(WeightsError, match=match):
        read_checkpoint(saved(tmp_path / "a.pth", content))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_checkpoint(tmp_path / "none.pth.tar")
    with pytest.raises(WeightsError, match="a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02.", b"text" * 9, b"\x80\x02]q."])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


_WHOLE = _legacy(np.float64(0.5))


@settings(max_examples=400, deadline=None)
@given(
    places=st.lists(st.integers(0, len(_WHOLE) - 1), min_size=1, max_size=4),
    values=st.lists(st.integers(0, 255), min_size=4, max_size=4),
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_changed_bytes_give_a_checkpoint_or_one_error(tmp_path_factory, places, values):
    data = bytearray(_WHOLE)
    for place, value in zip(places, values, strict=False):
        data[place] = value
    path = tmp_path_factory.mktemp("bytes") / "a.pth"
    path.write_bytes(data)
    try:
        read_checkpoint(path)
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_values_become_plain_data_of_bounded_size():
    options = OptionsStandIn()
    options.__setstate__({"a": {1, 2}, 3: torch.eye(2), "t": torch.float16, "long": "x" * 1000})
    made = plain(options)
    assert made["a"] == "a set, not kept"
    assert made["3"] == "a tensor of shape (2, 2), not kept"
    assert made["t"] == "torch.float16"
    assert len(made["long"]) == 400
    endless = []
    endless.append(endless)
    assert plain(endless) == [[["a list of 1, not kept"]]]
    assert len(plain(list(range(1000)))) == 64
    with pytest.raises(TypeError, match="options that are a list"):
        options.__setstate__([1])


def test_numpy_types_are_read_in_their_byte_order_and_only_numbers():
    big = TypeStandIn("i2", False, True)
    big.__setstate__((3, ">", None))
    assert big.read(b"\x01\x00") == [256]
    with pytest.raises(ValueError, match="numpy values of type"):
        TypeStandIn("V8").read(b"x" * 8)
    array = ArrayStandIn()
    with pytest.raises(ValueError, match="does not hold numbers"):
        array.__setstate__((1, (2,), "f8", False, [1, 2]))


def test_a_small_file_of_a_huge_tensor_is_refused(tmp_path):
    path = tmp_path / "bomb.pth.tar"
    huge = torch.zeros(1).expand(10**11, 300)
    torch.save({"state_dict": {"module.regressor.weight": huge}}, path)
    with pytest.raises(WeightsError, match="tensors without values of their own"):
        read_checkpoint(path)
    torch.save({"regressor.weight": huge}, tmp_path / "plain.pt")
    with pytest.raises(WeightsError, match="tensors without values of their own"):
        read_pickle(tmp_path / "plain.pt")


def test_keys_and_options_that_a_terminal_would_act_on(tmp_path):
    path = tmp_path / "escapes.pth.tar"
    torch.save({"state_dict": {"module.\x1b[2J": torch.zeros(1)}}, path)
    with pytest.raises(WeightsError, match=r"no plain text: module\.\\x1b\[2J;"):
        read_checkpoint(path)
    options = argparse.Namespace(dataset="\udc80", save_path="a\nb\x1b[2J")
    torch.save({"state_dict": {"a": torch.zeros(1)}, "opt": options}, path)
    assert read_checkpoint(path).options == {"dataset": "\\udc80", "save_path": "a b\\x1b[2J"}


def test_options_of_no_class_settle_nothing(tmp_path):
    options = {"dataset": "kinetics2both", "n_classes": 0, "class_overlap": 2}
    made = Checkpoint(path=tmp_path / "x", sha256="", state=STATE, options=options)
    assert declare(made, "c3d").trained_on is None
