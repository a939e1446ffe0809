"""Ensembles on real photographs: three sets of weights, fused, against each of them alone.

The weights are the baselines of three seeds that `make bench-accuracy` trains. Each set alone and
all three fused by NMS or by weighted boxes fusion, with and without test-time augmentation, predict
on the preset's test images (confidence 0.001, 300 boxes) and are scored against the test ground
truth by pycocotools. Three IoU thresholds are tried, since a gain at one could be luck; each
detector's NMS and the fusion use the same threshold. With single weights and one view there is
nothing to fuse, so `nms` and `wbf` give the same result.
"""

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path

import torch
from common import ROOT, VEHICLES, WORK, read_preset, score_file, table, write_record

from parkdet.inference.detect import DetectSettings, ImageDetections
from parkdet.inference.ensemble import detect_and_fuse, load_detector
from parkdet.inference.sources import read_images
from parkdet.plan import Plan
from parkdet.submission.records import detection, write_detections

IOUS = (0.5, 0.6, 0.7)
BOXES = 300
WAYS = {  # test-time augmentation, fusion
    "nms": (False, "nms"),
    "wbf": (False, "wbf"),
    "tta nms": (True, "nms"),
    "tta wbf": (True, "wbf"),
}
METRICS = {"ap": "AP", "ap50": "AP50"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=VEHICLES)
    config = read_preset(parser.parse_args().preset)
    runs = [ROOT / "results" / f"{config.run}{end}" for end in ("", "-seed1", "-seed2")]
    weights = [run / "weights/baseline_last.pt" for run in runs]
    missing = [str(path) for path in weights if not path.is_file()]
    if missing:
        parser.error(f"first run `make bench-accuracy`, which trains {', '.join(missing)}")
    plan, device = Plan(config), torch.device("cpu")
    images = read_images(runs[0] / "dataset/test.json", Path(*plan.test_images))
    detectors = [load_detector(path, images.categories, device) for path in weights]
    scores = {}
    for iou in IOUS:
        scores[iou] = {}
        for way, (tta, fuse) in WAYS.items():
            settings = DetectSettings(config.training.imgsz, 0.001, iou, BOXES, tta, 16, fuse=fuse)
            chosen = {f"seed {seed}": [one] for seed, one in enumerate(detectors)}
            scores[iou][way] = {
                name: score(detect_and_fuse(some, images.sources, settings, device), plan)
                for name, some in {**chosen, "three": detectors}.items()
            }
            print(f"IoU {iou}, {way}: {scores[iou][way]}", flush=True)
    write_record(f"ensemble-{config.run}", {"preset": config.run, "scores": scores})
    print(report(scores))


def score(images: Iterable[ImageDetections], plan: Plan) -> dict[str, float]:
    """AP and AP50 of detections against the test ground truth."""
    out = WORK / plan.config.run / "ensemble.json"
    records = [
        detection(image.id, category, box, confidence)
        for image in images
        for box, confidence, category in zip(image.boxes, image.scores, image.classes, strict=True)
    ]
    write_detections(out, records)
    return score_file(out, plan.test_truth)


def report(scores: dict[float, dict[str, dict[str, dict[str, float]]]]) -> str:
    """The figures as a Markdown table: one row for each threshold and way."""
    rows = []
    for iou, ways in scores.items():
        for way, found in ways.items():
            values = []
            for metric in METRICS:
                singles = [each[metric] for name, each in found.items() if name != "three"]
                values += [statistics.mean(singles), max(singles), found["three"][metric]]
            rows.append([str(iou), way, *(f"{value:.3f}" for value in values)])
    columns = ("mean of singles", "best single", "three fused")
    titles = [f"{title}: {column}" for title in METRICS.values() for column in columns]
    return table(["IoU", "fused by", *titles], rows)


if __name__ == "__main__":
    main()
