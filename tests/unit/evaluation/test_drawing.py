"""Draws detections on images."""

import cv2
import numpy as np
import pytest

from parkdet.errors import UserError
from parkdet.evaluation.drawing import draw_images, write_picture
from parkdet.inference.sources import Category, ImageEntry, ImageList
from parkdet.submission.records import Detection

TRUTH = ImageList(
    images=[ImageEntry(7, "주차장.png"), ImageEntry(9, "b.png")], categories=[Category(3, "van")]
)


@pytest.fixture
def folder(tmp_path):
    for image, height in zip(TRUTH.images, (60, 40), strict=True):
        picture = np.zeros((height, 80, 3), np.uint8)
        cv2.imencode(".png", picture)[1].tofile(tmp_path / image.file_name)
    return tmp_path


def test_boxes_are_drawn_on_their_own_image_only(folder):
    detections = [Detection(image_id=7, category_id=3, bbox=(10, 30, 40, 20), score=0.9)]
    picture = draw_images(TRUTH, folder, detections, [7, 9])
    assert picture.shape == (60, 160, 3)
    assert picture[40, 10].any() and picture[50, 30].any()
    assert not picture[:40, 80:].any()


@pytest.mark.parametrize("bbox", [(1e308, 0, 1e308, 5), (-1e300, -1e300, 2e300, 2e300)])
def test_enormous_boxes_are_clipped(folder, bbox):
    assert draw_images(TRUTH, folder, [Detection(7, 3, bbox, 0.9)], [7]).shape == (60, 80, 3)


def test_an_unknown_image_is_named(folder):
    with pytest.raises(UserError, match="id 8"):
        draw_images(TRUTH, folder, [], [8])


def test_a_file_that_is_not_an_image_is_named(folder):
    (folder / "b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"b\.png"):
        draw_images(TRUTH, folder, [], [9])


def test_a_picture_has_the_format_of_its_suffix(folder):
    write_picture(folder / "out.jpg", np.zeros((4, 4, 3), np.uint8))
    assert (folder / "out.jpg").read_bytes().startswith(b"\xff\xd8")
    with pytest.raises(UserError, match="suffix"):
        write_picture(folder / "out.txt", np.zeros((4, 4, 3), np.uint8))
