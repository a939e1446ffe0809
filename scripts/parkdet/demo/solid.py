"""Simple solids made of flat faces and round limbs, in metres; all models consist of them.

A solid's own axes: x forward, y to the left, z up; the origin is on the ground below its centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""


class Piece(NamedTuple):
    """One thing to paint: a face (three points or more) or a limb (two points and two radii)."""

    points: np.ndarray
    normal: np.ndarray
    colour: Colour
    glow: float
    radii: tuple[float, float] | None
    part: int


@dataclass(frozen=True, eq=False)
class Model:
    """A finished solid, with its pieces as flat arrays.

    Attributes:
        points: (n, 3) corners of all pieces, one piece after another.
        starts: (k + 1,) where the corners of each of the k pieces begin.
        normals: (k, 3) outward; 0 for limbs, which are never culled.
        colours: (k, 3) under white light, 0 to 255.
        glows: (k,) 1 for a lamp that is on, which shines in any light.
        radii: for each piece, the two radii of a limb in metres, or None.
        parts: (k,) the part of each piece; parts are painted from far to near.
        size: (length, width) of the rectangle on the ground that the solid needs, metres.
    """

    points: np.ndarray
    starts: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    glows: np.ndarray
    radii: tuple[tuple[float, float] | None, ...]
    parts: np.ndarray
    size: tuple[float, float]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or lighter (up to 255)."""
    red, green, blue = (min(255.0, channel * factor) for channel in colour)
    return red, green, blue


def _normal(corners: np.ndarray) -> np.ndarray:
    """Unit normal (3,) of a polygon (n, 3): the sum over its fan of triangles."""
    fan = corners[1:] - corners[0]
    (x0, y0, z0), (x1, y1, z1) = fan[:-1].T, fan[1:].T
    normal = np.array(
        (
            (y0 * z1 - z0 * y1).sum(),
            (z0 * x1 - x0 * z1).sum(),
            (x0 * y1 - y0 * x1).sum(),
        )
    )
    return normal / max(float(np.sqrt(normal @ normal)), 1e-9)


def disc(x: float, z: float, radius: float, corners: int = 14) -> list[tuple[float, float]]:
    """Outline of a circle in the x-z plane."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return [(x + radius * float(np.cos(a)), z + radius * float(np.sin(a))) for a in angles]


def box(x0: float, x1: float, z0: float, z1: float) -> list[tuple[float, float]]:
    """Outline of a rectangle."""
    return [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]


class Solid:
    """Collects pieces; ``build`` makes a Model of them."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._part = 0

    def part(self) -> None:
        """Begins a new part. Within a part, pieces are painted in the order they are added."""
        self._part += 1

    def face(
        self,
        points: Sequence[Sequence[float]],
        colour: Colour,
        outward: Sequence[float],
        glow: float = 0.0,
    ) -> None:
        """Adds a flat face visible from the side that ``outward`` roughly points to."""
        corners = np.array(points, dtype=float)
        normal = _normal(corners)
        if normal @ np.asarray(outward, dtype=float) < 0:
            normal = -normal
        self._pieces.append(Piece(corners, normal, colour, glow, None, self._part))

    def limb(
        self,
        start: Sequence[float],
        end: Sequence[float],
        radius: float,
        colour: Colour,
        end_radius: float | None = None,
        glow: float = 0.0,
    ) -> None:
        """Adds a round limb between two points, with a radius in metres at each end."""
        corners = np.array((start, end), dtype=float)
        radii = (radius, radius if end_radius is None else end_radius)
        self._pieces.append(Piece(corners, np.zeros(3), colour, glow, radii, self._part))

    def ball(self, centre: Sequence[float], radius: float, colour: Colour) -> None:
        """Adds a ball."""
        self.limb(centre, centre, radius, colour)

    def loft(
        self,
        loop: Sequence[tuple[float, float, float]],
        side_colour: Colour,
        strip_colours: Sequence[Colour],
    ) -> None:
        """Adds a body given by its side outline.

        Args:
            loop: corners (x, z, half the width there), from the lower front corner over the top
                to the lower rear corner.
            side_colour: colour of the left and right faces.
            strip_colours: colour of the strip from each corner to the next, one fewer than corners.
        """
        middle = np.mean([(x, z) for x, z, _ in loop], axis=0)
        for (x0, z0, w0), (x1, z1, w1), colour in zip(loop, loop[1:], strip_colours, strict=False):
            strip = [(x0, w0, z0), (x1, w1, z1), (x1, -w1, z1), (x0, -w0, z0)]
            across = ((x0 + x1) / 2 - middle[0], (z0 + z1) / 2 - middle[1])
            along = np.array((z1 - z0, x0 - x1))  # at right angles to the strip
            outward = along if along @ across > 0 else -along
            self.face(strip, colour, (outward[0], 0, outward[1]))
        for hand in (1, -1):
            self.face([(x, hand * w, z) for x, z, w in loop], side_colour, (0, hand, 0.05))

    def block(
        self,
        x: tuple[float, float],
        half_width: float,
        z: tuple[float, float],
        colour: Colour,
        top: Colour | None = None,
    ) -> None:
        """Adds an upright box centred on the x axis."""
        loop = [(x[1], z[0]), (x[1], z[1]), (x[0], z[1]), (x[0], z[0])]
        strips = (colour, top or colour, colour)
        self.loft([(along, up, half_width) for along, up in loop], colour, strips)

    def side(
        self,
        outline: Sequence[tuple[float, float]],
        half_width: float,
        colour: Colour,
        lean: tuple[float, float, float] | None = None,
        glow: float = 0.0,
    ) -> None:
        """Adds the same patch to the left and the right side.

        Args:
            outline: corners (x, z).
            half_width: distance from the centre plane.
            lean: (z0, z1, half width at z1) where the side leans in from ``half_width`` at z0.
        """

        def width(z: float) -> float:
            if lean is None:
                return half_width
            z0, z1, upper = lean
            return half_width + (upper - half_width) * (z - z0) / (z1 - z0)

        for hand in (1, -1):
            corners = [(x, hand * width(z), z) for x, z in outline]
            self.face(corners, colour, (0, hand, 0), glow)

    def end(
        self,
        x: float,
        outline: Sequence[tuple[float, float]],
        colour: Colour,
        glow: float = 0.0,
    ) -> None:
        """Adds a patch with corners (y, z) to the front (x > 0) or the rear end (x < 0)."""
        self.face([(x, y, z) for y, z in outline], colour, (x, 0, 0), glow)

    def top(self, x: tuple[float, float], half_width: float, z: float, colour: Colour) -> None:
        """Adds a horizontal patch."""
        corners = [(x[i], hand * half_width, z) for i, hand in ((0, 1), (1, 1), (1, -1), (0, -1))]
        self.face(corners, colour, (0, 0, 1))

    def wheels(self, places: Sequence[float], radius: float, half_width: float) -> None:
        """Adds wheels with tyre and rim on both sides at each x."""
        for x in places:
            self.side(disc(x, radius, radius), half_width, (26, 27, 30))
            self.side(disc(x, radius, radius * 0.62, 10), half_width + 0.01, (150, 153, 158))
            self.side(disc(x, radius, radius * 0.25, 8), half_width + 0.02, (70, 72, 76))

    def build(self, length: float, width: float) -> Model:
        """The finished model; ``length`` and ``width`` of the ground it needs, metres."""
        pieces = self._pieces
        return Model(
            points=np.concatenate([piece.points for piece in pieces]),
            starts=np.cumsum([0, *(len(piece.points) for piece in pieces)]),
            normals=np.array([piece.normal for piece in pieces]),
            colours=np.array([piece.colour for piece in pieces], dtype=float),
            glows=np.array([piece.glow for piece in pieces]),
            radii=tuple(piece.radii for piece in pieces),
            parts=np.array([piece.part for piece in pieces]),
            size=(length, width),
        )
