"""Kinds of reference beside installed names, and whether what they need is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of reference.

    Attributes:
        spelling: How a reference of this kind is written.
        loads: What it loads.
        distribution: The package it needs; empty where it needs none.
        extra: The extra of this package that installs it; empty where it comes along.
    """

    spelling: str
    loads: str
    distribution: str = ""
    extra: str = ""

    @property
    def installed(self) -> str:
        """Version of the package it needs; empty where that is not installed."""
        if not self.distribution:
            return ""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return ""

    @property
    def state(self) -> str:
        """``ready``, with the package's version, or the line that installs it."""
        if not self.distribution:
            return "ready"
        if self.installed:
            return f"{self.distribution} {self.installed}"
        wanted = f"zsl-bench[{self.extra}]" if self.extra else self.distribution
        return f"pip install '{wanted}'"

    def to_json(self) -> dict[str, object]:
        """Return the row in a form that JSON holds."""
        ready = not self.distribution or bool(self.installed)
        return {
            "reference": self.spelling,
            "loads": self.loads,
            "ready": ready,
            "package": self.distribution,
            "version": self.installed,
            "install": "" if ready else self.state,
        }


FAMILIES: tuple[Family, ...] = (
    Family(
        spelling="transformers:ORG/REPO",
        loads="image-text, video-text and video models of transformers",
        distribution="transformers",
        extra="transformers",
    ),
    Family(
        spelling="open_clip:ARCH/TAG",
        loads="image-text models of open_clip",
        distribution="open-clip-torch",
        extra="open-clip",
    ),
    Family(
        spelling="mteb:NAME",
        loads="models of MTEB that embed videos or images, and text",
        distribution="mteb",
        extra="mteb",
    ),
    Family(
        spelling="torchvision:NAME/WEIGHTS",
        loads="torchvision's video classifiers, made zero-shot by ConSE",
        distribution="torchvision",
    ),
    Family(
        spelling="hub:ORG/REPO@REVISION",
        loads="a weights folder on the Hugging Face Hub",
        distribution="huggingface-hub",
    ),
    Family(spelling="path:FOLDER", loads="a weights folder, or a folder or file with model.py"),
    Family(spelling="py:PACKAGE.MODULE:LOAD", loads="any importable loader, class or model"),
)
"""Every kind of reference but the names of installed models."""
