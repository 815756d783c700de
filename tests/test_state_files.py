import argparse
import json
import os
import pickle
import struct
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from zsl_bench.errors import WeightsError
from zsl_bench.state_files import fill_network, read_pickle, read_tensors, strip_parallel

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


class Malicious:
    """A pickle that makes a folder where it is unpickled as usual."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_safetensors_come_whole_with_their_note(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(STATE, path, {"zsl_bench": json.dumps({"card": 1}), "format": "pt"})
    tensors, note = read_tensors(path)
    assert note == {"card": 1}
    path.write_bytes(b"")  # what was read does not hang on the file
    assert all(torch.equal(tensors[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_a_truncated_safetensors_file_is_named_as_damaged(tmp_path, cut):
    path = tmp_path / "a.safetensors"
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match=r"a\.safetensors: no whole safetensors file"):
        read_tensors(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 2) + b"[]",
    ],
)
def test_a_damaged_header_is_named(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="no whole safetensors file"):
        read_tensors(path)


def test_a_note_that_is_no_json_is_named(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors", {"zsl_bench": "{"})
    with pytest.raises(WeightsError, match="no whole safetensors file"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("read", [read_tensors, read_pickle])
def test_a_missing_file_or_a_folder_is_named(tmp_path, read):
    with pytest.raises(WeightsError, match="check the path"):
        read(tmp_path / "none.pt")
    with pytest.raises(WeightsError):
        read(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_plain_state_dict_is_read_from_a_pickle(tmp_path, zipped):
    state = {f"module.{key}": tensor for key, tensor in STATE.items()}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    read = read_pickle(tmp_path / "a.pth")
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], STATE[key]) for key in STATE)


def test_module_is_stripped_only_where_every_key_has_it():
    mixed = {"module.a": STATE["b"], "b": STATE["b"]}
    assert strip_parallel(mixed).keys() == mixed.keys()


@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle", "pickle-4"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, writer):
    trap, path = tmp_path / "sprung", tmp_path / "a.pt"
    evil = {"a": Malicious(trap)}
    if writer.startswith("pickle"):
        path.write_bytes(pickle.dumps(evil, protocol=4 if writer == "pickle-4" else 2))
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=writer == "zip")
    with pytest.raises(WeightsError, match=r"contains code.*refused"):
        read_pickle(path)
    assert not trap.exists()
    if writer != "pickle-4":
        with pytest.raises(WeightsError, match=r"contains code \(\w+\.mkdir\)"):
            read_pickle(path)


def test_the_trap_of_these_tests_works(tmp_path):
    pickle.loads(pickle.dumps(Malicious(tmp_path / "sprung")))  # noqa: S301
    assert (tmp_path / "sprung").exists()


def test_a_checkpoint_with_other_things_is_refused(tmp_path):
    torch.save({"state_dict": STATE, "epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="checkpoint rather than a plain state dict: state_dict"):
        read_pickle(tmp_path / "a.pt")
    torch.save({"state_dict": STATE, "opt": argparse.Namespace(lr=1)}, tmp_path / "b.tar")
    with pytest.raises(WeightsError, match=r"contains code \(argparse\.Namespace\); refused"):
        read_pickle(tmp_path / "b.tar")
    torch.save([STATE["b"]], tmp_path / "c.pt")
    with pytest.raises(WeightsError, match="a list, no state dict"):
        read_pickle(tmp_path / "c.pt")
    torch.save({}, tmp_path / "d.pt")
    with pytest.raises(WeightsError, match="no state dict"):
        read_pickle(tmp_path / "d.pt")


def test_damaged_pickles_are_named(tmp_path):
    torch.save(STATE, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    for name, content in (
        ("cut.pt", whole[: len(whole) // 2]),
        ("empty.pt", b""),
        ("text.pt", b"hello, this is no pickle\n" * 9),
        ("noise.pt", bytes(range(256))),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            read_pickle(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600
    with zipfile.ZipFile(tmp_path / "z.pt", "w") as archive:
        archive.writestr("a", "b")
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        archive.add(tmp_path / "whole.pt", "w")
    for name in ("z.pt", "t.tar"):
        with pytest.raises(WeightsError, match="nothing that can be read safely"):
            read_pickle(tmp_path / name)


def meta_linear():
    with torch.device("meta"):
        return torch.nn.Linear(3, 2)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, r"1 keys missing \(bias\)"),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)},
            r"1 unexpected keys \(more\)",
        ),
        (
            {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)},
            r"weight float32 2x4 for float32 2x3",
        ),
        (
            {"weight": torch.zeros(2, 3).half(), "bias": torch.zeros(2)},
            r"weight float16 2x3 for float32 2x3",
        ),
        ({"weight": torch.full((2, 3), torch.nan), "bias": torch.zeros(2)}, "not finite in weight"),
        ({str(i): torch.zeros(1) for i in range(9)}, r"9 unexpected keys \(0, 1, 2 and 6 more\)"),
    ],
)
def test_every_key_is_accounted_for(state, message):
    with pytest.raises(WeightsError, match=message):
        fill_network(meta_linear(), state, asked="weights x for linear")


def test_a_network_is_filled():
    network = meta_linear()
    state = {"weight": torch.randn(3, 2).T, "bias": torch.ones(2)}
    fill_network(network, state, asked="weights x")
    assert torch.equal(network.weight, state["weight"])
    assert network.weight.is_contiguous()
    assert network.weight.requires_grad
