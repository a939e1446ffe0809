"""Objects on the ground: their poses, whether two collide, and which hides which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkdet.demo.solid import Model


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the ground: its centre, heading (radians from x to y), length and width."""

    x: float
    y: float
    heading: float
    length: float
    width: float

    def corners(self) -> np.ndarray:
        """(4, 2) corners in metres."""
        signs = np.array(((1, 1), (1, -1), (-1, -1), (-1, 1))) / 2
        return rotate(signs * (self.length, self.width), self.heading) + np.array((self.x, self.y))

    def local(self, points: np.ndarray) -> np.ndarray:
        """Ground points (n, 2) in the rectangle's own axes, in half lengths and half widths."""
        turned = rotate(np.asarray(points) - (self.x, self.y), -self.heading)
        return turned * 2 / (self.length, self.width)


def rotate(points: np.ndarray, angle: float) -> np.ndarray:
    """Points (n, 2) rotated about the origin."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return points @ np.array(((cosine, sine), (-sine, cosine)))


@dataclass(frozen=True, eq=False)
class Placed:
    """An object of a class (``label``) at a place on the ground."""

    label: str
    model: Model
    x: float
    y: float
    heading: float
    lit: bool = False

    @property
    def footprint(self) -> Footprint:
        """The ground rectangle it stands on."""
        return Footprint(self.x, self.y, self.heading, *self.model.size)

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """Directions (n, 3) from the model's axes to the world's."""
        return np.concatenate((rotate(vectors[:, :2], self.heading), vectors[:, 2:]), axis=1)

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the model in the world, metres."""
        return self.turn(points) + np.array((self.x, self.y, 0))


def apart(first: Footprint, second: Footprint, margin: float = 0.0) -> bool:
    """Whether two rectangles are ``margin`` metres apart along an axis of one of them."""
    return _beyond(first, second, margin) is not None or _beyond(second, first, margin) is not None


def _beyond(base: Footprint, other: Footprint, margin: float = 0.0) -> tuple[int, int] | None:
    """Axis (0, 1) and sign (1, -1) of a side of ``base`` beyond which all of ``other`` lies."""
    corners = base.local(other.corners())
    for axis, side in ((0, base.length), (1, base.width)):
        limit = 1 + 2 * margin / side - 1e-6
        if (corners[:, axis] >= limit).all():
            return axis, 1
        if (corners[:, axis] <= -limit).all():
            return axis, -1
    return None


def hides(front: Footprint, back: Footprint, eye: Sequence[float]) -> bool:
    """Whether ``front`` can hide a part of ``back`` from a camera above ``eye`` (x, y).

    A line along a side of one rectangle that separates the two decides: the rectangle on the
    camera's side of it is in front. Overlapping rectangles are compared by distance.
    """
    for base, other in ((front, back), (back, front)):
        side = _beyond(base, other)
        if side is not None:
            axis, sign = side
            eye_beyond = sign * base.local(np.array([eye]))[0, axis] >= 1
            return bool(eye_beyond) == (other is front)
    return _distance(front, eye) < _distance(back, eye)


def _distance(footprint: Footprint, eye: Sequence[float]) -> float:
    return float(np.hypot(footprint.x - eye[0], footprint.y - eye[1]))


def far_to_near(objects: Sequence[Placed], eye: Sequence[float]) -> list[Placed]:
    """Objects in painting order for a camera above ``eye`` (x, y)."""
    left = sorted(objects, key=lambda item: -_distance(item.footprint, eye))
    prints = {id(item): item.footprint for item in left}
    ordered = []
    while left:
        free = (
            item
            for item in left
            if not any(
                hides(prints[id(item)], prints[id(other)], eye)
                for other in left
                if other is not item
            )
        )
        item = next(free, left[0])  # a cycle of objects is broken at the farthest one
        left.remove(item)
        ordered.append(item)
    return ordered
