"""Models of the larger vehicles: bus, school bus and truck."""

import numpy as np

from parkdet.demo.cars import GLASS, GLEAM, HEADLIGHT, TAIL_LIGHT, TRIM, lights, pick
from parkdet.demo.solid import Colour, Model, Solid, box, shade

BUS_PAINTS: tuple[Colour, ...] = ((32, 96, 190), (36, 146, 92), (28, 118, 176))
CAB_PAINTS: tuple[Colour, ...] = ((44, 92, 168), (240, 240, 238), (44, 92, 168), (60, 130, 150))
LOGOS: tuple[Colour, ...] = ((214, 84, 46), (214, 84, 46), (48, 106, 176), (70, 140, 80))
CARGO_PAINTS: tuple[Colour, ...] = ((226, 228, 226), (196, 206, 214), (210, 204, 188))


def _coach(
    solid: Solid, length: float, height: float, half_width: float, paint: Colour, roof: Colour
) -> None:
    """A long box with a slightly raked front and a slightly narrower roof."""
    end, upper = length / 2, half_width * 0.95
    solid.block((-end + 0.3, end - 0.3), half_width * 0.85, (0.14, 0.6), (18, 18, 20))
    loop = [(end - 0.04, 0.3, half_width), (end, 1.1, half_width)]
    loop += [(end - 0.25, height - 0.2, upper), (end - 0.5, height, upper * 0.94)]
    loop += [(-end + 0.3, height, upper * 0.94), (-end + 0.06, height - 0.25, upper)]
    loop += [(-end, 0.32, half_width)]
    solid.loft(loop, paint, (paint, paint, roof, roof, paint, paint))


def bus(rng: np.random.Generator, lit: bool = False) -> Model:
    """A city bus in blue or green with one long row of windows and two doors."""
    paint = pick(rng, BUS_PAINTS)
    solid, half, height = Solid(), 1.24, 3.1
    _coach(solid, 9.2, height, half, paint, shade(paint, 1.1))
    front = [(-1.12, 1.2), (1.12, 1.2), (1.06, 2.5), (-1.06, 2.5)]
    _front_window(solid, 4.6, front, height)
    lean = (1.1, height - 0.2, half * 0.95)
    light = (238, 241, 242)
    solid.side(box(-4.56, 4.5, 0.98, 1.22), half + 0.004, light, lean)
    solid.side(box(-4.4, 4.2, 1.34, 2.4), half + 0.004, GLASS, lean)
    for step in range(7):
        x = -3.3 + 1.14 * step
        solid.side(box(x, x + 0.1, 1.34, 2.4), half + 0.008, shade(paint, 0.9), lean)
        solid.side(
            [(x + 0.3, 1.4), (x + 0.55, 1.4), (x + 0.85, 2.34), (x + 0.6, 2.34)],
            half + 0.01,
            (72, 92, 110),
            lean,
        )
    for x in (3.1, -0.2):
        door = box(x, x + 0.95, 0.42, 2.4)
        solid.face([(along, -half - 0.015, z) for along, z in door], GLASS, (0, -1, 0))
        seam = box(x + 0.45, x + 0.5, 0.42, 2.4)
        solid.face([(along, -half - 0.018, z) for along, z in seam], light, (0, -1, 0))
    solid.end(-4.62, box(-0.95, 0.95, 1.7, 2.5), GLASS)
    lights(solid, 4.63, -4.63, half, 0.7, lit, tall=0.25)
    solid.wheels((2.9, -2.6), 0.48, half + 0.02)
    for x in (1.6, -2.4):
        solid.block((x - 0.9, x + 0.5), 0.62, (height, height + 0.2), shade(light, 0.9))
    return solid.build(9.3, 2.5)


def _front_window(
    solid: Solid, x: float, outline: list[tuple[float, float]], height: float
) -> None:
    """The windscreen on the raked front of a coach."""

    def onto(points: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
        return [(x + 0.02 - 0.25 * (z - 1.1) / (height - 1.3), y, z) for y, z in points]

    low, high = outline[0][1], outline[2][1]
    solid.face(onto(outline), GLASS, (1, 0, 0))
    solid.face(onto([(-0.7, low), (-0.3, low), (0.2, high), (-0.2, high)]), GLEAM, (1, 0, 0))


def school_bus(rng: np.random.Generator, lit: bool = False) -> Model:
    """A short yellow coach with black bands, warning lamps and a red stop sign."""
    paint = pick(rng, ((252, 200, 24), (250, 192, 20)))
    solid, half, height = Solid(), 1.06, 2.7
    _coach(solid, 6.6, height, half, paint, shade(paint, 1.06))
    front = [(-0.94, 1.16), (0.94, 1.16), (0.88, 2.1), (-0.88, 2.1)]
    _front_window(solid, 3.3, front, height)
    lean = (1.1, height - 0.2, half * 0.95)
    for z in (0.62, 0.98):
        solid.side(box(-3.24, 3.2, z, z + 0.12), half + 0.004, (30, 30, 30), lean)
    for step in range(5):
        x = -3.0 + 1.16 * step
        solid.side(box(x, x + 0.94, 1.34, 2.06), half + 0.006, GLASS, lean)
    solid.end(-3.32, box(-0.8, 0.8, 1.4, 2.1), GLASS)
    for x in (3.14, -3.3):
        for y in (-0.66, 0.5):
            lamp = [(y, 2.3), (y + 0.2, 2.3), (y + 0.2, 2.48), (y, 2.48)]
            solid.end(x, lamp, (226, 40, 36), 0.9 if lit else 0.0)
    lights(solid, 3.33, -3.33, half, 0.72, lit)
    solid.end(3.33, box(-0.92, 0.92, 0.98, 1.1), (30, 30, 30))
    solid.end(-3.33, box(-0.92, 0.92, 1.1, 1.22), (30, 30, 30))
    solid.wheels((2.05, -1.9), 0.42, half + 0.02)
    sign = [(0.95 + 0.3 * float(np.cos(a)), 1.05 + 0.3 * float(np.sin(a))) for a in _EIGHT]
    solid.side(sign, half + 0.05, (206, 30, 34))
    solid.side(box(0.78, 1.12, 1.01, 1.1), half + 0.06, (250, 250, 250))
    return solid.build(6.7, 2.15)


_EIGHT = np.linspace(np.pi / 8, 2 * np.pi + np.pi / 8, 8, endpoint=False)


def truck(rng: np.random.Generator, lit: bool = False) -> Model:
    """A light truck: a coloured cab and, behind a gap, a tall cargo box."""
    paint, cargo = pick(rng, CAB_PAINTS), pick(rng, CARGO_PAINTS)
    solid, half = Solid(), 0.94
    solid.block((-2.7, 2.4), 0.5, (0.42, 0.62), (30, 30, 32))
    solid.wheels((1.8, -1.75), 0.4, half - 0.04)
    solid.part()
    _cargo_box(solid, cargo, pick(rng, LOGOS))
    solid.part()
    loop = [(2.74, 0.42, half), (2.78, 1.1, half), (2.42, 1.98, half * 0.93)]
    loop += [(1.3, 2.06, half * 0.93), (1.2, 0.45, half)]
    solid.loft(loop, paint, (paint, GLASS, shade(paint, 1.06), paint))
    gleam = [(2.78, -0.5, 1.12), (2.78, -0.1, 1.12), (2.43, 0.2, 1.96), (2.43, -0.2, 1.96)]
    solid.face(gleam, GLEAM, (1, 0, 0.4))
    window = [(2.52, 1.14), (2.3, 1.82), (1.5, 1.82), (1.5, 1.14)]
    solid.side(window, half + 0.005, GLASS, (1.1, 2.0, half * 0.94))
    solid.side(box(1.3, 2.7, 0.42, 0.54), half + 0.006, TRIM)
    for hand in (1, -1):
        lamp = box(hand * 0.5, hand * 0.86, 0.74, 0.94)
        solid.end(2.775, lamp, HEADLIGHT, 1.0 if lit else 0.0)
    solid.end(2.78, box(-0.28, 0.28, 0.5, 0.66), (236, 238, 238))
    solid.wheels((1.95,), 0.4, half + 0.02)
    return solid.build(5.75, 2.06)


def _cargo_box(solid: Solid, colour: Colour, logo: Colour) -> None:
    half, front, rear, floor, roof = 1.02, 1.02, -2.85, 0.78, 2.74
    solid.block((rear, front), half, (floor, roof), colour, shade(colour, 1.06))
    solid.side(box(rear, front, floor, floor + 0.12), half + 0.005, (60, 62, 66))
    for step in range(1, 6):
        x = rear + (front - rear) * step / 6
        solid.side(box(x - 0.03, x + 0.03, floor + 0.12, roof), half + 0.005, shade(colour, 0.84))
    solid.side([(-2.0, 1.2), (-0.6, 1.2), (-0.2, 2.2), (-1.6, 2.2)], half + 0.008, logo)
    solid.end(rear - 0.01, box(-0.03, 0.03, floor, roof), (80, 82, 86))
    for hand in (1, -1):
        lamp = box(hand * 0.72, hand * 0.98, floor - 0.16, floor - 0.02)
        solid.end(rear - 0.02, lamp, TAIL_LIGHT)
