"""torchvision's video classifiers, made zero-shot by ConSE.

Clips follow torchvision's own preprocessing, and the policy follows the evaluation that its
documentation reports for the weights: so many clips of so many frames, at the frame rate that it
names. A policy counts frames, so the distance between two frames of a clip is right for videos of
30 frames a second.

One thing differs. The networks r3d_18, mc3_18 and r2plus1d_18 are evaluated on frames squeezed or
stretched to 128 x 171 before the 112 x 112 crop; here the short side becomes 128 and the shape
stays as it is. For a frame of 4:3 that is at most one column; a frame of 16:9 is squeezed by a
quarter there, and is not here.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import torch
from torch import nn

from zsl_bench.adapters.common import PixelScale, find_frames
from zsl_bench.adapters.conse import CONSE_SETTINGS, Classifier, conse_model
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError, WeightsError, near_matches
from zsl_bench.files import sha256_file
from zsl_bench.model import ModelCard, check_settings
from zsl_bench.state_files import read_pickle, read_tensors
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from zsl_bench.adapters.conse import ConseModel
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import LoadOptions, TrainingData

_RATE = 30
_TAG = "DEFAULT"
_IMAGENET = "ImageNet-1K"
_CITATION = (
    "Norouzi et al., Zero-Shot Learning by Convex Combination of Semantic Embeddings, ICLR 2014"
)


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """How torchvision's documentation says that the accuracy of the weights was measured."""

    clips: int
    frames: int
    rate: float


_RESNET = _Evaluation(clips=5, frames=16, rate=15)
_MVIT = _Evaluation(clips=5, frames=16, rate=7.5)
_SWIN = _Evaluation(clips=12, frames=32, rate=15)
_EVALUATIONS = {
    "mc3_18": _RESNET,
    "mvit_v1_b": _MVIT,
    "mvit_v2_s": _MVIT,
    "r2plus1d_18": _RESNET,
    "r3d_18": _RESNET,
    "s3d": _Evaluation(clips=1, frames=128, rate=15),
    "swin3d_b": _SWIN,
    "swin3d_s": _SWIN,
    "swin3d_t": _SWIN,
}
_FIXED_FRAMES = ("mvit_v1_b", "mvit_v2_s")
_SCRATCH_RECIPE = (
    "torchvision/models/video/README.md has the whole training command: no pretraining"
)
_SWIN_TABLE = "README of SwinTransformer/Video-Swin-Transformer, column Pretrain"
PRETRAINING: dict[str, tuple[str, str]] = {
    "R3D_18_Weights.KINETICS400_V1": ("", _SCRATCH_RECIPE),
    "MC3_18_Weights.KINETICS400_V1": ("", _SCRATCH_RECIPE),
    "R2Plus1D_18_Weights.KINETICS400_V1": ("", _SCRATCH_RECIPE),
    "MViT_V2_S_Weights.KINETICS400_V1": (
        "",
        "projects/mvitv2/README.md of facebookresearch/SlowFast: from scratch",
    ),
    "Swin3D_T_Weights.KINETICS400_V1": (_IMAGENET, _SWIN_TABLE),
    "Swin3D_S_Weights.KINETICS400_V1": (_IMAGENET, _SWIN_TABLE),
    "Swin3D_B_Weights.KINETICS400_V1": (_IMAGENET, _SWIN_TABLE),
}
"""What the weights saw before Kinetics-400, nothing or a data set, and where that is stated.

Weights that are not here are undeclared: nothing stated was found for S3D and MViT-V1-B, and the
classes of ImageNet-22K, which Swin3D-B's other weights saw, do not come with torchvision.
"""


class VideoClassifier(nn.Module):
    """A torchvision network that takes clips as this package hands them over.

    Args:
        network: The network, ``(B, 3, T, H, W)`` normalised to logits ``(B, K)``.
        mean: Mean of the three colours, of levels from 0 to 1.
        std: Their deviation.
        crop: Side of the centre crop of clips that come uncropped, in pixels; None for no crop.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        crop: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.crop = crop
        self._scale = PixelScale(mean, std)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits ``(B, K)`` of clips ``(B, T, 3, H, W)``, RGB levels 0 to 255."""
        if self.crop is not None:
            margin = round((clips.shape[-1] - self.crop) / 2)
            kept = slice(margin, margin + self.crop)
            clips = clips[..., kept, kept]
        logits: Tensor = self.network(self._scale(clips).transpose(1, 2))
        return logits

    @property
    def last_layer(self) -> nn.Linear | None:
        """The linear layer that makes the logits; None where another kind of layer does."""
        linear = [layer for layer in self.network.modules() if isinstance(layer, nn.Linear)]
        return linear[-1] if linear else None

    def features(self, clips: Tensor) -> Tensor:
        """Return what the last layer is handed, ``(B, F)``, of clips as for the logits.

        Raises:
            ModelError: The logits come from no linear layer.
        """
        layer = self.last_layer
        if layer is None:
            raise ModelError(
                "features of a video classifier",
                found="logits that come from no linear layer",
                fix="choose another network",
            )
        handed: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, inputs: handed.append(inputs[0]))
        try:
            self(clips)
        finally:
            hook.remove()
        return handed[0]


def load(name: str, options: LoadOptions) -> ConseModel:
    """Load a video classifier of torchvision as a zero-shot model.

    Settings: ``frames``, how many a clip has; and those of
    :func:`zsl_bench.adapters.conse.conse_model`.

    Args:
        name: A network and its weights, such as ``r2plus1d_18/KINETICS400_V1``; without the second
            part, torchvision's default weights.
        options: What the loader is told. ``weights`` is a file with the network's tensors
            (``.safetensors``, or a PyTorch file with a plain state dict), which is then not
            downloaded; unless it is the very file that torchvision publishes, what it was trained
            on is undeclared.

    Raises:
        ModelError: There is no such network, weights or setting.
        WeightsError: The weights cannot be fetched, or are not of this network.
        WordVectorError: A training class has a word without a vector and that is not allowed.
    """
    asked = f"model 'torchvision:{name}'"
    check_settings(options, (*CONSE_SETTINGS, "frames"), asked)
    network_name, weights = find_weights(name, asked=asked)
    frames = _frames(network_name, weights, options, asked)
    spec, crop = clip_spec(weights, frames=frames)
    file = options.weights or _fetch(weights, asked)
    published = _is_published(file, weights)
    if not (published or options.weights):
        fix = f"remove {file.name} from the folder checkpoints in torch.hub.get_dir()"
        raise WeightsError(asked, found="a damaged file in torch's cache", fix=fix)
    classes = weight_classes(weights)
    network = _build(network_name, file, classes=classes, asked=asked)
    transform = weights.transforms()
    wrapped = VideoClassifier(network, mean=transform.mean, std=transform.std, crop=crop)
    card = ModelCard(
        name=f"torchvision-{network_name}-{weights.name}-conse",
        clip=spec,
        policy=default_policy(network_name, frames),
        trained_on=(classes,) if published else None,
        pretrained_on=seen_before(weights) if published else None,
        licence="unknown",
        citation=_CITATION,
        description=f"torchvision's {network_name} with weights {weights.name}, by ConSE",
    )
    source = f"torchvision:{network_name}/{weights.name}" if published else str(options.weights)
    classifier = Classifier(
        network=wrapped,
        logits=wrapped,
        classes=classes,
        source=source,
        features=None if wrapped.last_layer is None else wrapped.features,
    )
    return conse_model(classifier, card=card, options=options, asked=asked)


def find_weights(name: str, *, asked: str) -> tuple[str, Any]:
    """Return the network and the member of torchvision's weights enum that a name stands for.

    Args:
        name: Such as ``r2plus1d_18/KINETICS400_V1`` or ``mvit_v2_s``.
        asked: What is being loaded, for the message.

    Raises:
        ModelError: There is none of that name.
    """
    from torchvision import models

    network, _, tag = name.partition("/")
    known = models.list_models(module=models.video)
    if network not in known:
        fix = near_matches(network, known)
        raise ModelError(asked, found=f"no video network {network!r} in torchvision", fix=fix)
    members = models.get_model_weights(network).__members__
    if (tag or _TAG) not in members:
        fix = near_matches(tag, members)
        raise ModelError(asked, found=f"no weights {tag!r} of {network}", fix=fix)
    return network, members[tag or _TAG]


def clip_spec(weights: Any, *, frames: int) -> tuple[ClipSpec, int | None]:  # noqa: ANN401
    """Return what torchvision's preprocessing of some weights is as a clip spec.

    Args:
        weights: A member of a weights enum.
        frames: Frames in a clip.

    Returns:
        The spec; and the side of the centre crop that the network still has to make, in pixels,
        where frames become a square larger than the crop whatever their shape.
    """
    transform = weights.transforms()
    height, *rest = transform.resize_size
    side = transform.crop_size[0]
    interpolation = transform.interpolation.value
    if rest == [height]:
        spec = ClipSpec(
            frames=frames,
            size=height,
            short_side=height,
            resize="exact",
            interpolation=interpolation,
            crop="squash",
        )
        return spec, side
    spec = ClipSpec(
        frames=frames, size=side, short_side=height, resize="exact", interpolation=interpolation
    )
    return spec, None


def default_policy(network: str, frames: int) -> str:
    """Return the clip policy of a network's documented evaluation, for clips of some frames."""
    evaluation = _EVALUATIONS.get(network, _RESNET)
    return f"paper-{evaluation.clips}x{frames}s{round(_RATE / evaluation.rate)}"


def weight_classes(weights: Any) -> ClassSet:  # noqa: ANN401
    """Return the classes of some weights in the order of the logits.

    They are Kinetics-400's, under its official names, where all of them are.
    """
    kinetics = load_class_set("kinetics400")
    categories = [str(category) for category in weights.meta["categories"]]
    found = [kinetics.find(category) for category in categories]
    official = [name for name in found if name is not None]
    if len(official) == len(categories):
        return kinetics.select(official)
    return class_set_from_names(categories, dataset=str(weights), source="torchvision")


def seen_before(weights: Any) -> TrainingData:  # noqa: ANN401
    """Return what some weights saw before Kinetics-400, where :data:`PRETRAINING` has it."""
    stated = PRETRAINING.get(str(weights))
    if stated is None:
        return None
    if stated[0] != _IMAGENET:
        return ()
    from torchvision.models import ResNet18_Weights

    names = dict.fromkeys(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
    return (class_set_from_names(names, dataset=_IMAGENET, source="torchvision"),)


def _frames(network: str, weights: Any, options: LoadOptions, asked: str) -> int:  # noqa: ANN401
    default = _EVALUATIONS.get(network, _RESNET).frames
    frames = find_frames(options, default=default, asked=asked)
    least = weights.meta.get("min_temporal_size", 1)
    if network in _FIXED_FRAMES and frames != default:
        found = f"a network for {default} frames"
        raise ModelError(f"{asked}, frames={frames}", found=found, fix="leave frames out")
    if frames < least:
        raise ModelError(
            f"{asked}, frames={frames}",
            found=f"a network for {least} frames or more",
            fix=f"give at least {least}",
        )
    return frames


def _fetch(weights: Any, asked: str) -> Path:  # noqa: ANN401
    """Return torchvision's file in torch's cache, downloaded and verified where it is missing."""
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(weights.url).path).name)
    if file.exists():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(file), _digest_of(weights), progress=False)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise WeightsError(
            asked,
            found=f"its weights do not download ({str(error).splitlines()[0][:160]})",
            fix=f"download {weights.url} elsewhere and give it as --weights FILE",
        ) from error
    return file


def _digest_of(weights: Any) -> str:  # noqa: ANN401
    """Return the beginning of the file's SHA-256, which torch puts at the end of its name."""
    return Path(urlsplit(weights.url).path).stem.rpartition("-")[2]


def _is_published(file: Path, weights: Any) -> bool:  # noqa: ANN401
    return file.is_file() and sha256_file(file).startswith(_digest_of(weights))


def _build(name: str, file: Path, *, classes: ClassSet, asked: str) -> nn.Module:
    from torchvision import models

    state = read_tensors(file)[0] if file.suffix == ".safetensors" else read_pickle(file)
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = models.get_model(name, weights=None, num_classes=len(classes))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise WeightsError(
            f"{asked}, weights {file}",
            found=f"tensors of another network: {' '.join(lines[1:2])[:200]}",
            fix=f"give the tensors of {name} with {len(classes)} classes",
        ) from error
    return network
