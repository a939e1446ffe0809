"""Ensembles of detectors with different classes, strides and image sizes."""

from dataclasses import replace

import numpy
import PIL.Image
import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import checkpoint_of, save_checkpoint
from parkdet.errors import UserError
from parkdet.inference.detect import DetectSettings
from parkdet.inference.ensemble import detect_and_fuse, load_detector
from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf
from parkdet.inference.sources import Category, ImageSource

CATEGORIES = [Category(4, "car"), Category(8, "bus"), Category(9, "cart")]
SETTINGS = DetectSettings(64, 0.0, 0.5, 20, tta=False, batch_size=2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    """One of car and bus with stride 32, one of bus and cart with stride 64."""
    folder, found = tmp_path_factory.mktemp("ensembles"), []
    for name, classes in (("yolov5n", ["car", "bus"]), ("yolov5n6", ["bus", "cart"])):
        model = build_model(name, 2, seed=1)
        save_checkpoint(folder / f"{name}.pt", checkpoint_of(model, classes, [], 64))
        found.append(load_detector(folder / f"{name}.pt", CATEGORIES, CPU))
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Three images of different sizes."""
    folder = tmp_path_factory.mktemp("images")
    generator = numpy.random.default_rng(0)
    for index, size in enumerate(((36, 64), (64, 36), (50, 50))):
        pixels = generator.integers(0, 255, (*size, 3), dtype=numpy.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{index}.png")
    return [ImageSource(10 + index, folder / f"{index}.png") for index in range(3)]


@pytest.mark.parametrize("fusion", ["nms", "wbf"])
def test_each_image_gets_the_fusion_of_what_each_detector_finds(detectors, sources, fusion):
    alone = [list(detect_and_fuse([detector], sources, SETTINGS, CPU)) for detector in detectors]
    together = list(detect_and_fuse(detectors, sources, replace(SETTINGS, fuse=fusion), CPU))
    assert [image.id for image in together] == [10, 11, 12]
    for results, found in zip(zip(*alone, strict=True), together, strict=True):
        if fusion == "nms":
            expected = fuse_by_nms(results, 0.5, 20)
        else:
            expected = fuse_by_wbf(results, 0.5, 20, {4: 1, 8: 2, 9: 1})
        assert set(found.classes) == {4, 8, 9}
        for name in ("boxes", "scores", "classes"):
            assert (getattr(found, name) == getattr(expected, name)).all()


def test_a_category_must_mean_the_same_to_all_detectors(detectors, sources):
    other = replace(detectors[1], names={8: "cart"})
    with pytest.raises(UserError, match="category 8 is `bus` in one and `cart` in another"):
        next(detect_and_fuse([detectors[0], other], sources, SETTINGS, CPU))
