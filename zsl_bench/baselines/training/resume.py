"""Going on with a run: which checkpoint, and whether it is of this very run."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.baselines.training.config import differences
from zsl_bench.baselines.training.config_files import config_from_json
from zsl_bench.baselines.training.outcome import WEIGHTS_FOLDER
from zsl_bench.errors import ModelError, listing
from zsl_bench.model import declaration_json

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.baselines.training.checkpoints import Checkpoint, CheckpointStore
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.prepare import Prepared
    from zsl_bench.baselines.training.progress import TrainProgress

_WHAT = {
    "data": "the training samples",
    "vectors": "the word vectors",
    "start": "the starting weights",
    "seen": "the classes that the starting weights are said to have seen",
    "against": "the test sets of the audit",
}


def run_stamp(prepared: Prepared, *, replicas: int) -> dict[str, Any]:
    """Return what every checkpoint of a run says of it."""
    return {
        "config": prepared.config.to_json(),
        "data": prepared.training_set.digest,
        "vectors": prepared.vectors.digest,
        "start": prepared.start.digest,
        "seen": [
            declaration_json(prepared.start.pretrained_on),
            declaration_json(prepared.start.known),
        ],
        "against": [test.fingerprint for test in prepared.audit.training.tests],
        "replicas": replicas,
        "threads": torch.get_num_threads(),
    }


def find_checkpoint(
    store: CheckpointStore,
    stamp: dict[str, Any],
    *,
    resume: bool,
    progress: TrainProgress,
) -> Checkpoint | None:
    """Return the checkpoint to go on from, or None for a run from the beginning.

    Args:
        store: The run's checkpoints.
        stamp: What the run now says of itself.
        resume: Whether to go on.
        progress: Hears of damaged checkpoints that are passed over.

    Raises:
        ModelError: There is a run in the folder and it is not to be resumed, or it is another one.
    """
    found = store.latest()
    for note in store.notes:
        progress.note(note)
    if not resume:
        if found is not None:
            raise ModelError(
                f"train in {store.folder.parent}",
                found=f"a run with checkpoints, the newest after {found.position.total} steps",
                fix="give --resume to go on with it, or another --out",
            )
        if (store.folder.parent / WEIGHTS_FOLDER).exists():
            raise ModelError(
                f"train in {store.folder.parent}",
                found="the weights of an earlier run",
                fix="give another --out, or remove the folder",
            )
        return None
    if found is None:
        if store.notes:
            raise ModelError(
                f"resume the run in {store.folder.parent}",
                found="no whole checkpoint",
                fix="remove the folder and train again",
            )
        progress.note("no checkpoint yet; the run starts from the beginning")
        return None
    _check_same(found, stamp, store.folder.parent)
    if found.state["threads"] != stamp["threads"]:
        progress.note(
            f"{stamp['threads']} threads compute, {found.state['threads']} did before: sums may be "
            "rounded otherwise, so the run will not be bit for bit the one it would have been"
        )
    return found


def _check_same(found: Checkpoint, stamp: dict[str, Any], folder: Path) -> None:
    asked = f"resume the run in {folder}"
    then = config_from_json(found.state["config"], asked=f"configuration in {found.path}")
    now = config_from_json(stamp["config"], asked=asked)
    changed = differences(then, now)
    if changed:
        told = [f"{key} was {_setting(then, key)} and is {_setting(now, key)}" for key in changed]
        raise ModelError(
            asked,
            found=f"another configuration: {listing(told, limit=4)}",
            fix="train with the settings in its config.json, or in another folder",
        )
    for key, what in _WHAT.items():
        if found.state[key] != stamp[key]:
            raise ModelError(
                asked, found=f"{what} have changed since", fix="put them back, or train again"
            )
    between_epochs = not found.position.step
    if found.state["replicas"] != stamp["replicas"] and not between_epochs:
        raise ModelError(
            asked,
            found=f"{stamp['replicas']} processes; its checkpoint lies inside an epoch of "
            f"{found.state['replicas']}",
            fix=f"go on with {found.state['replicas']} processes",
        )


def _setting(config: TrainConfig, name: str) -> object:
    return attrgetter(name)(config)
