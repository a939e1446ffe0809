"""The camera: metres to pixels and back."""

import numpy as np
import pytest

from parkdet.demo.camera import NEAREST, Camera


@pytest.fixture
def camera() -> Camera:
    return Camera(640, 384, 650.0, (0.5, 0.0, 6.0), 0.2, 0.33)


def test_ground_undoes_project(camera: Camera) -> None:
    places = np.array([(-3.0, 9.0), (0.0, 12.0), (5.0, 25.0)])
    pixels, _ = camera.project(np.column_stack((places, np.zeros(3))))
    assert np.allclose(camera.ground(pixels), places)


def test_points_ahead_project_to_the_middle_column_and_higher_ones_further_up() -> None:
    straight = Camera(640, 384, 650.0, (0.0, 0.0, 6.0), 0.0, 0.33)
    (low, high), _ = straight.project(np.array([(0.0, 15.0, 0.0), (0.0, 15.0, 2.0)]))
    assert low[0] == pytest.approx(320) == high[0]
    assert high[1] < low[1]


def test_things_twice_as_far_look_half_as_wide() -> None:
    level = Camera(640, 384, 650.0, (0.0, 0.0, 1.0), 0.0, 0.0)
    ends = np.array([(0.0, 10.0, 1.0), (1.0, 10.0, 1.0), (0.0, 20.0, 1.0), (1.0, 20.0, 1.0)])
    pixels, depth = level.project(ends)
    near, far = pixels[1, 0] - pixels[0, 0], pixels[3, 0] - pixels[2, 0]
    assert near == pytest.approx(2 * far) == pytest.approx(65.0)
    assert depth.tolist() == pytest.approx([10, 10, 20, 20])


def test_turning_right_moves_the_image_left(camera: Camera) -> None:
    point = np.array([(0.0, 15.0, 0.0)])
    left = Camera(640, 384, 650.0, (0.5, 0.0, 6.0), 0.3, 0.33)
    assert left.project(point)[0][0, 0] < camera.project(point)[0][0, 0]


def test_a_polygon_behind_the_camera_is_clipped_at_the_nearest_depth(camera: Camera) -> None:
    strip = np.array([(-1.0, -20.0, 0.0), (1.0, -20.0, 0.0), (1.0, 20.0, 0.0), (-1.0, 20.0, 0.0)])
    pixels = camera.project_polygon(strip)
    assert len(pixels) == 4
    assert np.isfinite(pixels).all()
    behind = strip - (0.0, 30.0, 0.0)
    assert camera.project_polygon(behind).shape == (0, 2)
    assert (camera.view(strip)[:, 2] < NEAREST).any()


def test_scaled_keeps_the_view(camera: Camera) -> None:
    point = np.array([(2.0, 14.0, 1.0)])
    assert np.allclose(camera.scaled(3).project(point)[0], 3 * camera.project(point)[0])


def test_sees_what_is_in_the_image(camera: Camera) -> None:
    assert camera.sees(2.0, 14.0)
    assert not camera.sees(-12.0, 9.0)
    assert not camera.sees(0.0, -5.0)
