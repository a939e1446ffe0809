"""What happens in a recording: the lot, the camera, the light and what stands or moves where."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from parkdet.demo import cars, heavy, people, wheeled
from parkdet.demo.camera import Camera
from parkdet.demo.light import Light, daylight, lamplight
from parkdet.demo.lot import Lot, plan_lot
from parkdet.demo.placing import Footprint, Placed, apart
from parkdet.demo.solid import Model

SECONDS_A_FRAME = 0.4


class Kind(NamedTuple):
    """How objects of a class appear.

    Attributes:
        rate: expected number per recording.
        build: makes a model from a generator and further options that depend on the kind.
        places: where it may be: "bay", "lane" or "walk", drawn with equal probability.
        speed: metres per second when it moves.
    """

    rate: float
    build: Callable[..., Model]
    places: tuple[str, ...]
    speed: float


KINDS: dict[str, Kind] = {
    "sedan": Kind(2.6, cars.sedan, ("bay", "bay", "bay", "lane"), 2.5),
    "SUV": Kind(1.6, cars.suv, ("bay", "bay", "bay", "lane"), 2.5),
    "van": Kind(0.9, cars.van, ("bay", "bay", "bay", "lane"), 2.5),
    "bus": Kind(0.36, heavy.bus, ("lane",), 2.0),
    "school bus": Kind(0.36, heavy.school_bus, ("lane",), 2.0),
    "truck": Kind(0.6, heavy.truck, ("bay", "lane"), 2.0),
    "taxi": Kind(0.5, cars.taxi, ("bay", "lane"), 2.5),
    "adult": Kind(1.5, people.adult, ("walk",), 1.2),
    "child": Kind(0.65, people.child, ("walk",), 1.0),
    "motorcycle": Kind(0.55, wheeled.motorcycle, ("walk",), 2.2),
    "kickboard": Kind(0.45, wheeled.kickboard, ("walk",), 1.8),
    "bicycle": Kind(0.55, wheeled.bicycle, ("walk",), 1.8),
    "stroller": Kind(0.45, wheeled.stroller, ("walk",), 1.0),
    "cart": Kind(0.45, wheeled.cart, ("walk",), 1.0),
}
CLASSES = tuple(KINDS)
_COACHES = ("bus", "school bus")
_TALL = ("van", "truck")  # not in a row right in front of the camera
_RIDDEN = ("motorcycle", "kickboard", "bicycle")
_PUSHED = ("stroller", "cart")
_ORDER = ("bus", "school bus", "truck", "stroller", "cart", "kickboard", "bicycle")
_ORDER += ("motorcycle", "child", "adult", "taxi", "van", "SUV", "sedan")


@cache
def _size(label: str) -> tuple[float, float]:
    """Length and width, in metres, of the ground that an object of a class needs."""
    return KINDS[label].build(np.random.default_rng(0)).size


@dataclass(frozen=True)
class Actor:
    """One object of a recording.

    Attributes:
        label: its class.
        seed: decides its looks, the same in every frame.
        options: options for the kind's ``build``.
        x, y, heading: pose in the first frame; metres, radians from x to y.
        step: metres it moves forward from frame to frame.
        lit: whether its lamps are on and light the road.
    """

    label: str
    seed: int
    options: dict[str, bool]
    x: float
    y: float
    heading: float
    step: float
    lit: bool

    @cached_property
    def _model(self) -> Model:
        return self._build({})

    def _build(self, further: dict[str, float]) -> Model:
        rng = np.random.default_rng(self.seed)
        return KINDS[self.label].build(rng, **self.options, **further)

    def at(self, frame: int) -> Placed:
        """The actor in frame 0, 1, ...; walking people swing their legs.

        An actor that stands still gives the same object in every frame.
        """
        return self._moved(frame) if self.step else self._standing

    @cached_property
    def _standing(self) -> Placed:
        return Placed(self.label, self._model, self.x, self.y, self.heading, self.lit)

    def _moved(self, frame: int) -> Placed:
        model = self._model
        if self.label in ("adult", "child"):
            model = self._build({"phase": float(np.sin(1.9 * frame + self.seed % 7))})
        x = self.x + self.step * frame * float(np.cos(self.heading))
        y = self.y + self.step * frame * float(np.sin(self.heading))
        return Placed(self.label, model, x, y, self.heading, self.lit)

    def track(self, frames: int) -> Footprint:
        """All the ground it covers within that many frames."""
        length, width = _size(self.label)
        way = self.step * (frames - 1)
        middle_x = self.x + way / 2 * float(np.cos(self.heading))
        middle_y = self.y + way / 2 * float(np.sin(self.heading))
        return Footprint(middle_x, middle_y, self.heading, length + way, width)


@dataclass(frozen=True)
class Scene:
    """A recording's lot, camera, light and actors."""

    lot: Lot
    camera: Camera
    light: Light
    actors: tuple[Actor, ...]

    def frame(self, number: int) -> list[Placed]:
        """All objects in frame ``number``."""
        return [actor.at(number) for actor in self.actors]


def compose(
    rng: np.random.Generator, cast: dict[str, int], frames: int, size: tuple[int, int]
) -> Scene:
    """Sets up a scene.

    Args:
        cast: how many objects of each class to place; those that find no room are left out.
        frames: frames of the recording, during which moving objects must not collide.
        size: width and height of the images in pixels.
    """
    lot = plan_lot(rng, coaches=any(cast.get(label) for label in _COACHES))
    camera = _camera(rng, size)
    weather = rng.choice(["맑음", "흐림", "비"], p=[0.6, 0.25, 0.15])
    night = rng.random() < 0.28
    light = lamplight(rng, weather, lot.lamps) if night else daylight(rng, weather)
    stage = _Stage(rng, lot, camera, light, frames)
    for label in _ORDER:
        for _ in range(cast.get(label, 0)):
            stage.add(label)
    return Scene(lot, camera, light, tuple(stage.actors))


def _camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    width, height = size
    position = (float(rng.uniform(-1, 1)), 0.0, float(rng.uniform(5.6, 7.2)))
    yaw, pitch = float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.31, 0.36))
    return Camera(width, height, width * float(rng.uniform(1.02, 1.14)), position, yaw, pitch)


class _Stage:
    """Places actors one by one where they are visible and collide with nothing."""

    def __init__(
        self, rng: np.random.Generator, lot: Lot, camera: Camera, light: Light, frames: int
    ) -> None:
        self.rng, self.lot, self.camera, self.light = rng, lot, camera, light
        self.frames = frames
        self.actors: list[Actor] = []
        self.tracks: list[Footprint] = []

    def add(self, label: str, tries: int = 40) -> None:
        """Adds an actor and, for a pushed thing that moves, the adult behind it."""
        kind = KINDS[label]
        for _ in range(tries):
            place = str(self.rng.choice(kind.places))
            actor = self._propose(label, place)
            group = [actor, *self._pusher(actor)]
            if all(self._fits(member) for member in group):
                self.actors += group
                self.tracks += [member.track(self.frames) for member in group]
                return

    def _propose(self, label: str, place: str) -> Actor:
        seed = int(self.rng.integers(2**31))
        x, y, heading, moving = getattr(self, f"_in_{place}")(label)
        if label in _PUSHED:
            moving = moving and self.rng.random() < 0.6
        options = {}
        if label in _RIDDEN:
            ridden = moving or self.rng.random() < 0.4
            options["ridden"] = bool(ridden)
        lit = self.light.night and moving and label not in ("adult", "child", *_PUSHED)
        if lit:
            options["lit"] = True
        step = KINDS[label].speed * SECONDS_A_FRAME if moving else 0.0
        return Actor(label, seed, options, x, y, heading, step, lit)

    def _in_bay(self, label: str) -> tuple[float, float, float, bool]:
        rows = self.lot.rows[-1:] if label in _TALL else self.lot.rows
        row = rows[self.rng.integers(len(rows))]
        bay = row.bay(int(self.rng.integers(-8, 8)))
        turn = np.pi if self.rng.random() < 0.6 else 0.0
        heading = bay.heading + turn + self.rng.normal(0, 0.02)
        x, y = bay.x + self.rng.normal(0, 0.07), bay.y + self.rng.normal(0, 0.1)
        return float(x), float(y), float(heading), False

    def _in_lane(self, label: str) -> tuple[float, float, float, bool]:
        lane = int(self.rng.integers(len(self.lot.lanes)))
        y = self.lot.lanes[lane] + self.rng.normal(0, 0.1)
        heading = 0.0 if self.rng.random() < 0.5 else np.pi
        moving = self.rng.random() < 0.75
        return self._x_in_view(y), float(y), heading + float(self.rng.normal(0, 0.02)), moving

    def _in_walk(self, label: str) -> tuple[float, float, float, bool]:
        near, far = self.lot.walks[self.rng.integers(len(self.lot.walks))]
        y = float(self.rng.uniform(near, far))
        side = 0.0 if self.rng.random() < 0.5 else np.pi
        heading = side + float(self.rng.normal(0, 0.45))
        return self._x_in_view(y), y, heading, self.rng.random() < 0.65

    def _x_in_view(self, y: float) -> float:
        """An x at which the ground at ``y`` is in the image."""
        camera = self.camera
        half = y * camera.width / camera.focal / 2 * 0.95
        middle = camera.position[0] + y * np.tan(camera.yaw)
        return float(middle + self.rng.uniform(-half, half) / np.cos(camera.yaw))

    def _pusher(self, actor: Actor) -> list[Actor]:
        if actor.label not in _PUSHED or not actor.step:
            return []
        x = actor.x - 1.02 * float(np.cos(actor.heading))
        y = actor.y - 1.02 * float(np.sin(actor.heading))
        seed = int(self.rng.integers(2**31))
        return [Actor("adult", seed, {"push": True}, x, y, actor.heading, actor.step, False)]

    def _fits(self, actor: Actor) -> bool:
        middle = actor.track(self.frames)
        if not self.camera.sees(middle.x, middle.y):
            return False
        pushed = actor.options.get("push", False)
        others = self.tracks
        return pushed or all(apart(middle, other, 0.25) for other in others)


def deal(rng: np.random.Generator, recordings: int) -> list[dict[str, int]]:
    """Distributes the objects of all kinds over recordings, so that even rare ones appear.

    Buses and school buses go to different recordings: two of them would hide everything else.
    """
    casts: list[dict[str, int]] = [{} for _ in range(recordings)]
    coaches = rng.permutation(recordings)
    for label, kind in KINDS.items():
        total = int(np.ceil(kind.rate * recordings))
        for turn in range(0, total, recordings):
            order = rng.permutation(recordings)
            if label in _COACHES:
                order = coaches if label == _COACHES[0] else coaches[::-1]
            for chosen in order[: total - turn]:
                casts[chosen][label] = casts[chosen].get(label, 0) + 1
    return casts
