"""Shared by the benchmarks: presets, prepared images, training, scoring, machine, records."""

import contextlib
import csv
import datetime
import importlib.metadata
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from parkdet.config import Config, validate  # noqa: E402
from parkdet.options import prepare_options, training_options  # noqa: E402
from parkdet.plan import Plan  # noqa: E402

VEHICLES = ROOT / "presets/vehicles.yaml"
VAL_IMAGES = 8  # in a subset: enough for a validation that is not timed
WORK = ROOT / "results/benchmarks"
RECORDS = ROOT / "benchmarks/results"
PREDICTION = ["--conf", "0.001", "--iou", "0.6", "--max-det", "300", "--batch-size", "16"]


def read_preset(path: Path = VEHICLES, run: str | None = None, **changes: dict) -> Config:
    """A preset with settings of its sections replaced: ``training={"seed": 3}``."""
    preset = yaml.safe_load(path.read_text())
    for section, values in changes.items():
        preset[section] = preset[section] | values
    preset["run"] = run or preset["run"]
    config = validate(preset)
    Plan(config).check()
    return config


def run_script(name: str, *options: object, log: Path | None = None) -> None:
    """Runs a script of the repository; its output goes to ``log`` if given.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    command = [sys.executable, str(ROOT / name), *map(str, options)]
    if log is None:
        subprocess.run(command, check=True, cwd=ROOT)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        subprocess.run(command, check=True, cwd=ROOT, stdout=file, stderr=file)


def prepare(config: Config) -> Path:
    """The folder of the preset's prepared images, created if missing."""
    out, plan = WORK / config.run / "dataset", Plan(config)
    if not (out / "dataset.yaml").exists():
        options = ("--data-root", plan.root, "--out", out, *prepare_options(plan))
        run_script("scripts/prepare_dataset.py", *options)
    return out


def subset(dataset: Path, images: int, out: Path) -> Path:
    """Makes a set of the first images of a prepared one, linking to its files."""
    if out.exists():
        return out
    out.mkdir(parents=True)
    for folder in ("images", "labels"):
        (out / folder).symlink_to(dataset / folder)
    for part, count in (("train", images), ("val", VAL_IMAGES)):
        lines = (dataset / f"{part}.txt").read_text().splitlines()[:count]
        (out / f"{part}.txt").write_text("".join(f"{line}\n" for line in lines))
        truth = json.loads((dataset / f"{part}.json").read_text())
        truth["images"] = truth["images"][:count]
        ids = {image["id"] for image in truth["images"]}
        truth["annotations"] = [box for box in truth["annotations"] if box["image_id"] in ids]
        (out / f"{part}.json").write_text(json.dumps(truth))
    listing = yaml.safe_load((dataset / "dataset.yaml").read_text()) | {"path": str(out)}
    (out / "dataset.yaml").write_text(yaml.safe_dump(listing, allow_unicode=True))
    return out


def train(config: Config, dataset: Path, out: Path, *options: object) -> list[dict[str, str]]:
    """Trains the preset's baseline, resuming if interrupted; ``options`` override the preset's.

    Returns:
        The rows of the metrics file.
    """
    files = {"last": "last.pt", "best": "best.pt", "metrics": "metrics.csv", "state-dir": "state"}
    places = [word for name, file in files.items() for word in (f"--{name}", out / file)]
    start = ["--weights", Plan(config).pretrained, "--dataset", dataset / "dataset.yaml"]
    own = training_options(config, config.baseline)
    run_script("scripts/train.py", *start, *places, *own, *options, log=out / "log.txt")
    with (out / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def train_stock(config: Config, dataset: Path, out: Path, *options: object) -> None:
    """Trains the preset's baseline with stock yolov5's own train(), never resuming."""
    training = config.training
    own = ["--data", dataset / "dataset.yaml", "--weights", Plan(config).pretrained, "--out", out]
    own += ["--epochs", config.baseline.epochs, "--seed", training.seed]
    own += ["--imgsz", training.imgsz, "--batch-size", training.batch_size]
    run_script("benchmarks/stock_train.py", *own, *options, log=out.with_suffix(".log"))


def score(weights: Path, dataset: Path, config: Config, out: Path) -> dict[str, float]:
    """AP and AP50 of weights against a preset's test ground truth, by pycocotools.

    Args:
        dataset: the folder of the prepared images.
        out: the file to write the detections to.
    """
    plan = Plan(config)
    images = ["--images", dataset / "test.json", "--image-dir", *plan.test_images]
    size = ["--imgsz", config.training.imgsz]
    run_script("scripts/infer.py", "--weights", weights, *images, *size, *PREDICTION, "--out", out)
    return score_file(out, plan.test_truth)


def score_file(detections: Path, truth: str) -> dict[str, float]:
    """AP and AP50 of a detections file, by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        evaluation = COCOeval(coco, coco.loadRes(str(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"ap": float(evaluation.stats[0]), "ap50": float(evaluation.stats[1])}


def train_and_score(config: Config, out: Path, threads: int | None = None) -> dict[str, float]:
    """AP, AP50 and training seconds of the preset's baseline, kept in ``out``.

    A finished training there is not repeated; an interrupted one resumes.
    """
    path = out / "scores.json"
    if not path.exists():
        dataset = prepare(config)
        rows = train(config, dataset, out, "--threads", threads or os.cpu_count())
        scores = score(out / "last.pt", dataset, config, out / "detections.json")
        images = len((dataset / "train.txt").read_text().splitlines())
        scores["training_seconds"] = sum(images / float(row["images_per_s"]) for row in rows)
        path.write_text(json.dumps(scores))
    return json.loads(path.read_text())


def machine() -> dict[str, Any]:
    """The machine and versions that the figures were measured on, and the date."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "torch": importlib.metadata.version("torch"),
        "yolov5": importlib.metadata.version("yolov5"),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "date": datetime.date.today().isoformat(),
    }


def write_record(name: str, record: dict[str, Any]) -> Path:
    """Writes a benchmark's figures, and the machine, to benchmarks/results/."""
    path = RECORDS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **record}, indent=2) + "\n")
    return path


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
