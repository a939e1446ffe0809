import random

import numpy

from parkdet.detector.augment import letterbox, mixup, random_perspective, seeded

IMAGE = numpy.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=numpy.uint8)
BOXES = numpy.array([[1, 10, 10, 40, 40]], dtype=numpy.float32)


def _augment(*numbers):
    with seeded(*numbers):
        image, boxes = random_perspective(IMAGE.copy(), BOXES.copy(), translate=0.2, scale=0.5)
        image, boxes = mixup(image, boxes, image[::-1], boxes)
    return image, boxes


def test_same_numbers_give_the_same_image():
    first, second, other = _augment(0, 5, 7), _augment(0, 5, 7), _augment(0, 5, 8)
    assert numpy.array_equal(first[0], second[0]) and numpy.array_equal(first[1], second[1])
    assert not numpy.array_equal(first[0], other[0])


def test_generators_are_restored_even_after_an_error():
    python, legacy = random.getstate(), numpy.random.get_state()
    try:
        with seeded(1, 2):
            random.random(), numpy.random.rand()
            raise KeyError
    except KeyError:
        pass
    assert random.getstate() == python
    assert numpy.array_equal(numpy.random.get_state()[1], legacy[1])
    assert numpy.random.get_state()[2] == legacy[2]


def test_letterbox_centres_the_image():
    image, ratio, padding = letterbox(IMAGE, (64, 64), auto=False)
    assert image.shape == (64, 64, 3)
    assert ratio == (1.0, 1.0) and padding == (0, 8)
