"""Recordings: who is in them and how they move."""

from itertools import combinations

import numpy as np
import pytest

from parkdet.demo.placing import apart
from parkdet.demo.scene import CLASSES, KINDS, Scene, compose, deal

SIZE = (640, 384)


@pytest.fixture
def scene() -> Scene:
    cast = dict.fromkeys(CLASSES, 1)
    return compose(np.random.default_rng(3), cast, 5, SIZE)


def test_every_class_is_dealt_its_rate_however_rare_it_is() -> None:
    casts = deal(np.random.default_rng(0), 20)
    for label, kind in KINDS.items():
        assert sum(cast.get(label, 0) for cast in casts) == int(np.ceil(20 * kind.rate))


def test_no_recording_gets_a_bus_and_a_school_bus() -> None:
    casts = deal(np.random.default_rng(0), 20)
    assert not any({"bus", "school bus"} <= set(cast) for cast in casts)


def test_rare_classes_are_rare() -> None:
    for label in ("bus", "school bus", "taxi", "kickboard", "stroller", "cart"):
        assert KINDS["sedan"].rate >= 5 * KINDS[label].rate


def test_most_of_the_cast_finds_a_place(scene: Scene) -> None:
    assert {actor.label for actor in scene.actors} >= {"adult", "bus", "sedan", "cart"}
    assert len(scene.actors) >= 10


def test_parked_things_stay_put_and_moving_ones_move_forward(scene: Scene) -> None:
    for actor in scene.actors:
        first, second = actor.at(0), actor.at(1)
        way = np.array((second.x - first.x, second.y - first.y))
        forward = np.array((np.cos(actor.heading), np.sin(actor.heading)))
        assert way @ forward == pytest.approx(actor.step)
        assert (first is second) == (actor.step == 0)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_collides(seed: int) -> None:
    cast = deal(np.random.default_rng(seed), 1)[0]
    scene = compose(np.random.default_rng(seed), cast, 5, SIZE)
    for frame in range(5):
        for first, second in combinations(scene.frame(frame), 2):
            assert apart(first.footprint, second.footprint), (first.label, second.label)


def test_an_empty_cast_gives_an_empty_lot() -> None:
    assert compose(np.random.default_rng(0), {}, 4, SIZE).frame(0) == []


def test_the_kinds_differ_in_size() -> None:
    models = {label: kind.build(np.random.default_rng(1)) for label, kind in KINDS.items()}
    height = {label: float(model.points[:, 2].max()) for label, model in models.items()}
    assert height["child"] < 0.75 * height["adult"]
    assert height["sedan"] < height["SUV"] < height["van"] < height["truck"] < height["bus"]
    assert height["taxi"] > height["sedan"]
    assert max(models, key=lambda label: models[label].size[0]) == "bus"
