"""The demonstration's scenes: one coloured shape that moves in front of a background."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsl_bench.workflows.demo.backgrounds import draw_background
from zsl_bench.workflows.demo.classes import COLOURS
from zsl_bench.workflows.demo.shapes import TEXTURE, shape_texture

if TYPE_CHECKING:
    import numpy.typing as npt

    from zsl_bench.workflows.demo.classes import DemoClass

    Plane = npt.NDArray[np.floating[Any]]

Part = Literal["train", "test"]

_OUTLINE_LIGHT = 0.32
_COLOUR_SPREAD = 14.0
_GRAIN = {"train": (0.0, 8.0), "test": (9.0, 14.0)}


@dataclass(frozen=True, kw_only=True)
class SceneSize:
    """How large and long the videos are.

    Attributes:
        frames: Frames of a video.
        side: Width and height, in pixels.
    """

    frames: int = 20
    side: int = 72


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pose:
    """Where the shape is in every frame; every field has shape (T,)."""

    x: Plane
    y: Plane
    angle: Plane
    wide: Plane
    high: Plane


def render_scene(
    one: DemoClass, part: Part, index: int, *, seed: int, size: SceneSize
) -> npt.NDArray[np.uint8]:
    """Draw one video; the pixels depend on nothing but the arguments.

    Args:
        one: What to show.
        part: ``test`` scenes have other backgrounds and coarser grain than ``train`` scenes.
        index: Number of the video within its class.
        seed: Seed of the data set.
        size: Length and size.

    Returns:
        ``(T, S, S, 3)`` uint8, RGB.
    """
    key = hashlib.sha256(f"{seed}/{part}/{one.name}/{index}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(key, np.uint32))
    ground = draw_background(part, size.side, rng)
    pose, mirrored = _pose(one.motion, size, rng), bool(rng.random() < 0.5)
    cover, fill = _shape_planes(one.shape, pose, size.side, mirrored=mirrored)
    jitter = rng.uniform(-_COLOUR_SPREAD, _COLOUR_SPREAD, 3)
    colour = np.clip(np.array(COLOURS[one.colour]) + jitter, 0, 255).astype(np.float32)
    light = np.linspace(1.08, 0.9, size.side, dtype=np.float32)[None, :, None]
    shade = (_OUTLINE_LIGHT + (1 - _OUTLINE_LIGHT) * fill) * light
    video = ground * (1 - cover)[..., None] + (cover * shade)[..., None] * colour
    low, high = _GRAIN[part]
    video += (
        rng.uniform(low, high) * rng.standard_normal(video.shape[:3], dtype=np.float32)[..., None]
    )
    return np.clip(video + 0.5, 0, 255).astype(np.uint8)


def _pose(motion: str, size: SceneSize, rng: np.random.Generator) -> _Pose:
    """Draw a trajectory; lengths are in pixels, angles in radians."""
    side, steps = float(size.side), np.arange(size.frames, dtype=np.float32)
    radius = side * rng.uniform(0.24, 0.33)
    centre = side * rng.uniform(0.4, 0.6, 2)
    tilt, phase, sign = rng.uniform(-0.25, 0.25), rng.random(), rng.choice((-1.0, 1.0))
    pace, extent = rng.random(), rng.random()
    x, y = np.full_like(steps, centre[0]), np.full_like(steps, centre[1])
    angle, wide, high = np.full_like(steps, tilt), np.ones_like(steps), np.ones_like(steps)
    if motion == "falling":
        y = y + side * ((0.055 + 0.035 * pace) * steps + phase)
    elif motion == "flying":
        x = x + side * sign * ((0.055 + 0.035 * pace) * steps + phase)
    elif motion == "rocking":
        angle = (0.5 + 0.25 * extent) * np.sin(2 * np.pi * (steps / (7 + 3 * pace) + phase))
        x, y = x + radius * np.sin(angle), y + radius * (1 - np.cos(angle))
    elif motion == "shaking":
        x = x + side * (0.07 + 0.04 * extent) * np.sin(
            2 * np.pi * (steps / (3.4 + 1.2 * pace) + phase)
        )
    elif motion == "spinning":
        angle = sign * ((0.3 + 0.2 * pace) * steps + 2 * np.pi * phase)
    else:
        wave = np.sin(2 * np.pi * (steps / (7 + 3 * pace) + phase))
        high, wide = 1 + (0.4 + 0.15 * extent) * wave, 1 - (0.2 + 0.1 * extent) * wave
    return _Pose(x=x, y=y, angle=angle, wide=radius * wide, high=radius * high)


def _shape_planes(shape: str, pose: _Pose, side: int, *, mirrored: bool) -> tuple[Plane, Plane]:
    """Return cover and fill of every pixel, each ``(T, S, S)``; what leaves comes in again."""
    pixels = np.arange(side, dtype=np.float32) + 0.5
    period = 1.2 * side
    dx = _wrapped(pixels[None, None, :] - pose.x[:, None, None], period)
    dy = _wrapped(pixels[None, :, None] - pose.y[:, None, None], period)
    cos, sin = (f(pose.angle)[:, None, None] for f in (np.cos, np.sin))
    u = (cos * dx + sin * dy) / pose.wide[:, None, None]
    v = (cos * dy - sin * dx) / pose.high[:, None, None]
    columns = ((-u if mirrored else u) + 1) * (TEXTURE / 2) - 0.5
    rows = (v + 1) * (TEXTURE / 2) - 0.5
    return _sampled(shape_texture(shape), rows, columns)


def _wrapped(offset: Plane, period: float) -> Plane:
    wrapped: Plane = (offset + period / 2) % period - period / 2
    return wrapped.astype(np.float32)


def _sampled(texture: Plane, rows: Plane, columns: Plane) -> tuple[Plane, Plane]:
    """Look a texture up bilinearly; outside it is empty."""
    planes = np.zeros((2, *rows.shape), dtype=np.float32)
    inside = (rows > -1) & (rows < TEXTURE) & (columns > -1) & (columns < TEXTURE)
    r, c = rows[inside], columns[inside]
    top, left = np.floor(r), np.floor(c)
    down, right = r - top, c - left
    i, j = top.astype(np.intp) + 1, left.astype(np.intp) + 1
    padded = np.pad(texture, ((0, 0), (1, 1), (1, 1)))
    planes[:, inside] = (
        padded[:, i, j] * ((1 - down) * (1 - right))
        + padded[:, i, j + 1] * ((1 - down) * right)
        + padded[:, i + 1, j] * (down * (1 - right))
        + padded[:, i + 1, j + 1] * (down * right)
    )
    return planes[0], planes[1]
