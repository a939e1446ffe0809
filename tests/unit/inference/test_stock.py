"""Compares detections with those of yolov5's own val: its data set, its model, its suppression."""

import shutil
import sys

import numpy
import pytest
import torch
from yolov5.utils.dataloaders import LoadImagesAndLabels
from yolov5.utils.general import non_max_suppression, scale_boxes

from parkdet.detector.checkpoints import load_checkpoint, model_from_checkpoint
from parkdet.inference.detect import DetectSettings, detect
from parkdet.inference.sources import ImageSource

IMAGES = 4
CONFIDENCE, IOU, MOST, SIZE = 0.05, 0.6, 100, 640


@pytest.fixture
def images(shared_data, tmp_path):
    """Copies, since yolov5 may write to images, with label files beside them."""
    folder = tmp_path / "images"
    (tmp_path / "labels").mkdir()
    folder.mkdir()
    taken = sorted((shared_data / "data/coco-traffic/test/images").iterdir())[:IMAGES]
    for path in taken:
        shutil.copyfile(path, folder / path.name)
        (tmp_path / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    return folder


def _stock_model(path, monkeypatch):
    for name in ("models", "models.yolo", "models.common"):
        monkeypatch.setitem(sys.modules, name, sys.modules[f"yolov5.{name}"])
    content = torch.load(path, map_location="cpu", weights_only=False)
    model = (content.get("ema") or content["model"]).float().fuse().eval()
    head = model.model[-1]
    del head.anchor_grid
    head.anchor_grid = [torch.zeros(1)] * head.nl
    return model


def _stock_detections(model, images, tta):
    data = LoadImagesAndLabels(
        str(images), SIZE, batch_size=1, rect=True, stride=32, pad=0.5, workers=0
    )
    found = {}
    for pixels, _, path, shapes in data:
        batch = pixels[None].float() / 255
        with torch.no_grad():
            predictions = model(batch, augment=tta)
        boxes = non_max_suppression(predictions, CONFIDENCE, IOU, multi_label=True, max_det=MOST)[0]
        scale_boxes(batch.shape[2:], boxes[:, :4], shapes[0], shapes[1])
        found[path] = boxes.numpy()
    return found


@pytest.mark.parametrize("tta", [False, True])
def test_boxes_equal_those_of_yolov5s_val(images, shared_data, monkeypatch, tta):
    weights = shared_data / "weights" / "yolov5n.pt"
    expected = _stock_detections(_stock_model(weights, monkeypatch), images, tta)
    model = model_from_checkpoint(load_checkpoint(weights))
    settings = DetectSettings(SIZE, CONFIDENCE, IOU, MOST, tta, batch_size=2)
    sources = [ImageSource(number, path) for number, path in enumerate(sorted(images.iterdir()))]
    for source, found in zip(
        sources, detect(model, sources, settings, torch.device("cpu")), strict=True
    ):
        stock = expected[str(source.path)]
        assert len(stock) > 0
        assert len(found.scores) == len(stock)
        numpy.testing.assert_allclose(found.scores, stock[:, 4], atol=1e-3)
        # Scores equal to the third decimal may change places: compare in a fixed order.
        ours = numpy.column_stack((found.classes, found.boxes))
        theirs = stock[:, [5, 0, 1, 2, 3]]
        order = [numpy.lexsort(rows.round().T) for rows in (ours, theirs)]
        numpy.testing.assert_allclose(ours[order[0]], theirs[order[1]], atol=0.5)
