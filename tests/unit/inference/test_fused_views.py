"""Test-time augmentation whose views are joined by weighted boxes fusion."""

from dataclasses import replace

import numpy
import PIL.Image
import pytest
import torch

from detectors import save_sharp_detector
from parkdet.detector.fast import FastDetector
from parkdet.inference import detect as module
from parkdet.inference.detect import DetectSettings
from parkdet.inference.ensemble import Detector, detect_and_fuse, load_detector
from parkdet.inference.sources import Category, ImageSource

CPU = torch.device("cpu")
SETTINGS = DetectSettings(256, 0.01, 0.5, 20, tta=True, batch_size=2, fuse="wbf")
VIEWS = {288: (1.0, False), 256: (0.83, True), 224: (0.67, False)}  # by the padded width in pixels


class KnownBoxes(FastDetector):
    """Finds given boxes in each view of a 256 x 256 image.

    Args:
        views: for each view its boxes: left, top, right, bottom in the image, score, class.
    """

    def __init__(self, *views):
        self.stride = torch.tensor([8.0, 16.0, 32.0])
        self.views = dict(zip(VIEWS, views, strict=True))

    def __call__(self, images, confidence, layers):
        assert layers == slice(None)
        width = images.shape[3]
        return [torch.tensor([self._row(width, *box) for box in self.views[width]]).view(-1, 7)]

    @staticmethod
    def _row(width, left, top, right, bottom, score, label):
        scale, mirrored = VIEWS[width]
        x, y = (left + right) / 2 + 16, (top + bottom) / 2 + 16  # the padding
        x = 288 - x if mirrored else x
        box = [value * scale for value in (x, y, right - left, bottom - top)]
        return [*box, 1.0, score * (label == 0), score * (label == 1)]


@pytest.fixture
def grey(tmp_path):
    PIL.Image.new("RGB", (256, 256)).save(tmp_path / "grey.png")
    return [ImageSource(7, tmp_path / "grey.png")]


def test_boxes_of_the_views_become_their_weighted_mean(grey):
    model = KnownBoxes(
        [(100, 50, 140, 90, 0.8, 0), (10, 10, 30, 30, 0.6, 1)],
        [(104, 50, 144, 90, 0.4, 0)],
        [(100, 56, 140, 96, 0.3, 0)],
    )
    detector = Detector(model, {0: 4, 1: 8}, {4: "car", 8: "bus"})
    (found,) = detect_and_fuse([detector], grey, SETTINGS, CPU)
    assert (found.id, found.classes.tolist()) == (7, [4, 8])
    mean = [100 + 4 * 0.4 / 1.5, 50 + 6 * 0.3 / 1.5, 140 + 4 * 0.4 / 1.5, 90 + 6 * 0.3 / 1.5]
    assert found.boxes == pytest.approx(numpy.array([mean, [10, 10, 30, 30]]), abs=1e-3)
    assert found.scores == pytest.approx([1.5 / 3, 0.6 / 3])


def test_boxes_of_one_view_are_suppressed_before_fusion_with_others(grey):
    box = (100, 50, 140, 90)
    model = KnownBoxes([(*box, 0.9, 0), (101, 50, 141, 90, 0.8, 0)], [(*box, 0.6, 0)], [])
    (found,) = detect_and_fuse([Detector(model, {0: 4}, {4: "car"})], grey, SETTINGS, CPU)
    assert found.boxes == pytest.approx(numpy.array([box]), abs=1e-3)
    assert found.scores == pytest.approx([1.5 / 3])


def test_all_views_of_all_detectors_that_know_a_class_count_in_one_fusion(grey):
    car, bus = (100, 50, 140, 90), (10, 10, 30, 30)
    one = KnownBoxes([(*car, 0.9, 0)], [(*car, 0.9, 0)], [(*car, 0.9, 0)])
    two = KnownBoxes([(*car, 0.6, 0), (*bus, 0.9, 1)], [], [(*bus, 0.6, 1)])
    detectors = [
        Detector(one, {0: 4}, {4: "car"}),
        Detector(two, {0: 4, 1: 8}, {4: "car", 8: "bus"}),
    ]
    (found,) = detect_and_fuse(detectors, grey, SETTINGS, CPU)
    assert found.classes.tolist() == [4, 8]
    assert found.boxes == pytest.approx(numpy.array([car, bus]), abs=1e-3)
    assert found.scores == pytest.approx([(3 * 0.9 + 0.6) / 6, (0.9 + 0.6) / 3])


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    path = tmp_path_factory.mktemp("detector") / "a.pt"
    save_sharp_detector(path, ["car", "bus"], [4, 8], seed=1)
    found = load_detector(path, [Category(4, "car"), Category(8, "bus")], CPU)
    return replace(found, model=FastDetector(found.model, "fp32", CPU))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Six images of two sizes in turn."""
    folder, generator = tmp_path_factory.mktemp("images"), numpy.random.default_rng(0)
    for index in range(6):
        pixels = generator.integers(0, 255, ((64, 48)[index % 2], 64, 3), dtype=numpy.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{index}.png")
    return [ImageSource(10 + index, folder / f"{index}.png") for index in range(6)]


@pytest.mark.parametrize("step", [1, 2])
def test_fused_views_depend_on_nothing_but_the_image(detector, sources, monkeypatch, step):
    monkeypatch.setattr(module, "images_a_step", lambda *_: step)  # on a GPU several
    settings = replace(SETTINGS, imgsz=64)
    together = list(detect_and_fuse([detector], sources, settings, CPU))
    assert [image.id for image in together] == [10, 11, 12, 13, 14, 15]
    backwards = list(detect_and_fuse([detector], sources[::-1], settings, CPU))
    shards = [list(detect_and_fuse([detector], sources[i::4], settings, CPU)) for i in range(4)]
    for index, image in enumerate(together):
        assert len(image.scores) == 20
        for other in (backwards[5 - index], shards[index % 4][index // 4]):
            assert content(image) == content(other)


def test_fused_views_differ_from_suppressed_ones(detector, sources):
    settings = replace(SETTINGS, imgsz=64)
    (fused,) = detect_and_fuse([detector], sources[:1], settings, CPU)
    (best,) = detect_and_fuse([detector], sources[:1], replace(settings, fuse="nms"), CPU)
    assert content(fused) != content(best)
    assert fused.scores.max() < best.scores.max()


def content(image):
    return image.id, image.boxes.tobytes(), image.scores.tobytes(), image.classes.tobytes()
