import threading
from dataclasses import replace

import numpy
import PIL.Image
import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import load_checkpoint, model_from_checkpoint
from parkdet.detector.fast import FastDetector
from parkdet.errors import UserError
from parkdet.inference import detect as module
from parkdet.inference.detect import DetectSettings, detect
from parkdet.inference.letterbox import image_size
from parkdet.inference.sources import ImageSource

CPU = torch.device("cpu")
SETTINGS = DetectSettings(
    imgsz=64, confidence=0.1, iou=0.5, max_detections=10, tta=False, batch_size=4
)


class BrightBoxDetector(FastDetector):
    """Finds the bright rectangle of an image; the score is its brightness, the class 0."""

    def __init__(self):
        self.stride = torch.tensor([8.0, 16.0, 32.0])
        self.batches = []

    def __call__(self, images, confidence, layers=slice(None)):
        self.batches.append(tuple(images.shape))
        return [self._find(image.amax(0)) for image in images]

    @staticmethod
    def _find(image):
        rows, columns = (image > 0.5).nonzero(as_tuple=True)
        if not len(rows):
            return torch.zeros(1, 7)
        top, bottom = rows.min(), rows.max() + 1
        left, right = columns.min(), columns.max() + 1
        box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        return torch.tensor([[*box, 1.0, image.max(), 0.0]])


def _image(path, size, box=None, level=255):
    pixels = numpy.zeros((size[1], size[0], 3), dtype=numpy.uint8)
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = level
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def mixed(tmp_path):
    """Images of three shapes in turn, each with a box of a different position and brightness."""
    sources, expected = [], []
    for index in range(23):
        size = [(64, 32), (32, 64), (64, 64)][index % 3]
        box = (4 + index % 5, 6, 20 + index % 7, 24)
        path = _image(tmp_path / f"{index}.png", size, box, 150 + 4 * index)
        sources.append(ImageSource(1000 - index, path))
        expected.append((1000 - index, box, (150 + 4 * index) / 255))
    return sources, expected


def test_images_come_once_and_in_order_with_boxes_in_source_pixels(mixed):
    sources, expected = mixed
    found = list(detect(BrightBoxDetector(), sources, SETTINGS, CPU))
    assert [image.id for image in found] == [number for number, _, _ in expected]
    for image, (_, box, score) in zip(found, expected, strict=True):
        assert image.boxes.tolist() == [list(box)]
        assert image.scores == pytest.approx([score])
        assert image.classes.tolist() == [0]


def test_boxes_scale_back_when_images_shrink(tmp_path):
    source = ImageSource(1, _image(tmp_path / "a.png", (640, 320), (100, 40, 300, 200)))
    (found,) = detect(BrightBoxDetector(), [source], SETTINGS, CPU)
    assert found.boxes[0] == pytest.approx([100, 40, 300, 200], abs=10)


def test_on_a_gpu_batches_are_of_one_shape_and_full(mixed, monkeypatch):
    monkeypatch.setattr(module, "images_a_step", lambda settings, device: settings.batch_size)
    model = BrightBoxDetector()
    list(detect(model, mixed[0], SETTINGS, CPU))
    assert {shape[0] for shape in model.batches} == {4}
    assert {shape[2:] for shape in model.batches} == {(64, 96), (96, 64), (96, 96)}
    list(detect(model, mixed[0][:2], replace(SETTINGS, full_batches=False), CPU))
    assert [shape[0] for shape in model.batches[-2:]] == [1, 1]


def test_no_images_no_detections():
    assert list(detect(BrightBoxDetector(), [], SETTINGS, CPU)) == []


def test_image_without_objects_has_empty_arrays(tmp_path):
    (found,) = detect(
        BrightBoxDetector(), [ImageSource(5, _image(tmp_path / "a.png", (64, 32)))], SETTINGS, CPU
    )
    assert (found.id, found.boxes.shape, found.scores.shape) == (5, (0, 4), (0,))


def test_unreadable_image_is_named_before_any_detection(mixed, tmp_path):
    (tmp_path / "22.png").write_bytes(b"broken")
    model = BrightBoxDetector()
    with pytest.raises(UserError, match=r"22\.png"):
        list(detect(model, mixed[0], SETTINGS, CPU))
    assert model.batches == []


def test_decoding_runs_ahead_but_not_far(mixed, monkeypatch):
    loaded = []
    load = module.load_picture
    monkeypatch.setattr(
        module, "load_picture", lambda *options: loaded.append(options[0]) or load(*options)
    )
    images = detect(BrightBoxDetector(), mixed[0], SETTINGS, CPU)
    next(images)
    assert len(loaded) <= (1 + module.AHEAD) * SETTINGS.batch_size
    images.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tta", [False, True])
def test_detections_depend_on_nothing_but_the_image(mixed, precision, tta):
    model, sources = FastDetector(build_model("yolov5n", 3, seed=0), precision, CPU), mixed[0][:6]
    settings = replace(SETTINGS, confidence=0.0, tta=tta)
    together = list(detect(model, sources, settings, CPU))
    assert {len(image.scores) for image in together} == {10}
    backwards = detect(model, sources[::-1], settings, CPU)
    assert_equal(backwards, together[::-1])
    assert_equal((next(detect(model, [source], settings, CPU)) for source in sources), together)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_detections_do_not_depend_on_the_number_of_threads(mixed, monkeypatch, precision):
    model = FastDetector(build_model("yolov5n", 3, seed=0), precision, CPU)
    before, results = torch.get_num_threads(), []
    settings = replace(SETTINGS, confidence=0.0)
    try:
        for threads, decoders in ((1, 1), (2, 4), (4, 2)):
            torch.set_num_threads(threads)
            monkeypatch.setattr(module, "DECODERS", decoders)
            results.append(list(detect(model, mixed[0][:9], settings, CPU)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert_equal(results[1], results[0])
    assert_equal(results[2], results[0])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_detections_on_photographs_of_many_sizes_depend_on_nothing_else(shared_data, precision):
    model = model_from_checkpoint(load_checkpoint(shared_data / "weights/yolov5n.pt"))
    detector = FastDetector(model, precision, CPU)
    paths = sorted((shared_data / "data/coco-traffic/test/images").iterdir())[:12]
    sources = [ImageSource(number, path) for number, path in enumerate(paths)]
    assert len({image_size(path) for path in paths}) > 4
    settings = replace(SETTINGS, imgsz=320, confidence=0.01, tta=True)
    together = list(detect(detector, sources, settings, CPU))
    assert sum(len(image.scores) for image in together) > 50
    shards = [list(detect(detector, sources[i::5], settings, CPU)) for i in range(5)]
    assert_equal((shards[i % 5][i // 5] for i in range(len(sources))), together)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.id == other.id
        for name in ("boxes", "scores", "classes"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_only_requested_classes_are_detected(mixed):
    model = build_model("yolov5n", 3, seed=0)
    settings = replace(SETTINGS, confidence=0.0, classes=(2,))
    (found,) = detect(model, mixed[0][:1], settings, CPU)
    assert set(found.classes.tolist()) == {2}


def test_bf16_is_close_to_fp32(mixed):
    model = build_model("yolov5n", 3, seed=0)
    settings = replace(SETTINGS, confidence=0.0, max_detections=1)
    (exact,) = detect(model, mixed[0][:1], settings, CPU)
    (rounded,) = detect(model, mixed[0][:1], replace(settings, precision="bf16"), CPU)
    assert rounded.scores == pytest.approx(exact.scores, rel=0.1)
    assert rounded.boxes.dtype == numpy.float32
