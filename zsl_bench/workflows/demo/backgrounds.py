"""The demonstration's backgrounds: greyish textures, other ones for testing than for training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Plane = npt.NDArray[np.floating[Any]]
    Texture = Callable[[int, np.random.Generator], Plane]

_TINT = 16.0


def draw_background(part: str, side: int, rng: np.random.Generator) -> Plane:
    """Draw a background in low contrast and hardly any colour.

    Args:
        part: ``train`` for gradients, clouds and checks; ``test`` for stripes, dots and mosaics.
        side: Width and height in pixels.
        rng: Where the choices come from.

    Returns:
        ``(side, side, 3)`` float32 levels.
    """
    kinds = TEXTURES[part]
    texture = kinds[int(rng.integers(len(kinds)))](side, rng)
    level, contrast = rng.uniform(70, 185), rng.uniform(8, 34)
    tint = rng.uniform(-_TINT, _TINT, (2, 3))
    signed = texture[..., None] * 2 - 1
    ground = level + contrast * signed + tint[0] + tint[1] * signed
    levels: Plane = np.clip(ground, 0, 255).astype(np.float32)
    return levels


def _gradient(side: int, rng: np.random.Generator) -> Plane:
    x, _ = _rotated(side, rng)
    return _scaled(x)


def _clouds(side: int, rng: np.random.Generator) -> Plane:
    cells = int(rng.integers(3, 7))
    knots = rng.random((cells, cells))
    at = np.linspace(0, cells - 1, side)
    columns = np.stack([np.interp(at, np.arange(cells), row) for row in knots])
    both = np.stack([np.interp(at, np.arange(cells), column) for column in columns.T])
    return _scaled(both.T)


def _checks(side: int, rng: np.random.Generator) -> Plane:
    x, y = _rotated(side, rng)
    width = side * rng.uniform(0.09, 0.25)
    return ((x // width + y // width) % 2).astype(np.float32)


def _stripes(side: int, rng: np.random.Generator) -> Plane:
    x, _ = _rotated(side, rng)
    return _scaled(np.sin(x * (2 * np.pi / (side * rng.uniform(0.1, 0.25)))))


def _dots(side: int, rng: np.random.Generator) -> Plane:
    x, y = _rotated(side, rng)
    pitch = side * rng.uniform(0.12, 0.24)
    away = np.hypot(x % pitch - pitch / 2, y % pitch - pitch / 2)
    dots: Plane = np.clip(pitch * 0.3 - away + 0.5, 0, 1).astype(np.float32)
    return dots


def _mosaic(side: int, rng: np.random.Generator) -> Plane:
    seeds = rng.uniform(0, side, (12, 2))
    levels = rng.random(12)
    at = np.arange(side) + 0.5
    away = (at[None, :, None] - seeds[:, 0]) ** 2 + (at[:, None, None] - seeds[:, 1]) ** 2
    return _scaled(levels[away.argmin(axis=2)])


def _rotated(side: int, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return coordinates in pixels, turned by a random angle and shifted."""
    angle = rng.uniform(0, np.pi)
    at = np.arange(side) + 0.5
    x, y = np.meshgrid(at + rng.uniform(0, side), at + rng.uniform(0, side))
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _scaled(plane: Plane) -> Plane:
    low, high = plane.min(), plane.max()
    scaled: Plane = ((plane - low) / max(high - low, 1e-6)).astype(np.float32)
    return scaled


TEXTURES: dict[str, tuple[Texture, ...]] = {
    "train": (_gradient, _clouds, _checks),
    "test": (_stripes, _dots, _mosaic),
}
