"""Makes training pictures from images and boxes: mosaic or letterbox, warp, colour, flips.

Random numbers are drawn from the global generators in yolov5's order, so with the same seed a
picture equals yolov5's. Boxes are float32 arrays (n, 5): class, then four coordinates.
"""

import random
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from parkdet.detector.augment import letterbox, mixup, random_perspective
from parkdet.hyperparameters import Hyperparameters

GREY = 114  # around images, as in yolov5
LEAST_INSET = 1e-3  # pixels by which corners stay inside the picture, as in yolov5

Picture = tuple[np.ndarray, np.ndarray]  # uint8 (height, width, 3), boxes
Load = Callable[[int], Picture]  # BGR image by index, long side imgsz; boxes as fractions, xywh


def make_picture(
    load: Load,
    index: int,
    partners: Sequence[int],
    images: int,
    imgsz: int,
    hyp: Hyperparameters,
    mosaic: bool = True,
) -> Picture:
    """Makes a training picture of image ``index``.

    Args:
        partners: images from which a mosaic takes its other three.
        images: number of images in the training set; mixup may use any as the second picture.
        imgsz: side of the picture in pixels.
        mosaic: False never makes mosaics, but draws the same random number for the decision.

    Returns:
        The picture, RGB uint8 (imgsz, imgsz, 3), and its boxes: class and centre x, y, width,
        height as fractions.
    """
    if random.random() < hyp.mosaic and mosaic:
        picture = _mosaic(load, index, partners, imgsz, hyp)
        if random.random() < hyp.mixup:
            other = _mosaic(load, random.randint(0, images - 1), partners, imgsz, hyp)
            picture = mixup(*picture, *other)
    else:
        picture = _single(load, index, imgsz, hyp)
    return _recolour_and_flip(*picture, hyp)


def _mosaic(
    load: Load, index: int, partners: Sequence[int], imgsz: int, hyp: Hyperparameters
) -> Picture:
    """Four images around a random centre on a canvas of twice ``imgsz``, warped to ``imgsz``."""
    side = 2 * imgsz
    centre_y, centre_x = (int(random.uniform(imgsz // 2, side - imgsz // 2)) for _ in range(2))
    chosen = [index, *random.choices(partners, k=3)]
    random.shuffle(chosen)
    canvas = np.full((side, side, 3), GREY, dtype=np.uint8)
    boxes = []
    for corner, number in enumerate(chosen):
        image, labels = load(number)
        height, width = image.shape[:2]
        left = centre_x - width if corner in (0, 2) else centre_x
        top = centre_y - height if corner in (0, 1) else centre_y
        _paste(canvas, image, left, top)
        boxes.append(_to_pixels(labels, width, height, left, top))
    together = np.concatenate(boxes)
    np.clip(together[:, 1:], 0, side, out=together[:, 1:])
    return _warp(canvas, together, hyp, border=-(imgsz // 2))


def _single(load: Load, index: int, imgsz: int, hyp: Hyperparameters) -> Picture:
    """One image, padded to a square and warped."""
    image, labels = load(index)
    height, width = image.shape[:2]
    square, ratio, (left, top) = letterbox(image, imgsz, auto=False, scaleup=True)
    boxes = _to_pixels(labels, ratio[0] * width, ratio[1] * height, left, top)
    return _warp(square, boxes, hyp)


def _warp(image: np.ndarray, boxes: np.ndarray, hyp: Hyperparameters, border: int = 0) -> Picture:
    return random_perspective(
        image,
        boxes,
        degrees=hyp.degrees,
        translate=hyp.translate,
        scale=hyp.scale,
        shear=hyp.shear,
        perspective=hyp.perspective,
        border=(border, border),
    )


def _recolour_and_flip(image: np.ndarray, boxes: np.ndarray, hyp: Hyperparameters) -> Picture:
    """From BGR and boxes in pixels to RGB and boxes as fractions."""
    labels = _to_fractions(boxes, *image.shape[:2])
    image = _recolour(image, hyp)
    if random.random() < hyp.flipud:
        image = cv2.flip(image, 0)
        labels[:, 2] = 1 - labels[:, 2]
    if random.random() < hyp.fliplr:
        image = cv2.flip(image, 1)
        labels[:, 1] = 1 - labels[:, 1]
    return image, labels


def _recolour(image: np.ndarray, hyp: Hyperparameters) -> np.ndarray:
    """From BGR to RGB, with hue, saturation and value changed at random.

    Gives the bytes of yolov5's augment_hsv, which goes back to BGR, in half its time.
    """
    gains = np.array([hyp.hsv_h, hyp.hsv_s, hyp.hsv_v])
    if not gains.any():
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    factors = np.random.uniform(-1, 1, 3) * gains + 1
    changed = np.arange(256)[:, None] * factors
    changed[:, 0] %= 180  # OpenCV's hues
    table = changed.clip(0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    cv2.LUT(hsv, table[None], dst=hsv)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=hsv)


def _paste(canvas: np.ndarray, image: np.ndarray, left: int, top: int) -> None:
    """Copies what of ``image`` lies on the canvas when its corner is at (left, top)."""
    x, y = max(left, 0), max(top, 0)
    visible = image[y - top : canvas.shape[0] - top, x - left : canvas.shape[1] - left]
    canvas[y : y + visible.shape[0], x : x + visible.shape[1]] = visible


def _to_pixels(
    labels: np.ndarray, width: float, height: float, left: float, top: float
) -> np.ndarray:
    """From centre and sides, as fractions of an image at (left, top), to edges in pixels."""
    boxes = labels.copy()
    x, y, half_width, half_height = labels[:, 1], labels[:, 2], labels[:, 3] / 2, labels[:, 4] / 2
    boxes[:, 1] = width * (x - half_width) + left
    boxes[:, 2] = height * (y - half_height) + top
    boxes[:, 3] = width * (x + half_width) + left
    boxes[:, 4] = height * (y + half_height) + top
    return boxes


def _to_fractions(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """From edges in pixels, clipped to the picture, to centre and sides as fractions of it."""
    left, right = np.clip(boxes[:, [1, 3]], 0, width - LEAST_INSET).T
    top, bottom = np.clip(boxes[:, [2, 4]], 0, height - LEAST_INSET).T
    labels = boxes.copy()
    labels[:, 1] = (left + right) / 2 / width
    labels[:, 2] = (top + bottom) / 2 / height
    labels[:, 3] = (right - left) / width
    labels[:, 4] = (bottom - top) / height
    return labels
