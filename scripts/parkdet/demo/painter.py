"""Paints the objects of a frame and measures how much of each is visible.

Objects are painted from far to near, so that nearer ones cover farther ones, on a canvas ``FINE``
times the size, so that edges come out smooth. Masks tell which pixels each object covers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from parkdet.demo.camera import Camera
from parkdet.demo.light import Light
from parkdet.demo.placing import Placed, far_to_near
from parkdet.demo.solid import Model

FINE = 3  # canvas pixels along each side of an image pixel
LEAST_VISIBLE = 0.35  # share of an object's outline; below this, the object is left out
LEAST_SIDE = 12.0  # pixels at 640 wide; a smaller box is left out
_SHIFT = 3  # fractional bits of OpenCV's drawing coordinates
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 7)


@dataclass(frozen=True)
class Outline:
    """An object as the camera sees it: the pieces that face it, as canvas polygons, far to near."""

    polygons: list[np.ndarray]
    pieces: np.ndarray
    left: int
    top: int
    mask: np.ndarray

    def window(self, width: int, height: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where the mask lies on a canvas: rows and columns of the canvas and of the mask."""
        rows, columns = self.mask.shape
        x0, x1 = max(self.left, 0), min(self.left + columns, width)
        y0, y1 = max(self.top, 0), min(self.top + rows, height)
        x1, y1 = max(x0, x1), max(y0, y1)
        canvas = (slice(y0, y1), slice(x0, x1))
        own = (slice(y0 - self.top, y1 - self.top), slice(x0 - self.left, x1 - self.left))
        return canvas, own


@dataclass(frozen=True)
class Seen:
    """One object in the finished image: its label and its box (x, y, w, h) in image pixels."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Layer:
    """The objects of a frame before they are put over the backdrop.

    Attributes:
        colour: (height, width, 3) float32, multiplied by cover.
        cover: (height, width, 1) float32, 0 to 1.
    """

    colour: np.ndarray
    cover: np.ndarray


class Shown(NamedTuple):
    """An object to be painted."""

    item: Placed
    shape: Outline
    seen: Seen


def arrange(objects: Sequence[Placed], camera: Camera, known: dict[Placed, Outline]) -> list[Shown]:
    """What ``camera`` sees, from far to near; barely visible objects are left out.

    ``known`` keeps the outlines of objects between frames of the same camera.
    """
    fine = camera.scaled(FINE)
    ordered = far_to_near(objects, camera.position[:2])
    for item in ordered:
        if item not in known:
            known[item] = outline(item, fine)
    shapes = [known[item] for item in ordered]
    boxes = visible_boxes(shapes, fine.width, fine.height, LEAST_SIDE * camera.width / 640)
    return [
        Shown(item, shape, Seen(item.label, box))
        for item, shape, box in zip(ordered, shapes, boxes, strict=True)
        if box is not None
    ]


def paint_objects(shown: Sequence[Shown], camera: Camera, light: Light) -> Layer:
    """Paints objects, given from far to near."""
    fine = camera.scaled(FINE)
    colour = np.zeros((fine.height, fine.width, 3), dtype=np.uint8)
    cover = np.zeros((fine.height, fine.width), dtype=np.uint8)
    for item, shape, _ in shown:
        _paint(colour, cover, shape, _lit_colours(item, light))
    size = (camera.width, camera.height)
    small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return Layer(small, share[..., None])


def outline(item: Placed, camera: Camera) -> Outline:
    """The polygons of an object on the canvas of ``camera``, and its mask."""
    model = item.model
    world = item.to_world(model.points)
    pixels, depth = camera.project(world)
    first = world[model.starts[:-1]]
    facing = ((np.array(camera.position) - first) * item.turn(model.normals)).sum(axis=1) > 0
    chosen = np.array([k for k in _painting_order(model, depth) if facing[k] or model.radii[k]])
    polygons = [_polygon(model, k, pixels, depth, camera.focal) for k in chosen]
    corners = np.concatenate(polygons)
    left, top = np.floor(corners.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 2
    mask = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for polygon in polygons:
        _fill(mask, polygon - (left, top), 255)
    return Outline(polygons, chosen, int(left), int(top), mask)


def _painting_order(model: Model, depth: np.ndarray) -> np.ndarray:
    """Pieces by part, farthest part first; within a part, in the order they were added."""
    counts = np.diff(model.starts)
    per_part = np.bincount(np.repeat(model.parts, counts), weights=depth)
    corners = np.bincount(np.repeat(model.parts, counts))
    distance = per_part / np.maximum(corners, 1)
    return np.argsort(-distance[model.parts], kind="stable")


def _polygon(
    model: Model, piece: int, pixels: np.ndarray, depth: np.ndarray, focal: float
) -> np.ndarray:
    """A piece as a polygon (n, 2) of canvas pixels; a limb becomes one with round ends."""
    span = slice(model.starts[piece], model.starts[piece + 1])
    radii = model.radii[piece]
    if radii is None:
        return pixels[span]
    start, end = pixels[span]
    first, second = np.array(radii) * focal / depth[span]
    along = end - start
    angle = np.arctan2(along[1], along[0])
    far_arc = end + second * _unit(angle + _ARC)
    near_arc = start + first * _unit(angle + np.pi + _ARC)
    return np.concatenate((far_arc, near_arc))


def _unit(angles: np.ndarray) -> np.ndarray:
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


def _fill(canvas: np.ndarray, polygon: np.ndarray, colour: int | Sequence[float]) -> None:
    points = np.round((polygon - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [points], colour, cv2.LINE_8, _SHIFT)


def visible_boxes(
    outlines: Sequence[Outline], width: int, height: int, least_side: float
) -> list[tuple[float, float, float, float] | None]:
    """Boxes, in image pixels, of the visible parts of outlines given from far to near.

    None for an object of which less than ``LEAST_VISIBLE`` shows, or whose box has a side below
    ``least_side`` image pixels; such an object is not painted and so hides nothing.
    """
    covered = np.zeros((height, width), dtype=bool)
    boxes: list[tuple[float, float, float, float] | None] = []
    for shape in reversed(outlines):
        canvas, own = shape.window(width, height)
        mask = shape.mask[own] > 0
        visible = mask & ~covered[canvas]
        share = np.count_nonzero(visible) / max(np.count_nonzero(shape.mask), 1)
        box = _tight_box(visible, canvas) if share >= LEAST_VISIBLE else None
        if box is not None and min(box[2:]) < least_side:
            box = None
        if box is not None:
            covered[canvas] |= mask
        boxes.append(box)
    return boxes[::-1]


def _tight_box(
    visible: np.ndarray, canvas: tuple[slice, slice]
) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    y0, y1 = canvas[0].start + rows[0], canvas[0].start + rows[-1] + 1
    x0, x1 = canvas[1].start + columns[0], canvas[1].start + columns[-1] + 1
    x, y, w, h = (round(float(edge) / FINE, 1) for edge in (x0, y0, x1 - x0, y1 - y0))
    return x, y, w, h


def _lit_colours(item: Placed, light: Light) -> np.ndarray:
    """(k, 3) colours of a model's pieces in the light at its position, 0 to 255."""
    model = item.model
    factors = light.on_faces(item.turn(model.normals), np.array((item.x, item.y)))
    glow = model.glows[:, None]
    exposed = model.colours / 255 * (factors * (1 - glow) + 1.05 * glow)
    shoulder = 0.7 + 0.3 * np.tanh((exposed - 0.7) / 0.3)  # keeps shading in bright paint
    return 255 * np.where(exposed > 0.7, shoulder, exposed)


def _paint(colour: np.ndarray, cover: np.ndarray, shape: Outline, lit: np.ndarray) -> None:
    for polygon, piece in zip(shape.polygons, shape.pieces, strict=True):
        _fill(colour, polygon, lit[piece].tolist())
    height, width = cover.shape
    canvas, own = shape.window(width, height)
    np.maximum(cover[canvas], shape.mask[own], out=cover[canvas])
