"""The fixed background of a recording: tarmac, markings, greenery, houses, sky."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from parkdet.demo.camera import Camera
from parkdet.demo.light import Light
from parkdet.demo.lot import BAY_DEPTH, BAY_WIDTH, Lot
from parkdet.demo.painter import FINE
from parkdet.demo.solid import Colour, shade

PAVEMENT = 2.6  # metres deep, behind the kerb
GREEN = 4.5  # metres of grass behind the pavement
_YARD = 2.5  # metres of grass between the hedge's strip and the houses
_WIDE = 60.0  # half the painted width, metres
_STAIN_SCALE = 8.0  # pixels per metre


@dataclass(frozen=True)
class Backdrop:
    """The scene without objects.

    Attributes:
        albedo: (height, width, 3) float32, colours under white light, 0 to 255.
        glow: (height, width, 3) float32, lit windows and lamps, 0 to 255; 0 by day.
        pool: (height, width, 1) float32, strength of the main light.
        ground: (height, width, 2) the ground point that each pixel shows, metres.
    """

    albedo: np.ndarray
    glow: np.ndarray
    pool: np.ndarray
    ground: np.ndarray


class _Brush:
    """Paints polygons given in metres on the fine canvas and, at night, what glows on another."""

    def __init__(self, camera: Camera, night: bool) -> None:
        self.camera = camera.scaled(FINE)
        size = (self.camera.height, self.camera.width, 3)
        self.canvas = np.zeros(size, dtype=np.uint8)
        self.glow = np.zeros(size, dtype=np.uint8) if night else None

    def polygon(
        self, points: Sequence[Sequence[float]], colour: Colour, glow: bool = False
    ) -> None:
        """Fills a polygon (x, y, z)."""
        pixels = self.camera.project_polygon(np.array(points, dtype=float))
        if len(pixels) < 3 or not np.isfinite(pixels).all():
            return
        fixed = np.round(np.clip(pixels, -250000, 250000) * 8).astype(np.int32)
        cv2.fillPoly(self.canvas, [fixed], colour, cv2.LINE_8, 3)
        if self.glow is not None:
            cv2.fillPoly(self.glow, [fixed], colour if glow else (0, 0, 0), cv2.LINE_8, 3)

    def flat(self, points: Sequence[Sequence[float]], colour: Colour) -> None:
        """Fills a polygon (x, y) on the ground."""
        self.polygon([(x, y, 0.0) for x, y in points], colour)

    def stripe(self, x: tuple[float, float], y: tuple[float, float], colour: Colour) -> None:
        """Fills a rectangle on the ground."""
        self.flat([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], colour)

    def wall(
        self,
        x: tuple[float, float],
        y: float,
        z: tuple[float, float],
        colour: Colour,
        glow: bool = False,
    ) -> None:
        """Fills an upright rectangle that faces the camera."""
        corners = [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]
        self.polygon(corners, colour, glow)

    def ball(self, centre: Sequence[float], radius: float, colour: Colour) -> None:
        """Fills a disc that faces the camera."""
        pixels, depth = self.camera.project(np.array([centre]))
        if depth[0] < 1:
            return
        middle = np.round(pixels[0] * 8).astype(int)
        size = int(8 * radius * self.camera.focal / depth[0])
        cv2.circle(self.canvas, middle.tolist(), size, colour, cv2.FILLED, cv2.LINE_8, 3)
        if self.glow is not None:
            cv2.circle(self.glow, middle.tolist(), size, (0, 0, 0), cv2.FILLED, cv2.LINE_8, 3)


def paint_backdrop(lot: Lot, camera: Camera, light: Light, rng: np.random.Generator) -> Backdrop:
    """Paints a lot as ``camera`` sees it."""
    brush = _Brush(camera, light.night)
    _sky(brush, light)
    _houses(brush, lot, light, rng)
    _ground(brush, lot, rng)
    _markings(brush, lot)
    _hedge_and_trees(brush, lot, rng)
    _lamp_posts(brush, lot, light)
    size = (camera.width, camera.height)
    albedo = cv2.resize(brush.canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    glow = np.zeros_like(albedo)
    if brush.glow is not None:
        glow = cv2.resize(brush.glow, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    rows, columns = np.indices((camera.height, camera.width), dtype=np.float32)
    ground = camera.ground(np.stack((columns + 0.5, rows + 0.5), axis=-1))
    far = lot.kerb + PAVEMENT + GREEN
    reached = ground * np.minimum(1, far / np.maximum(ground[..., 1:], 1.0))
    albedo *= _texture(ground, lot, light, rng)[..., None]
    return Backdrop(albedo, glow, light.pool(reached)[..., None], ground)


def _sky(brush: _Brush, light: Light) -> None:
    top, low = {
        "맑음": ((112, 170, 228), (206, 226, 240)),
        "흐림": ((176, 186, 196), (214, 219, 223)),
        "비": ((150, 160, 172), (190, 197, 203)),
    }[light.weather]
    if light.night:
        top, low = (24, 32, 62), (58, 62, 92)
    share = np.linspace(0, 1, brush.canvas.shape[0] // 4)[:, None, None]
    cv2.rectangle(brush.canvas, (0, 0), brush.canvas.shape[1::-1], low, cv2.FILLED)
    brush.canvas[: len(share)] = np.array(top) * (1 - share) + np.array(low) * share


def _ground(brush: _Brush, lot: Lot, rng: np.random.Generator) -> None:
    wide, kerb = (-_WIDE, _WIDE), lot.kerb
    brush.stripe(wide, (kerb, kerb + PAVEMENT + GREEN + _YARD), (124, 152, 92))
    for _ in range(26):
        x, y = rng.uniform(-30, 30), kerb + PAVEMENT + rng.uniform(0.4, GREEN)
        tuft = [(x + dx, y + dy) for dx, dy in ((-1.6, 0), (0, -0.25), (1.8, 0.05), (0.2, 0.3))]
        brush.flat(tuft, (138, 166, 100) if rng.random() < 0.5 else (110, 140, 84))
    brush.stripe(wide, (kerb, kerb + PAVEMENT), (188, 180, 170))
    for number in range(-30, 30):
        brush.stripe((number, number + 0.05), (kerb, kerb + PAVEMENT), (170, 162, 152))
    for y in (kerb + 0.9, kerb + 1.75):
        brush.stripe(wide, (y, y + 0.06), (170, 162, 152))
    brush.stripe(wide, (-20, kerb), lot.tarmac)
    brush.wall(wide, kerb, (0, 0.16), (150, 150, 148))
    top = [(-_WIDE, kerb, 0.16), (_WIDE, kerb, 0.16), (_WIDE, kerb + 0.3, 0.16)]
    brush.polygon([*top, (-_WIDE, kerb + 0.3, 0.16)], (206, 206, 202))


def _markings(brush: _Brush, lot: Lot) -> None:
    for index, row in enumerate(lot.rows):
        for number in range(-14, 14):
            corners = row.corners(number)
            paint = lot.special.get((index, number))
            if paint:
                brush.flat(corners, paint)
            (x0, y0), (x1, y1) = corners[0], corners[3]
            half = 0.06
            brush.flat(
                [(x0 - half, y0), (x0 + half, y0), (x1 + half, y1), (x1 - half, y1)], lot.line
            )
            inward = 0.6 if row.closed == row.near else -0.6
            shift = row.slant * (row.closed + inward - row.near - BAY_DEPTH / 2)
            _wheel_stop(brush, row.bay(number).x + shift, row.closed + inward)
        brush.stripe((-_WIDE, _WIDE), (row.closed - 0.06, row.closed + 0.06), lot.line)
    for lane, y in enumerate(lot.lanes):
        for x in (-13.0, -4.0, 5.0, 14.0):
            _arrow(brush, x + 2.5 * lane, y, 1 if lane % 2 else -1, lot.line)
    _crossing(brush, lot)


def _wheel_stop(brush: _Brush, x: float, y: float) -> None:
    for side in (-0.55, 0.55):
        x0, x1 = x + side - 0.35, x + side + 0.35
        brush.wall((x0, x1), y, (0, 0.1), (196, 160, 52))
        lid = [(x0, y, 0.1), (x1, y, 0.1), (x1, y + 0.14, 0.1), (x0, y + 0.14, 0.1)]
        brush.polygon(lid, (232, 196, 70))


def _arrow(brush: _Brush, x: float, y: float, direction: int, colour: Colour) -> None:
    shape = [(0, 0.08), (1.5, 0.08), (1.5, 0.32), (2.4, 0), (1.5, -0.32), (1.5, -0.08), (0, -0.08)]
    brush.flat([(x + direction * along, y + across) for along, across in shape], colour)


def _crossing(brush: _Brush, lot: Lot) -> None:
    """A zebra crossing over the strip in front of the kerb."""
    start = lot.rows[-1].far + 0.3
    if lot.kerb - start < 1.5:
        return
    for step in range(6):
        x = -9.0 + 0.8 * step
        brush.stripe((x, x + 0.42), (start, lot.kerb - 0.1), (236, 236, 232))


def _houses(brush: _Brush, lot: Lot, light: Light, rng: np.random.Generator) -> None:
    y = lot.kerb + PAVEMENT + GREEN + _YARD
    x = -_WIDE
    while x < _WIDE:
        width, height = rng.uniform(11, 20), rng.uniform(6, 16)
        wall = ((208, 188, 164), (184, 192, 198), (196, 150, 128), (222, 214, 200))
        _house(brush, (x, x + width), y, height, wall[rng.integers(4)], light, rng)
        x += width + rng.uniform(0, 5)


def _house(
    brush: _Brush,
    x: tuple[float, float],
    y: float,
    height: float,
    wall: Colour,
    light: Light,
    rng: np.random.Generator,
) -> None:
    brush.wall(x, y, (0, height), wall)
    brush.wall(x, y, (0, 1.0), shade(wall, 0.75))
    for floor in np.arange(1.3, height - 1.6, 2.9):
        brush.wall(x, y, (floor - 0.25, floor - 0.15), shade(wall, 0.88))
        for left in np.arange(x[0] + 0.8, x[1] - 1.6, 2.2):
            shine = light.night and rng.random() < 0.3
            glass = (250, 206, 126) if shine else (94, 118, 138)
            brush.wall((left, left + 1.4), y, (floor, floor + 1.7), shade(wall, 1.12))
            brush.wall((left + 0.1, left + 1.3), y, (floor + 0.1, floor + 1.6), glass, shine)


def _hedge_and_trees(brush: _Brush, lot: Lot, rng: np.random.Generator) -> None:
    base = lot.kerb + PAVEMENT
    for x in np.arange(-32, 32, 0.55):
        green = shade((86, 128, 66), rng.uniform(0.85, 1.1))
        brush.ball((x, base + 3.4, 0.45), rng.uniform(0.5, 0.66), shade(green, 0.8))
        brush.ball((x, base + 3.4, 0.62), rng.uniform(0.34, 0.46), green)
    x = rng.uniform(-30, -24)
    while x < 30:
        _tree(brush, x, base + rng.uniform(0.8, 1.6), rng)
        x += rng.uniform(4.5, 9)


def _tree(brush: _Brush, x: float, y: float, rng: np.random.Generator) -> None:
    height = rng.uniform(3.6, 5.2)
    leaves = ((84, 132, 62), (112, 146, 60), (190, 136, 52), (70, 116, 72))[rng.integers(4)]
    shadow = [(x + 1.5 * np.cos(a), y + 0.5 * np.sin(a)) for a in np.linspace(0, 6.28, 14)]
    brush.flat(shadow, (88, 110, 68))
    brush.wall((x - 0.13, x + 0.13), y, (0, height - 1), (98, 78, 62))
    blobs = [(rng.uniform(-1.1, 1.1), rng.uniform(-0.9, 0.9)) for _ in range(9)]
    for tone, lift, size in ((0.72, -0.25, 0.95), (0.9, 0.0, 0.85), (1.08, 0.3, 0.6)):
        for across, up in blobs:
            centre = (x + across, y, height + up + lift)
            brush.ball(centre, size * rng.uniform(0.8, 1.1), shade(leaves, tone))


def _lamp_posts(brush: _Brush, lot: Lot, light: Light) -> None:
    for x, y in lot.lamps:
        if y < lot.kerb:  # the post that lights the foreground is outside the image
            continue
        brush.wall((x - 0.06, x + 0.06), y, (0, 6.2), (92, 96, 102))
        brush.wall((x - 0.7, x + 0.7), y, (6.1, 6.22), (92, 96, 102))
        for left in (x - 0.75, x + 0.3):
            brush.wall((left, left + 0.45), y, (6.0, 6.12), (255, 240, 200), light.night)


def _texture(ground: np.ndarray, lot: Lot, light: Light, rng: np.random.Generator) -> np.ndarray:
    """(height, width) factors around 1: grain, patches, oil stains and puddles of the tarmac."""
    coarse = cv2.GaussianBlur(rng.standard_normal((128, 128), dtype=np.float32), (0, 0), 5)
    fine = cv2.GaussianBlur(rng.standard_normal((512, 512), dtype=np.float32), (0, 0), 0.8)
    patches = _sample(coarse / coarse.std(), ground, 4.0)
    grain = _sample(fine / fine.std(), ground, 26.0)
    depth = np.maximum(ground[..., 1], 1.0)
    texture = 1 + 0.03 * patches + 0.045 * grain * np.minimum(1, (11 / depth) ** 2)
    texture -= 0.16 * _sample(_oil_stains(lot, rng), ground + np.float32((32, 0)), _STAIN_SCALE)
    if light.weather == "비":
        texture *= 0.8 + 0.3 / (1 + np.exp(-6 * (patches - 0.9)))
    inside = (ground[..., 1] < lot.kerb) & (np.abs(ground[..., 0]) < _WIDE + BAY_WIDTH)
    return np.where(inside, texture, 1 + 0.015 * grain).astype(np.float32)


def _oil_stains(lot: Lot, rng: np.random.Generator) -> np.ndarray:
    """Map of the tarmac by (y, x + 32 m), _STAIN_SCALE pixels per metre; 1 is fully stained."""
    stains = np.zeros((int(40 * _STAIN_SCALE), int(64 * _STAIN_SCALE)), dtype=np.float32)
    for row in lot.rows:
        for number in range(-8, 9):
            bay = row.bay(number)
            place = ((bay.x + 32) * _STAIN_SCALE, (bay.y + rng.uniform(-1, 1)) * _STAIN_SCALE)
            radius = int(rng.integers(2, 5))
            cv2.circle(stains, np.int32(place).tolist(), radius, rng.uniform(0.3, 1), cv2.FILLED)
    return cv2.GaussianBlur(stains, (0, 0), 1.6)


def _sample(tile: np.ndarray, ground: np.ndarray, per_metre: float) -> np.ndarray:
    x = ground[..., 0] * per_metre % tile.shape[1]
    y = ground[..., 1] * per_metre % tile.shape[0]
    arguments = (x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    return cv2.remap(tile, *arguments, borderMode=cv2.BORDER_WRAP)
