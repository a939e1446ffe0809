"""Models of the smaller road vehicles: sedan, SUV, taxi and van."""

import numpy as np

from parkdet.demo.solid import Colour, Model, Solid, box, shade

GLASS: Colour = (34, 45, 58)
GLEAM: Colour = (104, 124, 142)
TRIM: Colour = (33, 34, 37)
PLATE: Colour = (236, 238, 238)
HEADLIGHT: Colour = (250, 246, 224)
TAIL_LIGHT: Colour = (214, 34, 34)

SEDAN_PAINTS: tuple[Colour, ...] = (
    (240, 241, 242),
    (196, 200, 205),
    (118, 124, 131),
    (58, 60, 66),
    (38, 66, 124),
    (168, 32, 40),
)
SUV_PAINTS: tuple[Colour, ...] = (
    (232, 233, 230),
    (52, 78, 66),
    (112, 44, 46),
    (96, 104, 112),
    (170, 158, 138),
    (46, 56, 74),
)
VAN_PAINTS: tuple[Colour, ...] = ((238, 239, 236), (196, 201, 206), (92, 108, 126), (72, 75, 82))
TAXI_PAINTS: tuple[Colour, ...] = ((242, 128, 30), (242, 128, 30), (236, 146, 44))


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours, slightly varied."""
    red, green, blue = colours[rng.integers(len(colours))]
    return shade((red, green, blue), rng.uniform(0.94, 1.04))


def lights(
    solid: Solid, front: float, rear: float, half_width: float, z: float, lit: bool, tall: float = 0
) -> None:
    """Headlamps, tail lamps and number plates at both ends of a vehicle."""
    glow = 1.0 if lit else 0.0
    outer, inner = half_width * 0.94, half_width * 0.58
    for hand in (1, -1):
        lamp = [(hand * outer, z), (hand * inner, z - 0.02), (hand * inner, z + 0.13)]
        lamp.append((hand * outer, z + 0.15))
        solid.end(front, lamp, HEADLIGHT, glow)
        tail = [(hand * outer, z + 0.02), (hand * inner, z + 0.04), (hand * inner, z + 0.18)]
        tail.append((hand * outer, z + 0.2 + tall))
        if tall:
            tail[1:3] = [(hand * outer * 0.84, z + 0.02), (hand * outer * 0.84, z + 0.2 + tall)]
        solid.end(rear, tail, TAIL_LIGHT, 0.7 * glow)
    for x in (front, rear):
        solid.end(x * 1.001, box(-0.27, 0.27, z - 0.24, z - 0.1), PLATE)


def _cabin(
    solid: Solid,
    loop: list[tuple[float, float, float]],
    paint: Colour,
    windows: list[list[tuple[float, float]]],
) -> None:
    """The upper part of a car: windscreen, roof, rear window and side windows.

    Args:
        loop: base of the windscreen, front and rear edge of the roof, base of the rear window.
        windows: outlines (x, z) of the side windows.
    """
    (x0, z0, w0), (x1, z1, w1) = loop[0], loop[1]
    solid.loft(loop, paint, (GLASS, shade(paint, 1.03), GLASS))
    gleam = [(x0, -0.55 * w0, z0), (x0, -0.1 * w0, z0), (x1, 0.2 * w1, z1), (x1, -0.3 * w1, z1)]
    solid.face(gleam, GLEAM, (x0 - x1, 0, abs(x0 - x1)))
    for outline in windows:
        solid.side(outline, w0 + 0.005, GLASS, lean=(z0, z1, w1 + 0.005))


def _wheel_arches(solid: Solid, places: tuple[float, ...], radius: float, width: float) -> None:
    for x in places:
        arch = [(x + dx * radius * 1.22, radius + dz * radius * 1.22) for dx, dz in _HALF_CIRCLE]
        solid.side(arch, width + 0.005, TRIM)
    solid.wheels(places, radius, width + 0.015)


_HALF_CIRCLE = [(float(np.cos(a)), float(np.sin(a))) for a in np.linspace(-0.3, np.pi + 0.3, 11)]


def _three_box(paint: Colour, lit: bool) -> Solid:
    """Bonnet, cabin and boot, which sedans and taxis share."""
    solid = Solid()
    solid.block((-2.1, 2.1), 0.78, (0.1, 0.4), (18, 18, 20))
    wide = 0.91
    loop = [(2.34, 0.24, 0.84), (2.36, 0.6, 0.86), (2.2, 0.74, 0.88), (0.95, 0.93, wide)]
    loop += [(-1.55, 0.98, wide), (-2.25, 0.94, 0.88), (-2.36, 0.62, 0.86), (-2.33, 0.26, 0.84)]
    bonnet = shade(paint, 1.02)
    strips = (paint, paint, bonnet, paint, bonnet, paint, shade(paint, 0.93))
    solid.loft(loop, paint, strips)
    solid.side(box(-2.1, 2.1, 0.24, 0.33), wide - 0.02, shade(paint, 0.55))
    solid.side([(-2.15, 0.72), (2.1, 0.66), (2.1, 0.69), (-2.15, 0.75)], wide, shade(paint, 1.12))
    solid.end(2.37, box(-0.48, 0.48, 0.42, 0.6), TRIM)
    lights(solid, 2.38, -2.38, 0.87, 0.58, lit)
    _wheel_arches(solid, (1.42, -1.4), 0.33, wide)
    cabin = [(1.0, 0.92, 0.84), (0.28, 1.44, 0.64), (-0.95, 1.44, 0.64), (-1.78, 0.97, 0.82)]
    front = [(0.78, 0.98), (0.22, 1.38), (-0.28, 1.38), (-0.28, 0.98)]
    rear = [(-0.36, 0.98), (-0.36, 1.38), (-0.92, 1.38), (-1.5, 1.02)]
    _cabin(solid, cabin, paint, [front, rear])
    return solid


def sedan(rng: np.random.Generator, lit: bool = False) -> Model:
    """A saloon car; ``lit`` turns its lamps on."""
    return _three_box(pick(rng, SEDAN_PAINTS), lit).build(4.75, 1.85)


def taxi(rng: np.random.Generator, lit: bool = False) -> Model:
    """An orange saloon with a light band and a roof sign."""
    paint = pick(rng, TAXI_PAINTS)
    solid = _three_box(paint, lit)
    band = (250, 250, 244)
    solid.side(box(-1.0, 1.0, 0.46, 0.62), 0.92, band)
    for step in range(5):
        x = -0.9 + 0.4 * step
        solid.side(box(x, x + 0.2, 0.46, 0.62), 0.925, TRIM)
    solid.top((-0.12, 0.12), 0.44, 1.46, TRIM)
    sign = (255, 236, 120)
    loop = [(0.11, 1.45, 0.42), (0.08, 1.68, 0.36), (-0.3, 1.68, 0.36), (-0.33, 1.45, 0.42)]
    solid.loft(loop, shade(sign, 0.9), (sign, shade(sign, 1.1), sign))
    for x in (0.12, -0.34):
        outline = [(-0.26, 1.5), (0.26, 1.5), (0.26, 1.62), (-0.26, 1.62)]
        solid.end(x, outline, (200, 60, 30), 0.6 if lit else 0.0)
    return solid.build(4.75, 1.85)


def suv(rng: np.random.Generator, lit: bool = False) -> Model:
    """A tall two-box car on big wheels, with dark sills, a roof rack and a spare wheel."""
    paint = pick(rng, SUV_PAINTS)
    solid = Solid()
    solid.block((-2.0, 2.05), 0.8, (0.16, 0.5), (18, 18, 20))
    wide = 0.98
    loop = [(2.3, 0.34, 0.9), (2.34, 0.86, 0.93), (2.22, 1.02, 0.95), (1.1, 1.14, wide)]
    loop += [(-2.2, 1.16, 0.95), (-2.32, 0.8, 0.93), (-2.28, 0.36, 0.9)]
    solid.loft(loop, paint, (paint, paint, shade(paint, 1.04), paint, paint, paint))
    solid.side(box(-2.24, 2.26, 0.34, 0.56), wide - 0.015, TRIM)
    solid.end(2.345, box(-0.6, 0.6, 0.6, 0.86), TRIM)
    lights(solid, 2.35, -2.34, 0.93, 0.76, lit, tall=0.2)
    _wheel_arches(solid, (1.42, -1.38), 0.4, wide)
    cabin = [(1.2, 1.13, 0.92), (0.62, 1.76, 0.76), (-2.02, 1.76, 0.76), (-2.22, 1.16, 0.9)]
    windows = [[(0.98, 1.2), (0.56, 1.68), (-0.08, 1.68), (-0.08, 1.2)]]
    windows += [[(-0.17, 1.2), (-0.17, 1.68), (-1.02, 1.68), (-1.02, 1.2)]]
    windows += [[(-1.14, 1.2), (-1.14, 1.68), (-1.86, 1.66), (-1.96, 1.2)]]
    _cabin(solid, cabin, paint, windows)
    solid.top((-1.5, 0.1), 0.5, 1.765, TRIM)
    for hand in (0.66, -0.66):
        solid.limb((0.4, hand, 1.83), (-1.9, hand, 1.83), 0.035, (40, 42, 45))
    spare = [(y, z) for y, z in _circle(0.0, 0.92, 0.36)]
    solid.end(-2.42, spare, TRIM)
    solid.end(-2.43, _circle(0.0, 0.92, 0.2), (146, 150, 156))
    return solid.build(4.75, 1.98)


def _circle(y: float, z: float, radius: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return [(y + radius * float(np.cos(a)), z + radius * float(np.sin(a))) for a in angles]


def van(rng: np.random.Generator, lit: bool = False) -> Model:
    """A tall one-box van with a short sloping nose and a long row of windows."""
    paint = pick(rng, VAN_PAINTS)
    solid = Solid()
    solid.block((-2.3, 2.3), 0.82, (0.12, 0.5), (18, 18, 20))
    wide = 0.98
    loop = [(2.58, 0.28, 0.92), (2.6, 0.78, 0.94), (2.3, 1.12, 0.96), (1.5, 2.04, 0.86)]
    loop += [(1.1, 2.2, 0.82), (-2.4, 2.24, 0.84), (-2.56, 1.9, 0.9), (-2.6, 0.3, 0.95)]
    roof = shade(paint, 1.04)
    solid.loft(loop, paint, (paint, paint, GLASS, paint, roof, paint, paint))
    gleam = [(2.3, -0.55, 1.13), (2.3, -0.1, 1.13), (1.52, 0.2, 2.03), (1.52, -0.3, 2.03)]
    solid.face(gleam, GLEAM, (1, 0, 0.9))
    solid.end(2.605, box(-0.5, 0.5, 0.52, 0.72), TRIM)
    lights(solid, 2.61, -2.63, 0.94, 0.74, lit, tall=0.4)
    lean = (0.9, 2.2, 0.85)
    solid.side([(2.06, 1.22), (1.5, 1.84), (1.0, 1.84), (1.0, 1.22)], wide, GLASS, lean)
    for x0, x1 in ((-0.6, 0.9), (-2.35, -0.7)):
        solid.side(box(x0, x1, 1.22, 1.84), wide, GLASS, lean)
    for x in (0.95, -0.65):
        solid.side(box(x - 0.015, x + 0.015, 0.42, 1.95), wide + 0.004, shade(paint, 0.6), lean)
    solid.side(box(-2.5, 2.4, 0.3, 0.42), wide - 0.03, shade(paint, 0.5))
    solid.end(-2.61, [(-0.72, 1.2), (0.72, 1.2), (0.68, 1.86), (-0.68, 1.86)], GLASS)
    for x in (0.4, -0.6, -1.6):
        solid.top((x - 0.04, x + 0.04), 0.7, 2.25, shade(paint, 0.8))
    _wheel_arches(solid, (1.66, -1.6), 0.35, wide)
    return solid.build(5.25, 1.98)
