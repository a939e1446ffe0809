"""Images scaled and padded for a detector, and its boxes mapped back to their source pixels."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy
import PIL.Image

from parkdet.data.images import is_turned
from parkdet.inference.sources import UnreadableImage

GREY = 114
PADDING = 0.5  # strides that yolov5's val adds before it rounds up


@dataclass(frozen=True)
class Picture:
    """A scaled and padded image, and where the source image lies in it."""

    pixels: numpy.ndarray
    """(height, width, 3) uint8, RGB."""
    gain: float
    """Scaled pixels per source pixel."""
    left: float
    """Padding on the left in scaled pixels."""
    top: float
    """Padding above in scaled pixels."""
    size: tuple[int, int]
    """Width and height of the source image."""

    def to_source(self, boxes: numpy.ndarray) -> numpy.ndarray:
        """Maps boxes, (n, 4) left, top, right, bottom, to source pixels, clipped to the image."""
        shift = numpy.array([self.left, self.top] * 2, dtype=numpy.float32)
        limit = numpy.array(self.size * 2, dtype=numpy.float32)
        return ((boxes - shift) / numpy.float32(self.gain)).clip(0, limit)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the decoded image, from the header alone.

    Raises:
        UnreadableImage: the file is missing or not an image.
    """
    try:
        if not path.is_file():
            raise OSError("no regular file")  # opening a pipe may block forever
        with PIL.Image.open(path) as image:
            return image.size[::-1] if is_turned(image) else image.size
    except Exception as error:  # a damaged file can make an image library raise nearly anything
        raise _unreadable(path) from error


def _unreadable(path: Path) -> UnreadableImage:
    return UnreadableImage(
        path,
        f"Cannot read the image {path}: it is missing or damaged. Restore the file, or prepare the "
        "data set again with data.verify: full (prepare_dataset.py --verify full), which decodes "
        "every image and marks damaged ones beforehand.",
    )


def padded_shape(width: int, height: int, imgsz: int, stride: int) -> tuple[int, int]:
    """Height and width in pixels that an image is padded to; they depend on that image alone.

    The long side is scaled to ``imgsz``, half a stride of padding is added, and both sides are
    rounded up to a multiple of ``stride``, as yolov5's val does for a batch of one image:
    1920 x 1080 at 1536 with stride 64 becomes 1600 x 896.
    """
    aspect = height / width
    sides = (aspect, 1) if aspect < 1 else (1, 1 / aspect)
    tall, wide = (math.ceil(side * imgsz / stride + PADDING) * stride for side in sides)
    return tall, wide


def load_picture(path: Path, imgsz: int, shape: tuple[int, int]) -> Picture:
    """Decodes an image, scales its long side to ``imgsz`` and centres it on grey.

    Shrinks by area, enlarges linearly, rounds the sides up, and the padding as yolov5's val does.

    Args:
        shape: height and width to pad to, from ``padded_shape``.

    Raises:
        UnreadableImage: the file cannot be decoded, or its size is not the one in its header.
    """
    image = _decode(path)
    height, width = image.shape[:2]
    ratio = imgsz / max(height, width)
    if ratio != 1:
        size = math.ceil(width * ratio), math.ceil(height * ratio)
        how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, size, interpolation=how)
    tall, wide = image.shape[:2]
    if tall > shape[0] or wide > shape[1]:
        raise UnreadableImage(
            path, f"The image {path} decodes to another size than its header states. Repair it."
        )
    left, top = (shape[1] - wide) / 2, (shape[0] - tall) / 2
    row, column = round(top - 0.1), round(left - 0.1)
    pixels = numpy.full((*shape, 3), GREY, dtype=numpy.uint8)
    pixels[row : row + tall, column : column + wide] = image
    # As in yolov5: the gain of the height for both directions, and the padding before rounding.
    return Picture(pixels, tall / height, left, top, (width, height))


def _decode(path: Path) -> numpy.ndarray:
    """Pixels of an image file, (height, width, 3) uint8, RGB; the file may have any name."""
    try:
        image = cv2.imdecode(numpy.fromfile(path, dtype=numpy.uint8), cv2.IMREAD_COLOR_RGB)
    except (OSError, cv2.error) as error:
        raise _unreadable(path) from error
    if image is None:
        raise _unreadable(path)
    return image
