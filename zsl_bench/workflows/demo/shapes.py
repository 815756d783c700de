"""The demonstration's shapes as small textures, drawn with numpy."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    Plane = npt.NDArray[np.floating[Any]]

TEXTURE = 48
_OVERSAMPLING = 8
_OUTLINE = 0.07


@lru_cache(maxsize=16)
def shape_texture(shape: str) -> Plane:
    """Draw a shape in the square from -1 to 1, upright.

    Args:
        shape: One of the demonstration's shapes.

    Returns:
        ``(2, TEXTURE, TEXTURE)`` float32 from 0 to 1: how much of a pixel the shape covers, and how
        much of it is filled with the colour, the rest being the dark outline.
    """
    side = TEXTURE * _OVERSAMPLING
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(axis, axis)
    whole = _DRAWERS[shape](x, y)
    inner = _eroded(whole, round(_OUTLINE * side / 2))
    inner &= ~_DETAILS.get(shape, _nothing)(x, y)
    texture = np.stack([_averaged(whole), _averaged(inner)])
    texture.setflags(write=False)
    return texture


def _fish(x: Plane, y: Plane) -> Mask:
    body = ((x - 0.22) / 0.7) ** 2 + (y / 0.5) ** 2 < 1
    tail = (x < -0.25) & (x > -0.95) & (abs(y) < 0.08 + (-0.25 - x) * 0.85)
    fin = _polygon(x, y, ((0.0, -0.35), (0.3, -0.4), (-0.15, -0.8)))
    return body | tail | fin


def _house(x: Plane, y: Plane) -> Mask:
    walls = (abs(x) < 0.68) & (y > -0.2) & (y < 0.88)
    roof = _polygon(x, y, ((0.0, -0.95), (0.95, -0.12), (-0.95, -0.12)))
    chimney = (x > 0.38) & (x < 0.62) & (y > -0.85) & (y < -0.2)
    return walls | roof | chimney


def _moon(x: Plane, y: Plane) -> Mask:
    return _disc(x + 0.12, y, 0.9) & ~_disc(x - 0.4, y, 0.78)


def _ring(x: Plane, y: Plane) -> Mask:
    band = _disc(x, y - 0.3, 0.64) & ~_disc(x, y - 0.3, 0.34)
    gem = _polygon(x, y, ((-0.2, -0.95), (0.2, -0.95), (0.42, -0.68), (0.0, -0.22), (-0.42, -0.68)))
    return band | gem


def _star(x: Plane, y: Plane) -> Mask:
    turns = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 0.4, 0.98)
    corners = np.stack([radii * np.sin(turns), -radii * np.cos(turns)], axis=1)
    return _polygon(x, y, corners.tolist())


def _tree(x: Plane, y: Plane) -> Mask:
    trunk = (abs(x) < 0.14) & (y > 0.4) & (y < 0.95)
    layers = ((-0.98, -0.3, 0.42), (-0.62, 0.15, 0.58), (-0.2, 0.6, 0.74))
    crown = np.zeros(x.shape, dtype=np.bool_)
    for top, bottom, half in layers:
        crown |= _polygon(x, y, ((0.0, top), (half, bottom), (-half, bottom)))
    return trunk | crown


_DRAWERS: dict[str, Callable[[Plane, Plane], Mask]] = {
    "fish": _fish,
    "house": _house,
    "moon": _moon,
    "ring": _ring,
    "star": _star,
    "tree": _tree,
}


def _eye(x: Plane, y: Plane) -> Mask:
    return _disc(x - 0.48, y + 0.12, 0.1)


def _door(x: Plane, y: Plane) -> Mask:
    return (abs(x) < 0.2) & (y > 0.25) & (y < 0.9)


def _nothing(x: Plane, y: Plane) -> Mask:
    return np.zeros(np.broadcast(x, y).shape, dtype=np.bool_)


_DETAILS: dict[str, Callable[[Plane, Plane], Mask]] = {"fish": _eye, "house": _door}


def _disc(x: Plane, y: Plane, radius: float) -> Mask:
    inside: Mask = x * x + y * y < radius * radius
    return inside


def _polygon(x: Plane, y: Plane, corners: Sequence[Sequence[float]]) -> Mask:
    """Tell which points lie inside, by counting the edges to the right of each."""
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _eroded(mask: Mask, by: int) -> Mask:
    """Take away what lies within ``by`` pixels of the edge, along the axes and diagonals."""
    inner = mask.copy()
    diagonal = round(by / np.sqrt(2))
    for rows, columns in ((by, 0), (0, by), (diagonal, diagonal), (diagonal, -diagonal)):
        for sign in (-1, 1):
            inner &= np.roll(mask, (sign * rows, sign * columns), axis=(0, 1))
    return inner


def _averaged(mask: Mask) -> Plane:
    cells = mask.reshape(TEXTURE, _OVERSAMPLING, TEXTURE, _OVERSAMPLING)
    averaged: Plane = cells.mean(axis=(1, 3), dtype=np.float32)
    return averaged
