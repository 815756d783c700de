"""The bundled models' entry points: ``e2e``, ``e2e-random`` and ``frozen``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.networks import WORD_VECTOR_DIM, create_network
from zsl_bench.baselines.published import Published, check_published, published_weights
from zsl_bench.baselines.weights import load_weights, save_weights
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.hub import fetch_weights
from zsl_bench.model import ModelCard, check_settings
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from zsl_bench.model import LoadOptions
    from zsl_bench.wordvectors import WordVectors

RANDOM_NAME = "e2e-random"
PAPER_CLIP = ClipSpec(dtype="float32")
"""What the paper's networks are handed: 16 unrounded frames of 112 x 112."""


def load_e2e(options: LoadOptions) -> BaselineModel:
    """Load the paper's end-to-end model from given or published weights.

    Raises:
        WeightsError: There are no weights, or they are not of an end-to-end model.
    """
    return _load_family("e2e", options)


def load_frozen(options: LoadOptions) -> BaselineModel:
    """Load the paper's baseline: a pretrained backbone, only the linear layer trained.

    ``pretrained_on`` holds the classes of torchvision's Kinetics-400 weights where the folder names
    them as its backbone.

    Raises:
        WeightsError: There are no weights, or they are not of a frozen model.
    """
    return _load_family("frozen", options)


def load_e2e_random(options: LoadOptions) -> BaselineModel:
    """Make R(2+1)D-18 with random weights (seed 0), for trials; its numbers mean nothing.

    Raises:
        ModelError: Weights were given.
    """
    check_settings(options, (), f"model {RANDOM_NAME!r}")
    if options.weights is not None:
        raise ModelError(
            f"model {RANDOM_NAME!r}",
            found=f"weights {options.weights}, which a random initialisation has no use for",
            fix="leave --weights out, or load them as model e2e",
        )
    model = random_model(vectors=options.vectors, allow_approximate=options.allow_approximate)
    return model.to(options.device)


def random_model(
    *,
    network: str = "r2plus1d_18",
    seed: int = 0,
    clip: ClipSpec = PAPER_CLIP,
    policy: str = "paper-25",
    vectors: WordVectors | str | Path | None = None,
    allow_approximate: bool = False,
) -> BaselineModel:
    """Make a model with random weights, for trials; its card says so.

    Args:
        network: ``r2plus1d_18``, ``r3d_18``, ``c3d`` or ``r2plus1d_tiny``.
        seed: Seed of the weights; the global random state stays as it was.
        clip: What the model wants to be handed.
        policy: Its default clip policy.
        vectors: Word vectors, or what ``load_word_vectors`` takes; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.

    Raises:
        ModelError: There is no network of that name.
    """
    card = ModelCard(
        name=RANDOM_NAME,
        clip=clip,
        policy=policy,
        trained_on=(),
        pretrained_on=(),
        licence="Apache-2.0",
        description=f"random initialisation of {network} (seed {seed}), for trials",
    )
    return BaselineModel(
        create_network(network, seed=seed),
        config=NetworkConfig(family="e2e", network=network, dim=WORD_VECTOR_DIM),
        card=card,
        vectors=vectors,
        allow_approximate=allow_approximate,
        source=f"random initialisation, seed {seed}",
    )


def save_random(folder: str | Path, *, network: str = "r2plus1d_18", seed: int = 0) -> Path:
    """Save a weights folder with a random initialisation, for trials.

    Args:
        folder: Where; made where it is missing.
        network: ``r2plus1d_18``, ``r3d_18``, ``c3d`` or ``r2plus1d_tiny``.
        seed: Seed of the weights.

    Returns:
        The folder.

    Raises:
        ResultError: The folder cannot be written.
    """
    return save_weights(random_model(network=network, seed=seed), Path(folder))


def load_from_path(path: Path, options: LoadOptions) -> BaselineModel:
    """Load a model from a weights folder or file, whichever family it is of.

    Raises:
        WeightsError: Something is missing, damaged, unsafe to read, or of another network.
    """
    check_settings(options, (), f"weights {path}")
    return load_weights(
        path,
        vectors=options.vectors,
        allow_approximate=options.allow_approximate,
        device=options.device,
    )


def load_from_hub(reference: str, options: LoadOptions, *, sha256: str = "") -> BaselineModel:
    """Load a model from a weights folder on the Hub; only data is fetched, never code.

    Args:
        reference: ``org/repo`` or ``org/repo@revision``.
        options: What the loader is told.
        sha256: What the tensor file's digest must be; empty to take what ``config.json`` says.

    Raises:
        WeightsError: It cannot be fetched, or is no weights folder of this package.
    """
    check_settings(options, (), f"hub:{reference}")
    snapshot = fetch_weights(reference)
    check_published(snapshot.path, Published(reference=reference, sha256=sha256))
    return load_weights(
        snapshot.path,
        vectors=options.vectors,
        allow_approximate=options.allow_approximate,
        device=options.device,
        source=str(snapshot),
    )


def _load_family(family: str, options: LoadOptions) -> BaselineModel:
    if options.weights is not None:
        model = load_from_path(options.weights, options)
    else:
        published = published_weights(family)
        model = load_from_hub(published.reference, options, sha256=published.sha256)
    if model.config.family != family:
        raise WeightsError(
            f"model {family!r}",
            found=f"weights of a model of the family {model.config.family!r}",
            fix=f"name the model {model.config.family} or give the weights as path:DIR",
        )
    return model
