"""Ensembles on real photographs: three weights, fused, beside each of them alone.

The weights are the baselines of three seeds that `make bench-accuracy` trains. Each alone and all
three, fused by NMS and by weighted boxes fusion, predict the preset's test images (confidence
0.001, 300 boxes, no test-time augmentation) and are scored on the test truth by pycocotools, at
three IoU thresholds, since the gain could be that of a lucky one. The threshold is both that of
each detector's NMS and that of the fusion.
"""

import argparse
import statistics
from pathlib import Path

import torch
from common import ROOT, VEHICLES, WORK, read_preset, score_file, table, write_record

from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf
from parkdet.inference.predict import ImageDetections, PredictSettings
from parkdet.inference.run import detect, load_detector
from parkdet.inference.sources import read_images
from parkdet.plan import Plan
from parkdet.submission.records import detection, write_detections

IOUS = (0.5, 0.6, 0.7)
BOXES = 300
FUSIONS = {"nms": fuse_by_nms, "wbf": fuse_by_wbf}
METRICS = {"ap": "AP", "ap50": "AP50"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=VEHICLES)
    config = read_preset(parser.parse_args().preset)
    runs = [ROOT / "results" / f"{config.run}{end}" for end in ("", "-seed1", "-seed2")]
    weights = [run / "weights/baseline_last.pt" for run in runs]
    missing = [str(path) for path in weights if not path.is_file()]
    if missing:
        parser.error(f"run `make bench-accuracy` first, which trains {', '.join(missing)}")
    plan, device = Plan(config), torch.device("cpu")
    images = read_images(runs[0] / "dataset/test.json", Path(*plan.test_images))
    detectors = [load_detector(path, images.categories, device) for path in weights]
    scores = {}
    for iou in IOUS:
        settings = PredictSettings(config.training.imgsz, 0.001, iou, BOXES, False, 16)
        alone = [list(detect([one], images.sources, settings, device)) for one in detectors]
        found = {f"seed {seed}": images_of_one for seed, images_of_one in enumerate(alone)}
        for name, fuse in FUSIONS.items():
            found[name] = [fuse(parts, iou, BOXES) for parts in zip(*alone, strict=True)]
        scores[iou] = {name: score(each, plan) for name, each in found.items()}
        print(f"IoU {iou}: {scores[iou]}", flush=True)
    write_record(f"ensemble-{config.run}", {"preset": config.run, "scores": scores})
    print(report(scores))


def score(images: list[ImageDetections], plan: Plan) -> dict[str, float]:
    """AP and AP50 of detections on the test truth."""
    out = WORK / plan.config.run / "ensemble.json"
    records = [
        detection(image.id, category, box, confidence)
        for image in images
        for box, confidence, category in zip(image.boxes, image.scores, image.classes, strict=True)
    ]
    write_detections(out, records)
    return score_file(out, plan.test_truth)


def report(scores: dict[float, dict[str, dict[str, float]]]) -> str:
    """The figures as Markdown: one table a metric, one line a threshold."""
    tables = []
    for metric, title in METRICS.items():
        rows = []
        for iou, found in scores.items():
            singles = [found[name][metric] for name in found if name not in FUSIONS]
            values = [statistics.mean(singles), max(singles), *(found[f][metric] for f in FUSIONS)]
            rows.append([str(iou), *(f"{value:.3f}" for value in values)])
        header = [f"{title} at IoU", "mean of single", "best single", "three, nms", "three, wbf"]
        tables.append(table(header, rows))
    return "\n\n".join(tables)


if __name__ == "__main__":
    main()
