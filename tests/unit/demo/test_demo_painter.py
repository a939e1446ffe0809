"""What is painted, and how the boxes are derived from it."""

import numpy as np
import pytest

from parkdet.demo.camera import Camera
from parkdet.demo.light import Light, daylight
from parkdet.demo.painter import arrange, paint_objects
from parkdet.demo.placing import Placed
from parkdet.demo.solid import Solid

# level, 5 m up, 100 px per metre at 10 m: the ground 10 m away is far below the image
CAMERA = Camera(400, 200, 1000.0, (0.0, 0.0, 5.0), 0.0, 0.0)


@pytest.fixture
def light() -> Light:
    return daylight(np.random.default_rng(0), "흐림")


def wall(label: str, x: float, y: float, width: float = 1.0, height: float = 5.5) -> Placed:
    """A thin upright board that faces the camera, its top half a metre above the lens."""
    solid = Solid()
    solid.block((-width / 2, width / 2), 0.01, (4.6, height), (220, 120, 40))
    return Placed(label, solid.build(width, 0.02), x, y, 0.0)


def boxes(*objects: Placed) -> dict[str, tuple[float, float, float, float]]:
    return {seen.label: seen.box for _, _, seen in arrange(objects, CAMERA, {})}


def test_a_box_has_the_size_and_position_of_the_projection() -> None:
    x, y, w, h = boxes(wall("bus", 0.0, 10.01))["bus"]
    assert (x, y, w, h) == pytest.approx((150, 50, 100, 90), abs=0.7)


def test_boxes_enclose_exactly_the_painted_pixels(light: Light) -> None:
    shown = arrange([wall("bus", 0.55, 12.0)], CAMERA, {})
    cover = paint_objects(shown, CAMERA, light).cover[..., 0]
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    x, y, w, h = shown[0].seen.box
    assert (np.floor(x), np.floor(y)) == (columns[0], rows[0])
    assert (np.ceil(x + w), np.ceil(y + h)) == (columns[-1] + 1, rows[-1] + 1)


def test_a_nearer_object_shrinks_the_box_of_what_it_hides() -> None:
    alone = boxes(wall("sedan", 0.0, 20.0))["sedan"]
    both = boxes(wall("sedan", 0.0, 20.0), wall("bus", 0.5, 10.0))
    assert both["sedan"][0] == alone[0]
    assert both["sedan"][2] == pytest.approx(alone[2] / 2, abs=1)
    assert both["bus"] == boxes(wall("bus", 0.5, 10.0))["bus"]


def test_what_is_mostly_hidden_is_left_out_and_hides_nothing() -> None:
    front = wall("bus", 0.3, 10.0)
    hidden, behind = wall("sedan", 0.1, 20.0), wall("taxi", -0.1, 30.0)
    found = boxes(front, hidden, behind)
    assert set(found) == set(boxes(front, behind))
    assert "sedan" not in found


def test_a_box_ends_at_the_edge_of_the_image() -> None:
    x, _, w, _ = boxes(wall("bus", 2.0, 10.0))["bus"]
    assert x + w == 400
    assert w == pytest.approx(50, abs=1)


def test_what_is_mostly_outside_the_image_is_left_out() -> None:
    assert boxes(wall("bus", 2.3, 10.0)) == {}


def test_what_is_too_small_to_recognise_is_left_out() -> None:
    assert boxes(wall("bus", 0.0, 10.0, width=0.03)) == {}


def test_faces_towards_the_sun_are_brighter(light: Light) -> None:
    normals = np.array([light.sun, -light.sun])
    bright, dark = light.on_faces(normals, np.zeros(2))
    assert (bright > dark).all()
