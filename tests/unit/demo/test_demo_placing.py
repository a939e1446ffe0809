"""Objects on the ground: collisions, and which hides which."""

import numpy as np
import pytest

from parkdet.demo.placing import Footprint, Placed, apart, far_to_near, hides
from parkdet.demo.solid import Solid

EYE = (0.0, 0.0)


def placed(x: float, y: float, length: float = 1.0, width: float = 1.0) -> Placed:
    solid = Solid()
    solid.block((-length / 2, length / 2), width / 2, (0, 1), (200, 0, 0))
    return Placed("sedan", solid.build(length, width), x, y, 0.0)


def test_rectangles_closer_than_the_margin_are_not_apart() -> None:
    first = Footprint(0, 0, 0, 4, 2)
    second = Footprint(4.5, 0, 0, 4, 2)
    assert apart(first, second)
    assert apart(first, second, margin=0.45)
    assert not apart(first, second, margin=0.55)


def test_turned_rectangles_are_apart_where_their_corners_pass_each_other() -> None:
    first = Footprint(0, 0, 0, 2, 2)
    assert apart(first, Footprint(2.0, 2.0, np.pi / 4, 2, 2))
    assert not apart(first, Footprint(1.5, 1.5, np.pi / 4, 2, 2))


def test_corners_are_half_a_length_and_half_a_width_from_the_centre() -> None:
    corners = Footprint(1, 2, np.pi / 2, 4, 2).corners()
    assert np.allclose(sorted(map(tuple, corners)), [(0, 0), (0, 4), (2, 0), (2, 4)])


@pytest.mark.parametrize("x", [-4.0, 0.0, 4.0])
def test_someone_in_front_of_a_long_bus_hides_it_anywhere_along_it(x: float) -> None:
    bus, person = Footprint(0, 14, 0, 9, 2.5), Footprint(x, 12.4, 0, 0.5, 0.5)
    assert hides(person, bus, EYE)
    assert not hides(bus, person, EYE)


@pytest.mark.parametrize("x", [-4.0, 0.0, 4.0])
def test_a_long_bus_hides_someone_behind_it_though_its_middle_may_be_farther(x: float) -> None:
    bus, person = Footprint(0, 14, 0, 9, 2.5), Footprint(x, 15.6, 0, 0.5, 0.5)
    assert hides(bus, person, EYE)
    assert not hides(person, bus, EYE)


def test_far_to_near_puts_an_object_after_those_it_hides() -> None:
    back, bus, front = placed(4.0, 15.6), placed(0, 14, 9, 2.5), placed(4.2, 12.4)
    assert far_to_near([front, bus, back], EYE) == [back, bus, front]
