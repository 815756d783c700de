"""Adapters against the libraries called directly.

Both sides hold the same weights, random ones. An adapter's ``embed_clips`` (``score`` for X-CLIP)
gets clips of uint8 levels, as the harness hands them over; the library's own call gets the same
frames, already normalised. So everything that an adapter does counts as overhead: normalising,
averaging frames, combining class vectors. One thing goes the other way: X-CLIP's own call encodes
the class texts every time, the adapter once; "X-CLIP, texts kept" takes that out.

One process; in every run the two sides take turns, and who begins alternates. On the CPU, one
thread, and seconds are CPU time; on a GPU they are wall time around a synchronisation. The overhead
is the median of the runs' ratios, with their range; that of the fastest calls says what is left of
it on a machine that does other things as well.

    python benchmarks/adapter_overhead.py [--runs 15] [--clips 1] [--device cpu] [--quick] [--json]

``--quick`` takes small networks and only compares the vectors. The exit code is 1 where they differ
or, otherwise, where an adapter's overhead exceeds its limit, a third above the goal of 3%.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch.nn.functional import normalize
from torchvision import models

from zsl_bench.classes import load_class_set
from zsl_bench.model import LoadOptions
from zsl_bench.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor
    from transformers import ImageProcessingMixin, PreTrainedModel

    from zsl_bench.model import ZeroShotModel

    Call = Callable[[Tensor], Tensor]

GOAL, LIMIT = 0.03, 0.04
TOLERANCE = 1e-4
CLASSES = load_class_set("hmdb51").select(["clap", "run", "walk", "wave"])
WORDS = ("a", "video", "of", ".", "clap", "run", "walk", "wave")
SPECIAL = {f"{name}_token": f"<{name}>" for name in ("pad", "bos", "eos", "unk")}
OPEN_CLIP = "ViT-S-32"
KINETICS = "mc3_18"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An adapter and the library's own call.

    Attributes:
        name: Name in the table.
        clip: Shape of a clip, frames first.
        adapter: Clips of levels to vectors or scores.
        direct: Normalised frames to what the library returns.
        normalise: Clips of levels to what ``direct`` takes.
        finish: What the library returns to the adapter's vectors, to compare them.
    """

    name: str
    clip: tuple[int, int, int, int]
    adapter: Call
    direct: Call
    normalise: Call
    finish: Call


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Size of the transformers networks."""

    side: int
    patch: int
    width: int
    layers: int

    @property
    def tower(self) -> dict[str, int]:
        """Return the fields that image and text towers share."""
        return {
            "hidden_size": self.width,
            "intermediate_size": 4 * self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.width // 16,
        }

    @property
    def vision(self) -> dict[str, int]:
        """Return the fields of an image tower."""
        return {**self.tower, "image_size": self.side, "patch_size": self.patch}


MEDIUM = Scale(side=224, patch=16, width=384, layers=4)
SMALL = Scale(side=32, patch=8, width=32, layers=2)


def square(scale: Scale) -> dict[str, int]:
    """Return the shape of a frame as processors have it."""
    return {"height": scale.side, "width": scale.side}


def text_fields(scale: Scale, length: int) -> dict[str, int]:
    """Return the fields of a text tower whose vocabulary is that of ``save_parts``."""
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return {**scale.tower, **special, "vocab_size": 16, "max_position_embeddings": length}


def save_parts(
    folder: Path, network: PreTrainedModel, processor: ImageProcessingMixin, length: int
) -> Path:
    """Save a network with its processor and a tokeniser of words."""
    vocabulary = {word: i for i, word in enumerate([*SPECIAL.values(), *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=length, **SPECIAL
    ).save_pretrained(folder)
    return folder


def normaliser(mean: Sequence[float], std: Sequence[float]) -> Call:
    """Return a function from levels ``(..., 3, S, S)`` to what the network wants."""
    shift, scale = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    return lambda clips: (clips.float() / 255 - shift.to(clips.device)) / scale.to(clips.device)


def frame_case(name: str, model: ZeroShotModel, direct: Call, scale: Call) -> Case:
    """Make the case of an image-text model; frames are flattened before the library's call."""
    spec = model.card.clip
    return Case(
        name=name,
        clip=(spec.frames, 3, spec.size, spec.size),
        adapter=model.embed_clips,
        direct=direct,
        normalise=lambda clips: scale(clips.flatten(0, 1)),
        finish=lambda each: normalize(each, dim=-1).unflatten(0, (-1, spec.frames)).mean(dim=1),
    )


def clip_case(folder: Path, scale: Scale, device: str) -> Case:
    """CLIP of transformers."""
    config = transformers.CLIPConfig(
        text_config=text_fields(scale, 77), vision_config=scale.vision, projection_dim=scale.width
    )
    processor = transformers.CLIPImageProcessor(size=square(scale), crop_size=square(scale))
    place = save_parts(folder / "clip", transformers.CLIPModel(config), processor, 77)
    return transformers_case("CLIP", place, processor, device)


def siglip_case(folder: Path, scale: Scale, device: str) -> Case:
    """SigLIP of transformers."""
    config = transformers.SiglipConfig(
        text_config={**text_fields(scale, 64), "projection_size": scale.width},
        vision_config=scale.vision,
    )
    processor = transformers.SiglipImageProcessor(size=square(scale))
    place = save_parts(folder / "siglip", transformers.SiglipModel(config), processor, 64)
    return transformers_case("SigLIP", place, processor, device)


def transformers_case(name: str, place: Path, processor: ImageProcessingMixin, device: str) -> Case:
    """Make the case of a saved image-text model of transformers."""
    model: Any = load_model(f"transformers:{place}", options=LoadOptions(device=device))
    network = transformers.AutoModel.from_pretrained(place).eval().to(device)

    def direct(pixels: Tensor) -> Tensor:
        vectors: Tensor = network.get_image_features(pixel_values=pixels).pooler_output
        return vectors

    return frame_case(name, model, direct, normaliser(processor.image_mean, processor.image_std))


def open_clip_case(folder: Path, device: str) -> Case:
    """open_clip's ViT-S-32, from a file."""
    network = open_clip.create_model(OPEN_CLIP, pretrained=None, device=device).eval()
    file = folder / "open_clip.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, file)
    options = LoadOptions(weights=file, device=device)
    model: Any = load_model(f"open_clip:{OPEN_CLIP}", options=options)
    stated = open_clip.get_model_preprocess_cfg(network)
    scale = normaliser(stated["mean"], stated["std"])
    return frame_case("open_clip", model, network.encode_image, scale)


def x_clip_cases(folder: Path, scale: Scale, device: str) -> list[Case]:
    """X-CLIP of transformers, with the class texts encoded in every call and without."""
    vision = {
        **scale.vision,
        "num_frames": 8,
        "mit_hidden_size": scale.width,
        "mit_intermediate_size": 4 * scale.width,
        "mit_num_attention_heads": scale.width // 16,
    }
    config = transformers.XCLIPConfig(
        text_config=text_fields(scale, 77),
        vision_config=vision,
        projection_dim=scale.width,
        prompt_num_attention_heads=scale.width // 16,
    )
    processor = transformers.VideoMAEImageProcessor(size=square(scale), crop_size=square(scale))
    place = save_parts(folder / "xclip", transformers.XCLIPModel(config), processor, 77)
    model: Any = load_model(f"transformers:{place}", options=LoadOptions(device=device))
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    texts = [f"a video of {label}." for label in CLASSES.labels]
    tokens = tokenizer(texts, padding=True, return_tensors="pt").to(device)
    given = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    whole = transformers.AutoModel.from_pretrained(place).eval().to(device)
    without_texts = transformers.AutoModel.from_pretrained(place).eval().to(device)
    with torch.no_grad():
        without_texts.text_model = Kept(without_texts.text_model(**given))

    def call(network: PreTrainedModel) -> Call:
        return lambda pixels: network(pixel_values=pixels, **given).logits_per_video

    return [
        Case(
            name=name,
            clip=(8, 3, scale.side, scale.side),
            adapter=lambda clips: model.score(clips, CLASSES),
            direct=call(network),
            normalise=normaliser(processor.image_mean, processor.image_std),
            finish=lambda logits: logits,
        )
        for name, network in (("X-CLIP", whole), ("X-CLIP, texts kept", without_texts))
    ]


class Kept(torch.nn.Module):
    """A text tower that returns what it returned before."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, **_: object) -> object:
        """Return the kept output, whatever comes in."""
        return self.output


def torchvision_case(folder: Path, frames: int, device: str) -> Case:
    """A video classifier of torchvision through ConSE, from a file."""
    network = models.get_model(KINETICS, weights=None).eval().to(device)
    file = folder / "classifier.pth"
    torch.save(network.state_dict(), file)
    options = LoadOptions(
        weights=file, device=device, allow_approximate=True, settings={"frames": str(frames)}
    )
    model: Any = load_model(f"torchvision:{KINETICS}", options=options)
    transform = models.get_model_weights(KINETICS).DEFAULT.transforms()
    scale = normaliser(transform.mean, transform.std)
    table = model.embed_classes(load_class_set("kinetics400"))

    def combine(logits: Tensor) -> Tensor:
        probabilities = logits.softmax(dim=-1)
        tenth = probabilities.sort(dim=-1, descending=True).values[:, 9:10]
        weights = torch.where(probabilities >= tenth, probabilities, 0)
        return weights / weights.sum(dim=-1, keepdim=True) @ table

    return Case(
        name="torchvision, ConSE",
        clip=(frames, 3, model.card.clip.size, model.card.clip.size),
        adapter=model.embed_clips,
        direct=network,
        normalise=lambda clips: scale(clips).transpose(1, 2),
        finish=combine,
    )


def all_cases(folder: Path, arguments: argparse.Namespace) -> list[Case]:
    """Make every case."""
    scale, device = SMALL if arguments.quick else MEDIUM, arguments.device
    return [
        clip_case(folder, scale, device),
        siglip_case(folder, scale, device),
        *x_clip_cases(folder, scale, device),
        open_clip_case(folder, device),
        torchvision_case(folder, 2 if arguments.quick else 16, device),
    ]


def seconds(call: Call, given: Tensor) -> float:
    """Time one call: CPU time on the CPU, wall time on a GPU."""
    clock = time.perf_counter if given.is_cuda else time.process_time
    wait = torch.cuda.synchronize if given.is_cuda else (lambda: None)
    wait()
    started = clock()
    call(given)
    wait()
    return clock() - started


def compare(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare the vectors and, unless in a hurry, the time of both sides."""
    shape = (arguments.clips, *case.clip)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8).to(arguments.device)
    pixels = case.normalise(clips).contiguous()
    with torch.inference_mode():
        ours, theirs = case.adapter(clips), case.finish(case.direct(pixels))
        difference = float((ours - theirs).abs().max() / theirs.abs().max())
        row: dict[str, Any] = {"adapter": case.name, "difference": difference}
        row["agree"] = difference <= TOLERANCE
        return row if arguments.quick else {**row, **measure(case, clips, pixels, arguments.runs)}


def measure(case: Case, clips: Tensor, pixels: Tensor, runs: int) -> dict[str, Any]:
    """Time both sides, which take turns."""
    sides = {"adapter": (case.adapter, clips), "library": (case.direct, pixels)}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for run in range(runs):
        for side in sorted(sides, reverse=bool(run % 2)):
            times[side].append(seconds(*sides[side]))
    ratios = [a / b for a, b in zip(times["adapter"], times["library"], strict=True)]
    typical = {side: statistics.median(each) for side, each in times.items()}
    overhead = statistics.median(ratios) - 1
    return {
        "adapter_s": round(typical["adapter"], 5),
        "library_s": round(typical["library"], 5),
        "overhead": round(overhead, 4),
        "lowest": round(min(ratios) - 1, 4),
        "highest": round(max(ratios) - 1, 4),
        "fastest": round(min(times["adapter"]) / min(times["library"]) - 1, 4),
        "clips_per_s": round(len(clips) / typical["adapter"], 2),
        "within_limit": overhead <= LIMIT,
    }


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    line = f"{row['adapter']:20} differs by {row['difference']:.1e}"
    if "overhead" in row:
        spread = f"({100 * row['lowest']:+.1f} to {100 * row['highest']:+.1f})"
        line += f"  {row['adapter_s']:8.4f} s  library {row['library_s']:8.4f} s"
        line += f"  overhead {100 * row['overhead']:+5.1f}% {spread}"
        line += f", of the fastest calls {100 * row['fastest']:+.1f}%"
        line += f", {row['clips_per_s']:.2f} clips/s"
    print(line + ("" if row.get("within_limit", True) else "  ABOVE THE LIMIT"))


def benchmark(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Make and compare every case; the random state is the benchmark's own."""
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    try:
        return [compare(case, arguments) for case in all_cases(folder, arguments)]
    finally:
        torch.set_num_threads(threads)


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        rows = benchmark(arguments, Path(folder))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            show(row)
    return 0 if all(row["agree"] and row.get("within_limit", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
