"""Models of people: adults and children, standing, walking or riding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from parkdet.demo.cars import pick
from parkdet.demo.solid import Colour, Model, Solid, shade

SKIN: tuple[Colour, ...] = ((238, 200, 170), (228, 186, 152), (214, 170, 136))
HAIR: tuple[Colour, ...] = ((34, 28, 26), (58, 42, 34), (24, 24, 28))
COATS: tuple[Colour, ...] = (
    (52, 62, 84),
    (120, 44, 52),
    (74, 84, 70),
    (226, 224, 216),
    (92, 72, 60),
    (60, 110, 150),
)
TROUSERS: tuple[Colour, ...] = ((40, 44, 56), (66, 76, 96), (90, 84, 74), (30, 30, 34))
CHILD_COATS: tuple[Colour, ...] = ((244, 110, 150), (90, 200, 230), (130, 210, 90), (250, 90, 80))
BACKPACKS: tuple[Colour, ...] = ((255, 226, 40), (255, 214, 20))


class Body(NamedTuple):
    """Proportions in metres: height of hip, shoulder and head centre, radii, and the colours."""

    hip: float
    shoulder: float
    head: float
    head_radius: float
    half_width: float
    coat: Colour
    trousers: Colour
    skin: Colour
    hair: Colour


def adult_body(rng: np.random.Generator) -> Body:
    """An adult about 1.75 m tall."""
    looks = (pick(rng, COATS), pick(rng, TROUSERS), pick(rng, SKIN), pick(rng, HAIR))
    return Body(0.88, 1.42, 1.63, 0.125, 0.2, *looks)


def child_body(rng: np.random.Generator) -> Body:
    """A child about 1.15 m tall, with a head large for its size."""
    looks = (pick(rng, CHILD_COATS), pick(rng, TROUSERS), pick(rng, SKIN), pick(rng, HAIR))
    return Body(0.46, 0.8, 1.0, 0.165, 0.17, *looks)


def _torso(solid: Solid, body: Body, hip: Sequence[float], lean: float) -> float:
    """Trunk and head above a hip point; returns the x of the shoulders."""
    x, _, z = hip
    rise = body.shoulder - body.hip
    top_x, top_z = x + lean * rise, z + rise
    solid.part()
    for hand in (1, -1):
        low, high = (x, hand * 0.07, z), (top_x, hand * (body.half_width - 0.1), top_z - 0.06)
        solid.limb(low, high, 0.115, body.coat, 0.125)
    solid.part()
    neck = body.head - body.shoulder
    centre = (top_x + 0.02 + lean * neck, 0.0, top_z + neck)
    solid.limb((top_x, 0, top_z), centre, 0.05, body.skin)
    solid.ball(centre, body.head_radius, body.skin)
    solid.part()
    crown = (centre[0] - 0.035, 0.0, centre[2] + 0.045)
    solid.ball(crown, body.head_radius * 0.98, body.hair)
    return top_x


def _arms(solid: Solid, body: Body, shoulder: Sequence[float], reach: Sequence[float]) -> None:
    """Both arms, from the shoulders to hands at x reach[0] (left), reach[1] (right), z reach[2]."""
    x, z = shoulder
    for hand, end in ((1, reach[0]), (-1, reach[1])):
        solid.part()
        y = hand * (body.half_width + 0.02)
        start, wrist = (x, y, z - 0.06), (end, y * 1.05, reach[2])
        solid.limb(start, wrist, 0.062, shade(body.coat, 0.9), 0.05)
        solid.ball(wrist, 0.055, body.skin)


def _legs(solid: Solid, body: Body, stride: float) -> None:
    for hand in (1, -1):
        solid.part()
        foot = (hand * stride * body.hip * 0.42, hand * 0.1, 0.07)
        solid.limb((0, hand * 0.09, body.hip), foot, 0.1, body.trousers, 0.065)
        toe = (foot[0] + 0.12, foot[1], 0.05)
        solid.limb((foot[0], foot[1], 0.05), toe, 0.055, (236, 236, 232))


def walker(body: Body, phase: float, backpack: Colour | None = None, push: bool = False) -> Model:
    """A person on foot.

    Args:
        phase: phase of the stride, -1 to 1; 0 is standing.
        backpack: colour of the backpack; None for no backpack.
        push: whether the hands hold a handle in front.
    """
    solid = Solid()
    _legs(solid, body, phase)
    x = _torso(solid, body, (0, 0, body.hip), 0.06)
    swing = 0.55 * phase * (body.shoulder - body.hip)
    reach = (0.42, 0.42, body.hip + 0.14) if push else (-swing, swing, body.hip - 0.02)
    _arms(solid, body, (x, body.shoulder), reach)
    if backpack:
        solid.part()
        low, high = body.hip + 0.05, body.shoulder - 0.02
        for hand in (1, -1):
            bottom = (-0.2, hand * 0.08, low)
            solid.limb(bottom, (-0.19, hand * 0.07, high), 0.135, backpack, 0.12)
        solid.limb((-0.33, -0.07, low + 0.07), (-0.33, 0.07, low + 0.07), 0.05, (240, 90, 60))
    return solid.build(0.5, 0.5)


def adult(rng: np.random.Generator, phase: float = 0.4, push: bool = False) -> Model:
    """An adult on foot."""
    return walker(adult_body(rng), phase, push=push)


def child(rng: np.random.Generator, phase: float = 0.4) -> Model:
    """A child with a bright backpack and often a cap of the same colour."""
    body = child_body(rng)
    backpack = pick(rng, BACKPACKS)
    if rng.random() < 0.6:
        body = body._replace(hair=backpack)
    return walker(body, phase, backpack)


def rider(
    solid: Solid,
    body: Body,
    seat: Sequence[float],
    feet: Sequence[float],
    grips: Sequence[float],
    helmet: Colour,
    lean: float,
) -> None:
    """Adds a person on a two-wheeler to a solid.

    Args:
        seat: (x, z) of the hip.
        feet: (x, z) of both feet.
        grips: (x, z) of the handlebar.
        lean: how far the trunk leans forward, metres per metre.
    """
    for hand in (1, -1):
        solid.part()
        hip, foot = (seat[0], hand * 0.1, seat[1]), (feet[0], hand * 0.13, feet[1])
        bend = 0.22 if seat[1] < 0.85 else 0.05
        knee = ((hip[0] + foot[0]) / 2 + bend, hand * 0.16, (hip[2] + foot[2]) / 2 + bend / 2)
        solid.limb(hip, knee, 0.1, body.trousers, 0.08)
        solid.limb(knee, foot, 0.08, body.trousers, 0.06)
        solid.limb(foot, (foot[0] + 0.12, foot[1], foot[2] - 0.02), 0.05, (40, 40, 44))
    x = _torso(solid, body._replace(hair=helmet), (seat[0], 0, seat[1]), lean)
    shoulder = seat[1] + body.shoulder - body.hip
    _arms(solid, body, (x, shoulder), (grips[0], grips[0], grips[1]))
