"""Validation on held-out classes against a loop over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zsl_bench.baselines.networks import create_network
from zsl_bench.baselines.training.prepare import prepare
from zsl_bench.baselines.training.replicas import Replicas
from zsl_bench.baselines.training.validation import validate
from zsl_bench.errors import DatasetError
from zsl_bench.video import clip_policy, load_clips

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.prepare import Prepared

ALONE = Replicas(rank=0, size=1, device=torch.device("cpu"))


@pytest.fixture
def prepared(tiny_config: Callable[..., TrainConfig]) -> Prepared:
    """A run with half of its classes held out."""
    return prepare(tiny_config(validation={"held_out": 0.5, "select": "best"}))


def _hits(prepared: Prepared, network: torch.nn.Module, positions: list[int]) -> list[bool]:
    held_out, spec = prepared.training_set.held_out, prepared.config.clips.spec
    hits = []
    for position in positions:
        clips = load_clips(held_out.path(position), clip_policy("first-4"), spec).assemble()
        with torch.no_grad():
            vector = network(torch.from_numpy(clips))[0].double().numpy()
        cosines = prepared.held_out.matrix @ vector / np.linalg.norm(vector)
        hits.append(int(np.argmax(cosines)) == int(held_out.labels[position]))
    return hits


@pytest.mark.parametrize("workers", [0, 1])
def test_the_score_is_that_of_a_plain_loop(prepared: Prepared, workers: int) -> None:
    network = create_network("r2plus1d_tiny", seed=3).train()
    network.backbone.stem.eval()
    modes = [module.training for module in network.modules()]
    score = validate(
        network, prepared.training_set.held_out, prepared.held_out.matrix, prepared.config,
        team=ALONE, workers=workers,
    )  # fmt: skip
    assert [module.training for module in network.modules()] == modes
    hits = _hits(prepared, network.eval(), list(range(12)))
    assert score.samples == 12
    assert score.top1 == pytest.approx(np.mean(hits))
    assert score.top5 == 1.0


def test_an_output_that_is_no_number_is_wrong(prepared: Prepared) -> None:
    network = create_network("r2plus1d_tiny", seed=3)
    network.head.weight.data.fill_(float("nan"))
    score = validate(
        network, prepared.training_set.held_out, prepared.held_out.matrix, prepared.config,
        team=ALONE, workers=0,
    )  # fmt: skip
    assert (score.top1, score.top5, score.samples) == (0.0, 0.0, 12)


def test_few_samples_are_spread_over_the_classes(tiny_config) -> None:
    prepared = prepare(
        tiny_config(validation={"held_out": 0.5, "select": "best", "max_samples": 4})
    )
    network = create_network("r2plus1d_tiny", seed=3)
    score = validate(
        network, prepared.training_set.held_out, prepared.held_out.matrix, prepared.config,
        team=ALONE, workers=0,
    )  # fmt: skip
    assert score.samples == 4
    assert score.top1 == pytest.approx(np.mean(_hits(prepared, network.eval(), [0, 1, 4, 8])))


def test_replicas_share_their_statistics_and_their_samples(prepared: Prepared) -> None:
    class Second(Replicas):
        """The second of two, which takes over the first one's statistics and its vectors."""

        def share_buffers(self, module: torch.nn.Module) -> None:
            module.load_state_dict(first.state_dict())

        def gather(self, value):
            return [value]

    first = create_network("r2plus1d_tiny", seed=5).eval()
    team = Second(rank=1, size=2, device=torch.device("cpu"))
    network = create_network("r2plus1d_tiny", seed=6)
    score = validate(
        network, prepared.training_set.held_out, prepared.held_out.matrix, prepared.config,
        team=team, workers=0,
    )  # fmt: skip
    assert score.samples == 6
    assert score.top1 == pytest.approx(np.mean(_hits(prepared, first, [1, 3, 5, 7, 9, 11])))
    for key, tensor in first.state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor)


def test_nothing_readable_is_an_error(prepared: Prepared, tmp_path: Path, monkeypatch) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    held_out = prepared.training_set.held_out
    monkeypatch.setattr(type(held_out), "path", lambda *_: broken)
    with pytest.raises(DatasetError, match="none of 12 samples can be read"):
        validate(
            create_network("r2plus1d_tiny", seed=3), held_out, prepared.held_out.matrix,
            prepared.config, team=ALONE, workers=0,
        )  # fmt: skip
