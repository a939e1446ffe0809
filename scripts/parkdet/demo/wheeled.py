"""Models of things on small wheels: motorcycle, kickboard, bicycle, stroller and cart."""

import numpy as np

from parkdet.demo.cars import pick
from parkdet.demo.people import adult_body, rider
from parkdet.demo.solid import Colour, Model, Solid, box, disc, shade

HELMETS: tuple[Colour, ...] = ((240, 240, 240), (30, 30, 34), (210, 40, 40), (40, 90, 180))
STEEL: Colour = (176, 182, 188)
RUBBER: Colour = (28, 28, 30)


def _wheel(solid: Solid, x: float, radius: float, thick: float, rim: Colour, y: float = 0) -> None:
    """A thin upright wheel: a ring of short limbs that can be seen through."""
    solid.part()
    ring = disc(x, radius, radius - thick, 14)
    for (x0, z0), (x1, z1) in zip(ring, ring[1:] + ring[:1], strict=True):
        solid.limb((x0, y, z0), (x1, y, z1), thick, RUBBER)
    for (x0, z0), (x1, z1) in zip(ring[:7:2], ring[7::2], strict=False):
        solid.limb((x0, y, z0), (x1, y, z1), 0.012, rim)


def _full_wheel(solid: Solid, x: float, radius: float, half_width: float) -> None:
    """A thick wheel with a rim."""
    solid.part()
    solid.block((x - radius * 0.7, x + radius * 0.7), half_width, (0.02, radius * 1.7), RUBBER)
    solid.side(disc(x, radius, radius), half_width, RUBBER)
    solid.side(disc(x, radius, radius * 0.55, 10), half_width + 0.01, STEEL)


def motorcycle(rng: np.random.Generator, lit: bool = False, ridden: bool = True) -> Model:
    """A delivery scooter with a large box behind the seat, mostly with its rider."""
    paint = pick(rng, ((206, 34, 38), (206, 34, 38), (30, 32, 36), (36, 70, 150)))
    solid = Solid()
    for x in (0.66, -0.6):
        _full_wheel(solid, x, 0.29, 0.08)
    solid.part()
    loop = [(0.34, 0.24, 0.15), (0.2, 0.42, 0.15), (-0.1, 0.62, 0.17), (-0.25, 0.8, 0.18)]
    loop += [(-0.86, 0.82, 0.16), (-0.8, 0.5, 0.17), (-0.3, 0.2, 0.16)]
    seat: Colour = (34, 32, 34)
    solid.loft(loop, paint, (paint, paint, paint, seat, paint, paint))
    solid.part()
    for hand in (0.09, -0.09):
        solid.limb((0.66, hand, 0.3), (0.46, hand, 0.92), 0.04, STEEL)
    shield = [(0.6, 0.3, 0.2), (0.5, 0.92, 0.2), (0.4, 0.95, 0.2), (0.36, 0.3, 0.2)]
    solid.loft(shield, shade(paint, 0.9), (paint, paint, shade(paint, 0.7)))
    solid.limb((0.42, 0.34, 1.02), (0.42, -0.34, 1.02), 0.035, RUBBER)
    solid.limb((0.56, 0, 0.86), (0.57, 0, 0.86), 0.1, (250, 246, 220), glow=1.0 if lit else 0.0)
    for hand in (0.3, -0.3):
        solid.limb((0.44, hand, 1.04), (0.46, hand, 1.22), 0.02, STEEL)
        solid.ball((0.46, hand, 1.26), 0.06, (60, 66, 72))
    if ridden:
        helmet = pick(rng, HELMETS)
        rider(solid, adult_body(rng), (-0.3, 0.86), (0.12, 0.32), (0.4, 1.02), helmet, 0.12)
    solid.part()
    freight = pick(rng, ((232, 64, 44), (40, 190, 180), (240, 240, 236)))
    solid.block((-1.0, -0.5), 0.26, (0.86, 1.34), freight, shade(freight, 1.08))
    solid.side(box(-0.92, -0.58, 1.0, 1.18), 0.265, (250, 250, 250))
    solid.end(-1.01, box(-0.18, 0.18, 1.0, 1.18), (250, 250, 250))
    solid.end(-1.02, box(-0.1, 0.1, 0.7, 0.8), (220, 40, 40), 0.8 if lit else 0.0)
    return solid.build(2.0, 0.75)


def kickboard(rng: np.random.Generator, lit: bool = False, ridden: bool = True) -> Model:
    """An electric stand-up scooter in a bright hire colour, mostly with a rider."""
    paint = pick(rng, ((60, 225, 190), (150, 235, 50), (60, 225, 190)))
    solid = Solid()
    for x in (0.46, -0.46):
        solid.part()
        solid.side(disc(x, 0.12, 0.12), 0.035, RUBBER)
        solid.block((x - 0.09, x + 0.09), 0.035, (0.02, 0.22), RUBBER)
    solid.part()
    solid.block((-0.5, 0.36), 0.13, (0.12, 0.24), paint, shade(paint, 0.75))
    solid.part()
    solid.limb((0.46, 0, 0.16), (0.34, 0, 1.12), 0.05, paint)
    solid.limb((0.34, 0.3, 1.14), (0.34, -0.3, 1.14), 0.045, RUBBER)
    glow = 1.0 if lit else 0.0
    solid.limb((0.42, 0, 0.94), (0.43, 0, 0.94), 0.055, (250, 246, 220), glow=glow)
    if ridden:
        body = adult_body(rng)._replace(coat=pick(rng, ((250, 140, 190), (190, 120, 230))))
        rider(solid, body, (-0.1, 1.06), (-0.12, 0.28), (0.32, 1.14), paint, 0.05)
    return solid.build(1.25, 0.6)


def bicycle(rng: np.random.Generator, lit: bool = False, ridden: bool = True) -> Model:
    """A bicycle with two large thin wheels, ridden or on its stand."""
    paint = pick(rng, ((220, 50, 50), (40, 110, 220), (40, 160, 80), (236, 236, 236)))
    solid = Solid()
    for x in (0.54, -0.54):
        _wheel(solid, x, 0.36, 0.032, STEEL)
    solid.part()
    crank, seat, head = (-0.06, 0.32), (-0.22, 0.82), (0.38, 0.84)
    tubes = [(crank, seat), (crank, head), (seat, head), (crank, (-0.54, 0.36))]
    tubes += [((-0.54, 0.36), (-0.2, 0.74)), ((0.54, 0.36), (0.36, 0.98))]
    for (x0, z0), (x1, z1) in tubes:
        solid.limb((x0, 0, z0), (x1, 0, z1), 0.034, paint)
    solid.limb((0.36, 0.26, 1.02), (0.36, -0.26, 1.02), 0.028, RUBBER)
    solid.limb((-0.36, 0, 0.9), (-0.14, 0, 0.91), 0.055, RUBBER, 0.035)
    solid.ball((-0.06, 0, 0.32), 0.09, (60, 62, 66))
    solid.part()
    if rng.random() < 0.6:
        solid.block((0.48, 0.76), 0.16, (0.76, 0.98), (150, 112, 74), (96, 70, 48))
    glow = 1.0 if lit else 0.0
    solid.limb((0.5, 0, 0.88), (0.51, 0, 0.88), 0.05, (250, 246, 220), glow=glow)
    if ridden:
        helmet = pick(rng, HELMETS)
        rider(solid, adult_body(rng), (-0.22, 0.92), (0.0, 0.24), (0.34, 1.02), helmet, 0.42)
    return solid.build(1.8, 0.6)


def stroller(rng: np.random.Generator) -> Model:
    """A baby carriage with a round hood, a bassinet and a slanting handle."""
    paint = pick(rng, ((170, 80, 200), (230, 70, 130), (150, 90, 214)))
    solid = Solid()
    for y in (0.24, -0.24):
        _wheel(solid, 0.34, 0.15, 0.04, STEEL, y)
        _wheel(solid, -0.32, 0.17, 0.04, STEEL, y)
        solid.part()
        solid.limb((0.34, y, 0.16), (-0.4, y, 0.72), 0.028, STEEL)
        solid.limb((-0.32, y, 0.17), (0.3, y, 0.56), 0.028, STEEL)
        solid.limb((-0.4, y, 0.72), (-0.66, y, 1.04), 0.028, STEEL)
    solid.part()
    solid.limb((-0.66, 0.26, 1.05), (-0.66, -0.26, 1.05), 0.045, RUBBER)
    solid.part()
    loop = [(0.36, 0.4, 0.22), (0.5, 0.66, 0.27), (-0.34, 0.68, 0.27), (-0.28, 0.36, 0.22)]
    inside = (250, 236, 214)
    solid.loft(loop, paint, (paint, inside, paint))
    solid.ball((0.02, 0, 0.66), 0.1, (238, 204, 176))
    solid.part()
    angles = np.linspace(0.12 * np.pi, 1.0 * np.pi, 7)
    centre = (-0.08, 0.66)
    arch = [
        (centre[0] + 0.36 * float(np.cos(a)), centre[1] + 0.4 * float(np.sin(a))) for a in angles
    ]
    hood = [shade(paint, 1.15 if step % 2 else 0.8) for step in range(len(arch) - 1)]
    solid.loft([(x, z, 0.27) for x, z in [*arch]], shade(paint, 0.95), hood)
    return solid.build(1.2, 0.6)


def cart(rng: np.random.Generator) -> Model:
    """A shopping cart: a wire basket on legs with a red handle and some goods in it."""
    handle = pick(rng, ((226, 40, 40), (226, 40, 40), (240, 120, 30)))
    solid = Solid()
    for x, y in ((0.38, 0.22), (0.38, -0.22), (-0.32, 0.24), (-0.32, -0.24)):
        solid.part()
        solid.limb((x, y, 0.07), (x + 0.01, y, 0.07), 0.075, RUBBER)
        solid.limb((x, y, 0.12), (-0.36, y, 0.5), 0.03, STEEL)
    solid.part()
    loop = [(0.46, 0.48, 0.22), (0.6, 0.96, 0.25), (-0.46, 1.0, 0.31), (-0.36, 0.46, 0.27)]
    wire, inside = (204, 210, 216), (112, 118, 124)
    solid.loft(loop, (150, 157, 164), ((150, 157, 164), inside, wire))
    for z in (0.58, 0.68, 0.78, 0.88):
        share = (z - 0.48) / 0.5
        outline = [(0.46 + 0.13 * share, z), (-0.36 - 0.09 * share, z)]
        outline += [(x, z + 0.035) for x, _ in reversed(outline)]
        solid.side(outline, 0.262, wire, (0.47, 1.0, 0.292))
    for step in range(1, 7):
        x = 0.42 - 0.13 * step
        solid.side([(x, 0.48), (x + 0.03, 0.48), (x + 0.03, 0.97), (x, 0.97)], 0.262, wire)
    if rng.random() < 0.7:
        solid.part()
        for x, y in ((0.3, 0.08), (0.05, -0.08), (-0.2, 0.08)):
            goods = pick(rng, ((240, 210, 60), (230, 80, 60), (90, 180, 90), (70, 130, 220)))
            solid.limb((x, y, 0.9), (x, y, 1.04), 0.11, goods)
    solid.part()
    solid.limb((-0.46, 0.3, 1.0), (-0.64, 0.3, 1.06), 0.03, STEEL)
    solid.limb((-0.46, -0.3, 1.0), (-0.64, -0.3, 1.06), 0.03, STEEL)
    solid.limb((-0.64, 0.32, 1.07), (-0.64, -0.32, 1.07), 0.055, handle)
    return solid.build(1.25, 0.65)
