import json

import numpy as np
import pytest

from zsl_bench.baselines.training.features import BlockStore, FeatureBank, FeatureBlock
from zsl_bench.errors import DatasetError, ResultError


def accept(unreadable):
    pass


def fill(store, *, dim=3, unreadable=()):
    whole = np.random.default_rng(0).normal(size=(store.samples, store.views, dim))
    whole = whole.astype(np.float32)
    whole[list(unreadable)] = 0
    for block in range(store.num_blocks):
        positions = store.positions(block)
        reasons = {i: (f"reason {i}", [1, 2]) for i in unreadable if i in positions}
        store.save(block, FeatureBlock(features=whole[positions], unreadable=reasons))
    return whole


@pytest.mark.parametrize(("samples", "views"), [(1, 1), (25, 10), (26, 10), (7, 300), (513, 1)])
def test_blocks_cut_the_samples_into_consecutive_parts(tmp_path, samples, views):
    store = BlockStore(tmp_path, samples=samples, views=views)
    parts = [store.positions(block) for block in range(store.num_blocks)]
    assert [i for part in parts for i in part] == list(range(samples))
    assert all(len(part) > 0 for part in parts)


def test_a_bank_holds_what_its_blocks_held(tmp_path):
    store = BlockStore(tmp_path / "bank", samples=60, views=10)
    assert FeatureBank.open(store.folder) is None
    whole = fill(store, unreadable=(0, 59))
    assert store.present() == store.num_blocks == 3
    bank = store.join(accept)
    assert isinstance(bank.features, np.memmap)
    assert np.array_equal(bank.features, whole)
    assert bank.unreadable == ((0, "reason 0"), (59, "reason 59"))
    assert np.flatnonzero(~bank.readable).tolist() == [0, 59]
    assert sorted(path.name for path in store.folder.iterdir()) == ["bank.json", "features.npy"]
    again = FeatureBank.open(store.folder)
    assert np.array_equal(again.features, whole)
    assert again.unreadable == bank.unreadable


def test_a_bank_that_is_refused_leaves_its_blocks(tmp_path):
    store = BlockStore(tmp_path, samples=30, views=10)
    fill(store, unreadable=(3,))

    def refuse(unreadable):
        raise DatasetError("bank", found=str(sorted(unreadable)), fix="mend")

    with pytest.raises(DatasetError, match=r"\[3\]"):
        store.join(refuse)
    assert FeatureBank.open(tmp_path) is None
    assert store.present() == store.num_blocks
    assert not (tmp_path / "features.npy").exists()


def test_a_damaged_block_is_no_block(tmp_path):
    store = BlockStore(tmp_path, samples=60, views=10)
    fill(store)
    path = sorted(tmp_path.iterdir())[1]
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(b"PK", b"KP")):
        path.write_bytes(damaged)
        assert store.load(1) is None
        with pytest.raises(ResultError, match="block 1 is missing or damaged"):
            store.join(accept)
    other = BlockStore(tmp_path, samples=60, views=9)
    assert other.load(0) is None


def test_a_damaged_bank_is_refused(tmp_path):
    store = BlockStore(tmp_path, samples=30, views=10)
    fill(store)
    store.join(accept)
    content = json.loads((tmp_path / "bank.json").read_text())
    (tmp_path / "bank.json").write_text(json.dumps({**content, "shape": [30, 10, 4]}))
    with pytest.raises(ResultError, match="an array of shape"):
        FeatureBank.open(tmp_path)
    (tmp_path / "bank.json").write_text(json.dumps(content))
    whole = (tmp_path / "features.npy").read_bytes()
    (tmp_path / "features.npy").write_bytes(whole[:-5])
    with pytest.raises(ResultError, match="read features"):
        FeatureBank.open(tmp_path)
    (tmp_path / "bank.json").write_text("[]")
    with pytest.raises(ResultError, match="read features"):
        FeatureBank.open(tmp_path)
