import os

import cv2
import numpy
import PIL.Image
import pytest

from parkdet.errors import UserError
from parkdet.inference.letterbox import GREY, image_size, load_picture, padded_shape


def _write(path, width, height, colour=(10, 200, 90)):
    PIL.Image.new("RGB", (width, height), colour).save(path)
    return path


@pytest.mark.parametrize(
    ("width", "height", "imgsz", "stride", "shape"),
    [
        (1920, 1080, 1536, 64, (896, 1600)),
        (1080, 1920, 1536, 64, (1600, 896)),
        (1920, 1080, 1536, 32, (896, 1568)),
        (640, 640, 640, 32, (672, 672)),
        (100, 1, 64, 32, (32, 96)),
    ],
)
def test_padded_shape_is_that_of_yolov5_val(width, height, imgsz, stride, shape):
    assert padded_shape(width, height, imgsz, stride) == shape


@pytest.mark.parametrize(("width", "height"), [(160, 90), (47, 31), (31, 47), (64, 64)])
def test_boxes_come_back_to_source_pixels(width, height, tmp_path):
    path = _write(tmp_path / "a.png", width, height)
    picture = load_picture(path, 64, padded_shape(width, height, 64, 32))
    inside = (picture.pixels != GREY).any(2).nonzero()
    rows, columns = inside
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    found = picture.to_source(numpy.array([edges], dtype=numpy.float32))[0]
    # Sides are rounded up to whole scaled pixels, and padding to halves of them.
    allowed = 1.5 * max(width, height) / 64
    assert found == pytest.approx([0, 0, width, height], abs=allowed)


def test_boxes_are_clipped_to_the_image(tmp_path):
    picture = load_picture(_write(tmp_path / "a.png", 160, 90), 64, (64, 96))
    found = picture.to_source(numpy.array([[-50, -50, 500, 500]], dtype=numpy.float32))
    assert found.tolist() == [[0, 0, 160, 90]]


def test_colours_are_rgb_and_padding_grey(tmp_path):
    picture = load_picture(_write(tmp_path / "a.png", 64, 64), 64, (96, 96))
    assert picture.pixels[48, 48].tolist() == [10, 200, 90]
    assert picture.pixels[0, 0].tolist() == [GREY] * 3


def test_names_in_any_script(tmp_path):
    path = _write(tmp_path / "20201102_경기도_맑음_주간_000079_0088055.png", 20, 10)
    assert image_size(path) == (20, 10)
    assert load_picture(path, 64, (64, 96)).size == (20, 10)


def test_size_of_an_image_turned_by_exif(tmp_path):
    path = tmp_path / "a.jpg"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (40, 20)).save(path, exif=exif)
    assert image_size(path) == (20, 40)
    assert load_picture(path, 64, padded_shape(20, 40, 64, 32)).size == (20, 40)


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_unreadable_image_is_named(content, tmp_path):
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    for read in (image_size, lambda path: load_picture(path, 64, (96, 96))):
        with pytest.raises(UserError, match=r"broken\.png"):
            read(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_not_a_regular_file_is_named_and_not_waited_for(make, tmp_path):
    make(tmp_path / "odd.png")
    with pytest.raises(UserError, match=r"odd\.png"):
        image_size(tmp_path / "odd.png")


def test_truncated_pixels_are_named(tmp_path):
    path = tmp_path / "cut.png"
    noise = numpy.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=numpy.uint8)
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"cut\.png.*data\.verify: full.*--verify full"):
        load_picture(path, 64, (96, 96))


def test_size_that_differs_from_the_header_is_an_error(tmp_path):
    with pytest.raises(UserError, match="another size"):
        load_picture(_write(tmp_path / "a.png", 90, 160), 64, (64, 32))
