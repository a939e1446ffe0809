"""The parking lot itself: where its bay rows, lanes and kerb are, in metres."""

from dataclasses import dataclass

import numpy as np

from parkdet.demo.placing import Footprint
from parkdet.demo.solid import Colour

BAY_WIDTH = 2.55
BAY_DEPTH = 5.1


@dataclass(frozen=True)
class BayRow:
    """A row of bays along x.

    Attributes:
        near: y of the edge nearer to the camera; the row is BAY_DEPTH deep.
        offset: x of one of the bay lines.
        slant: shift in x from the near to the far edge, metres per metre; 0 is perpendicular.
        closed: y of the edge that nobody drives across, near or far.
    """

    near: float
    offset: float
    slant: float
    closed: float

    @property
    def far(self) -> float:
        """Y of the far edge."""
        return self.near + BAY_DEPTH

    def bay(self, number: int) -> Footprint:
        """Bay ``number`` (any integer, counted from ``offset``) as a rectangle heading away."""
        y = self.near + BAY_DEPTH / 2
        x = self.offset + (number + 0.5) * self.pitch + self.slant * BAY_DEPTH / 2
        heading = np.pi / 2 - np.arctan(self.slant)
        return Footprint(float(x), y, float(heading), BAY_DEPTH, BAY_WIDTH)

    @property
    def pitch(self) -> float:
        """Distance in x between bay lines; larger for slanted bays."""
        return BAY_WIDTH * float(np.sqrt(1 + self.slant**2))

    def corners(self, number: int) -> list[tuple[float, float]]:
        """Corners (x, y) of bay ``number``, along its lines."""
        left, shift = self.offset + number * self.pitch, self.slant * BAY_DEPTH
        right = left + self.pitch
        far = [(right + shift, self.far), (left + shift, self.far)]
        return [(left, self.near), (right, self.near), *far]


@dataclass(frozen=True)
class Lot:
    """Everything about a lot that stays the same throughout a recording.

    Attributes:
        rows: bay rows, near to far.
        lanes: y of the lanes along x in which vehicles drive or stop.
        walks: (y0, y1) of the strips where people and small wheeled things may be.
        kerb: y at which the tarmac ends; pavement, green and buildings follow.
        tarmac: colour of the tarmac.
        line: colour of the bay lines.
        special: bays painted all over, by (row, number): blue, pink or green.
        lamps: (k, 2) positions of the lamp posts.
    """

    rows: tuple[BayRow, ...]
    lanes: tuple[float, ...]
    walks: tuple[tuple[float, float], ...]
    kerb: float
    tarmac: Colour
    line: Colour
    special: dict[tuple[int, int], Colour]
    lamps: np.ndarray


_PLANS: dict[
    str, tuple[tuple[float, ...], tuple[float, ...], tuple[tuple[float, float], ...], float]
]
_PLANS = {
    # near edges of the rows, lanes, walks, kerb
    "kerbside lane": ((12.2,), (20.2,), ((8.4, 11.8), (17.8, 18.6)), 22.4),
    "two rows": ((8.6, 20.6), (15.6, 18.6), ((14.0, 18.6), (14.2, 18.0)), 26.2),
    "front aisle": ((13.8,), (11.6,), ((8.2, 11.6), (19.3, 20.4)), 20.8),
}
WITH_ROOM_FOR_COACHES = ("kerbside lane", "two rows")
_TARMACS: tuple[Colour, ...] = ((106, 108, 113), (114, 114, 114), (100, 104, 111))
_SPECIAL: tuple[Colour, ...] = ((62, 112, 178), (206, 120, 150), (92, 158, 108))


def plan_lot(rng: np.random.Generator, coaches: bool) -> Lot:
    """Draws a lot; with ``coaches``, one in which a bus does not hide everything else."""
    names = WITH_ROOM_FOR_COACHES if coaches else tuple(_PLANS)
    nears, lanes, walks, kerb = _PLANS[names[rng.integers(len(names))]]
    slant = float(rng.choice([0.0, 0.0, 0.0, 0.35, -0.35]))
    offset = float(rng.uniform(0, BAY_WIDTH))
    rows = tuple(BayRow(near, offset, slant, near + BAY_DEPTH) for near in nears)
    if len(rows) > 1:  # both rows are entered from the aisle between them
        rows = (BayRow(nears[0], offset, slant, nears[0]), *rows[1:])
    special = {}
    for _ in range(3):
        row, number = int(rng.integers(len(rows))), int(rng.integers(-4, 4))
        special[row, number] = _SPECIAL[rng.integers(len(_SPECIAL))]
    first = rng.uniform(-9, -3)
    posts = [(first + 11 * k, kerb + 0.7) for k in range(-1, 3)]
    posts += [(rng.uniform(-6, 6), rng.uniform(9, 13))]
    line = (242, 242, 236) if rng.random() < 0.75 else (246, 206, 84)
    tarmac = _TARMACS[rng.integers(len(_TARMACS))]
    return Lot(rows, lanes, walks, kerb, tarmac, line, special, np.array(posts))
