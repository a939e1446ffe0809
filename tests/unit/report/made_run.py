"""A small made-up run in a folder: everything a report reads, with hostile names."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from parkdet.config import Config, validate
from parkdet.evaluation.analysis import IOU, analyse
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.evaluation.matching import match
from parkdet.evaluation.metrics_report import as_record
from parkdet.evaluation.table import tabulate
from parkdet.files import sha256_file, write_json
from parkdet.report.sources import Run
from parkdet.submission.cut import cut_file
from parkdet.submission.records import Detection, write_detections

HOSTILE = "<script>alert('class')</script>"
QUOTED = "\"자전거\" & 'co'"
CLASSES = ["car", HOSTILE, QUOTED]
WIDTH, HEIGHT = 160, 96
LIMIT = 5000
EPOCHS = (
    "epoch,lr_bias,lr_decay,lr_norm,box_loss,obj_loss,cls_loss,"
    "precision,recall,ap50,ap75,ap,fitness,images_per_s,seconds\n"
    "1,0.1,0.001,0.001,0.06,0.05,0.04,,,,,,,20.0,5.0\n"
    "2,0.05,0.0005,0.0005,0.05,0.04,0.03,0.6,0.5,0.55,0.4,0.35,0.35,22.0,4.5\n"
)


@dataclass
class MadeRun:
    """A folder with results/made and, next to it, a test set; counts are per part or per image."""

    root: Path
    images: int = 6
    objects: int = 3
    detections: int = 8
    trained: bool = True

    @property
    def results(self) -> Path:
        return self.root / "results/made"

    @property
    def config(self) -> Config:
        return validate(
            {
                "run": "made",
                "data": {"root": "photos"},
                "baseline": {"epochs": 2, "hyp": {"lr0": 0.02}},
                "infer": {"weights": [] if self.trained else ["given.pt"]},
                "cut": {"max_bytes": LIMIT},
            }
        )

    def read(self, test_set: bool = True, test_truth: bool = True) -> Run:
        """The run as the report reads it."""
        images = self.root / "test" if test_set else None
        truth = self.root / "truth.json" if test_set and test_truth else None
        return Run(self.results, self.config, images, truth)


def make_run(run: MadeRun, test_set: bool = True) -> MadeRun:
    """Writes all files of the run."""
    parts = ["train", "val", *(["test"] if test_set else [])]
    sets = {part: _write_part(run, part, number) for number, part in enumerate(parts)}
    write_json(run.results / "dataset/summary.json", _summary(run, sets))
    issue = (
        f'file,image_id,annotation_id,problem,action\n"{HOSTILE}.png",1,2,box outside,left out\n'
    )
    (run.results / "dataset/issues.csv").write_text(issue, encoding="utf-8")
    _score(run, "val", sets["val"], "val_preds")
    if test_set:
        write_json(run.root / "truth.json", sets["test"])
        _score(run, "test", sets["test"], "best_preds")
        _submit(run)
    if run.trained:
        for stage in ("baseline", "tune"):
            (run.results / f"metrics/{stage}.csv").write_text(EPOCHS)
    _write_records(run)
    return run


def file_name(part: str, number: int) -> str:
    """A name with spaces, quotes, brackets, letters of two scripts, and a weather condition."""
    weather = "맑음" if number % 2 else "비"
    return f'{part}_실외_{weather}_"{number}" <b>&\'.png'


def _write_part(run: MadeRun, part: str, seed: int) -> dict:
    """Writes images of coloured squares with randomly placed objects; returns their COCO dict."""
    draw = np.random.default_rng(seed)
    folder = run.root / "test" if part == "test" else run.results / f"dataset/images/{part}"
    folder.mkdir(parents=True, exist_ok=True)
    images, boxes = [], []
    for number in range(1, run.images + 1):
        name = file_name(part, number)
        picture = draw.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
        picture = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        cv2.imencode(".png", picture)[1].tofile(folder / name)
        images.append({"id": 10 * number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for _ in range(run.objects):
            left, top = draw.integers(0, WIDTH - 40), draw.integers(0, HEIGHT - 30)
            category = int(draw.integers(1, len(CLASSES) + 1))
            box = [int(left), int(top), 36, 26]
            boxes.append({"image_id": 10 * number, "category_id": category, "bbox": box})
    names = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    coco = {"images": images, "annotations": boxes, "categories": names}
    write_json(run.results / f"dataset/{part}.json", coco)
    return coco


def _detections(run: MadeRun, coco: dict, seed: int) -> list[Detection]:
    """A slightly shifted detection of each object, and boxes around nothing."""
    draw = np.random.default_rng(seed)
    found = []
    for box in coco["annotations"]:
        left, top, width, height = box["bbox"]
        place = (left + float(draw.integers(0, 12)), float(top), float(width), float(height))
        score = round(float(draw.uniform(0.3, 0.99)), 4)
        found.append(Detection(box["image_id"], box["category_id"], place, score))
    for image in coco["images"]:
        for _ in range(run.detections - run.objects):
            left, top = (float(draw.integers(0, side)) for side in (WIDTH - 20, HEIGHT - 20))
            category = int(draw.integers(1, len(CLASSES) + 1))
            score = round(float(draw.uniform(0.01, 0.5)), 4)
            found.append(Detection(image["id"], category, (left, top, 18.0, 18.0), score))
    return found


def _score(run: MadeRun, part: str, coco: dict, name: str) -> None:
    detections = _detections(run, coco, len(name))
    write_detections(run.results / f"predictions/{name}.json", detections)
    matches = match(coco, detections, IOU)
    metrics = evaluate(coco, detections, matches)
    write_json(run.results / f"metrics/{part}.json", as_record(metrics, coco, len(detections)))
    analysis = analyse(coco, tabulate(coco, detections, matches), metrics)
    write_json(run.results / f"metrics/{part}_analysis.json", analysis)


def _submit(run: MadeRun) -> None:
    predictions, folder = run.results / "predictions/best_preds.json", run.results / "submission"
    folder.mkdir(exist_ok=True)
    cut = cut_file(predictions, folder / "best_preds_cut.json", LIMIT, "global")
    write_json(folder / "cut.json", cut)
    validation = {"valid": True, "checks": ["keys", "bytes"], "bytes": cut.bytes}
    validation |= {"max_bytes": LIMIT, "detections": cut.detections.kept, "images": run.images}
    write_json(folder / "validation.json", {**validation, "images_without_detections": 0})


def _summary(run: MadeRun, sets: dict[str, dict]) -> dict:
    labelled = [name for name in sets if name != "test"]

    def boxes(part: str, category: int) -> int:
        return sum(box["category_id"] == category for box in sets[part]["annotations"])

    classes = [
        {
            "class": number - 1,
            "category_id": number,
            "name": name,
            "images": dict.fromkeys(labelled, run.images),
            "boxes": {part: boxes(part, number) for part in labelled},
        }
        for number, name in enumerate(CLASSES, 1)
    ]
    sharing = "val_images_sharing_a_recording_with_train"
    return {
        "split": {"requested": "auto", "used": "random", "seed": 1, "val_images_requested": 2},
        "images": {name: len(coco["images"]) for name, coco in sets.items()},
        "boxes": {name: len(sets[name]["annotations"]) for name in labelled},
        "images_without_boxes": dict.fromkeys(labelled, 0),
        "unreadable_test_images": 0,
        "recordings": {"train": 2, "val": 1, "shared": 1, sharing: 3},
        "val_images_identical_to_a_train_image": 0,
        "classes": classes,
        "issues": {"box outside": 1},
        "warnings": [f"No box in val of: {HOSTILE}."],
    }


def _write_records(run: MadeRun) -> None:
    """Writes a benchmark and two provenance files, the second made from a different val.json."""
    benchmark = run.results / "benchmarks/infer.tsv"
    benchmark.parent.mkdir()
    benchmark.write_text("s\th:m:s\tmax_rss\tmean_load\n12.5\t0:00:12\t900.5\tNA\n")
    _write_sidecar(run.results / "dataset/val.json", {"photos/Train.json": "0" * 64})
    _write_sidecar(run.results / "metrics/val.json", {"results/made/dataset/val.json": "1" * 64})


def _write_sidecar(output: Path, inputs: dict[str, str]) -> None:
    record = {"output": output.name, "sha256": sha256_file(output), "inputs": inputs}
    record |= {"settings": {}, "versions": {"torch": "2"}, "machine": {"device": "cpu"}}
    record |= {"git_revision": None, "seconds": 1.0}
    output.with_name(f"{output.name}.provenance.json").write_text(json.dumps(record))
