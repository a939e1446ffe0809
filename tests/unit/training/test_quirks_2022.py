"""The 2022 recipe: its values in presets/challenge.yaml, and quirks that no other test covers."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from parkdet.config import validate
from parkdet.data.prepare import PrepareSettings, prepare
from parkdet.data.samplers import EpochOrder
from parkdet.data.training_set import read_split
from parkdet.detector import anchors
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.options import inference_options, training_options
from parkdet.training.fitness import fitness
from parkdet.training.setup import build_state, read_job, settle_anchors

PROJECT = Path(__file__).parents[3]

SHARED = {
    "--imgsz": "1280",
    "--batch-size": "2",
    "--seed": "0",
    "--precision": "fp32",
    "--nominal-batch": "64",
    "--warmup-bias-group": "norm",
    "--fitness": "2022",
    "--clip-grad-norm": "none",
    "--epoch-parts": "15",
    "--optimizer": "SGD",
    "--schedule": "linear",
    "--val-period": "0",
    "--patience": "0",
    "--close-mosaic": "0",
    "--freeze": "0",
}
OFF = ("degrees", "shear", "perspective", "flipud", "mixup", "copy_paste", "fl_gamma")
SHARED_HYP = dict.fromkeys((*OFF, "label_smoothing"), 0.0) | {
    "translate": 0.1,
    "hsv_v": 0.4,
    "fliplr": 0.5,
    "mosaic": 1.0,
    "anchors": None,
}
BASELINE_HYP = {
    "lr0": 0.01,
    "lrf": 0.01,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 3.0,
    "warmup_momentum": 0.8,
    "warmup_bias_lr": 0.1,
    "box": 0.05,
    "cls": 0.5,
    "cls_pw": 1.0,
    "obj": 1.0,
    "obj_pw": 1.0,
    "anchor_t": 4.0,
    "hsv_h": 0.015,
    "hsv_s": 0.7,
    "scale": 0.5,
}
FINETUNE_HYP = {
    "lr0": 0.0032,
    "lrf": 0.12,
    "momentum": 0.843,
    "weight_decay": 0.00036,
    "warmup_epochs": 2.0,
    "warmup_momentum": 0.5,
    "warmup_bias_lr": 0.05,
    "box": 0.0296,
    "cls": 0.243,
    "cls_pw": 0.631,
    "obj": 0.301,
    "obj_pw": 0.911,
    "anchor_t": 2.91,
    "hsv_h": 0.0,
    "hsv_s": 0.0,
    "scale": 0.9,
}


@pytest.fixture(scope="module")
def challenge():
    return validate(yaml.safe_load((PROJECT / "presets/challenge.yaml").read_text()))


def as_mapping(options):
    """``["--a", "1", "--b"]`` -> ``{"--a": "1", "--b": True}``."""
    mapping, words = {}, list(options)
    while words:
        flag = words.pop(0)
        mapping[flag] = words.pop(0) if words and not words[0].startswith("--") else True
    return mapping


@pytest.mark.parametrize(
    ("stage", "own", "hyp"),
    [
        (
            "baseline",
            {"--epochs": "50", "--image-weights": True, "--time-budget": "27.692307"},
            BASELINE_HYP,
        ),
        ("finetune", {"--epochs": "15", "--time-budget": "8.307692"}, FINETUNE_HYP),
    ],
)
def test_the_preset_trains_with_the_values_of_2022(challenge, stage, own, hyp):
    options = as_mapping(training_options(challenge, getattr(challenge, stage)))
    given = json.loads(options.pop("--hyp"))
    assert given.pop("iou_t") == 0.2  # in yolov5's files, without effect
    assert given == SHARED_HYP | hyp
    assert options == SHARED | own


def test_the_preset_infers_and_splits_with_the_values_of_2022(challenge):
    assert as_mapping(inference_options(challenge)) == {
        "--imgsz": "1536",
        "--batch-size": "16",
        "--conf": "0.01",
        "--iou": "0.7",
        "--max-det": "50",
        "--tta": True,
        "--precision": "fp32",
        "--fuse": "nms",  # no effect with one detector
    }
    data, cut = challenge.data, challenge.cut
    assert (data.split, data.seed, data.val_images, data.backgrounds) == (
        ("random", 100, 3000, "drop")
    )
    assert (cut.method, cut.max_bytes) == ("threshold", 20_000_000)


def test_category_ids_1_to_14_become_classes_0_to_13_and_backgrounds_drop(challenge, tmp_path):
    """The names come from the preset, as the file of 2022 may lack them."""
    root = tmp_path / "root"
    for folder in ("train/label", "train/images"):
        (root / folder).mkdir(parents=True)
    images, boxes = [], []
    for number in range(1, 17):  # images 15 and 16 have no box
        name = f"{number}.png"
        cv2.imwrite(str(root / "train/images" / name), np.full((20, 40, 3), number, np.uint8))
        images.append({"id": number, "file_name": name, "width": 40, "height": 20})
        box = {"id": number, "image_id": number, "category_id": number, "bbox": [4, 5, 10, 8]}
        boxes += [box] if number <= 14 else []
    annotations = {"images": images, "annotations": boxes}
    (root / "train/label/Train.json").write_text(json.dumps(annotations))
    data = challenge.data
    out = tmp_path / "out"
    settings = PrepareSettings(root, out, 4, data.split, names=data.names)
    prepare(settings._replace(backgrounds=data.backgrounds))
    found = {}
    for part in (read_split(out / "dataset.yaml", name) for name in ("train", "val")):
        assert [category.name for category in part.categories] == data.names
        for image, labels in zip(part.images, part.labels, strict=True):
            found[image.id] = labels[:, 0].tolist()
    assert found == {number: [number - 1] for number in range(1, 15)}


def test_an_epoch_is_a_fifteenth_drawn_with_replacement():
    """The 2022 log shows 721 batches of two: 1441 or 1442 images of the 21,6xx with boxes."""
    order = EpochOrder(images=21_629, seed=0, stage="baseline", parts=15)
    drawn = order(0)
    assert len(drawn) == len(order) == 1441
    assert len(set(drawn)) < len(drawn)


@pytest.mark.parametrize(("kind", "value"), [("ap50_95", 0.2), ("ap75", 0.3), ("2022", 0.32)])
def test_fitness_kinds(kind, value):
    nothing = evaluate({"images": [], "annotations": [], "categories": []}, [])
    figures = dataclasses.replace(nothing, ap=0.2, ap50=0.5, ap75=0.3)
    assert fitness(figures, kind) == pytest.approx(value)
    undefined = dataclasses.replace(figures, ap=float("nan"), ap50=float("nan"), ap75=float("nan"))
    assert fitness(undefined, kind) == 0.0


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_anchors_are_checked_before_training_and_the_average_starts_with_the_old(
    settings, monkeypatch
):
    monkeypatch.setattr(anchors, "GENERATIONS", 20)
    job = read_job(settings)
    generator = np.random.default_rng(0)
    for labels in job.train.labels:
        labels[:, 3:] = generator.uniform(0.1, 0.5, (len(labels), 2))
    state = build_state(job)
    for model in (state.model, state.average.model):
        model.model[-1].anchors *= 50
    before = state.model.model[-1].anchors.clone()
    settle_anchors(job, state.model)
    after = state.model.model[-1].anchors
    assert not torch.equal(before, after)
    assert torch.equal(state.average.model.model[-1].anchors, before)
    assert torch.equal(after, after.half().float())
