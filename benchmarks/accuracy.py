"""Accuracy on real photographs: stock yolov5's train() against this workflow, several seeds each.

Both train on the same prepared images with the same settings for the same epochs from the same
weights. Both results are predicted by the same inference (confidence 0.001, IoU 0.6, 300 boxes, no
test-time augmentation) and scored on the test truth by pycocotools. Runs that are finished are not
run again, so an interrupted benchmark goes on.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PREDICTION = ["--conf", "0.001", "--iou", "0.6", "--max-det", "300", "--batch-size", "16"]


def run_workflow(preset: dict, seed: int, work: Path) -> Path:
    """The workflow's baseline with this seed; returns its results folder. Seed 0 is the preset."""
    config = {**preset, "run": f"{preset['run']}-seed{seed}" if seed else preset["run"]}
    config["training"] = {**preset["training"], "seed": seed}
    path = work / f"seed{seed}.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    command = ["snakemake", "--cores", "all", "--configfile", str(path), "--", "train_baseline"]
    subprocess.run(command, check=True, cwd=ROOT)
    return ROOT / "results" / config["run"]


def run_stock(preset: dict, seed: int, dataset: Path, work: Path) -> Path:
    """Stock yolov5 with the settings of the preset's baseline; returns its last weights."""
    out = work / f"stock-seed{seed}"
    weights = out / "weights/last.pt"
    if not (out / "seconds.json").exists():
        training = preset["training"]
        command = [sys.executable, "benchmarks/stock_train.py", "--data", str(dataset)]
        command += ["--weights", os.path.expandvars(training["pretrained"]), "--out", str(out)]
        command += ["--epochs", str(preset["baseline"]["epochs"]), "--seed", str(seed)]
        command += ["--imgsz", str(training["imgsz"]), "--batch-size", str(training["batch_size"])]
        with (work / f"stock-seed{seed}.log").open("w") as log:
            subprocess.run(command, check=True, cwd=ROOT, stdout=log, stderr=log)
        print(f"stock, seed {seed}: {(out / 'seconds.json').read_text()}", flush=True)
    return weights


def score(weights: Path, results: Path, root: Path, imgsz: int, out: Path) -> dict[str, float]:
    """AP and AP50 of weights on the test truth, by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    command = [sys.executable, "scripts/infer.py", "--weights", str(weights), *PREDICTION]
    command += ["--images", str(results / "dataset/test.json"), "--imgsz", str(imgsz)]
    command += ["--image-dir", str(root / "test/images"), "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(root / "test_ground_truth.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(out)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"ap": float(evaluation.stats[0]), "ap50": float(evaluation.stats[1])}


def describe(name: str, runs: list[dict[str, float]]) -> str:
    """One line of the table: mean and standard deviation over the seeds."""
    cells = []
    for key in ("ap50", "ap"):
        values = [run[key] for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
        cells.append(f"{statistics.mean(values):.3f} ± {deviation:.3f}")
    return f"| {name} | {' | '.join(cells)} | {len(runs)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=ROOT / "presets/vehicles.yaml")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    preset = yaml.safe_load(arguments.preset.read_text())
    root = Path(os.path.expandvars(preset["data"]["root"]))
    imgsz = preset["training"]["imgsz"]
    work = ROOT / "results" / f"accuracy-{preset['run']}"
    work.mkdir(parents=True, exist_ok=True)
    scores: dict[str, list[dict[str, float]]] = {"stock": [], "parkdet": []}
    for seed in range(arguments.seeds):
        results = run_workflow(preset, seed, work)
        stock = run_stock(preset, seed, results / "dataset/dataset.yaml", work)
        weights = {"stock": stock, "parkdet": results / "weights/baseline_last.pt"}
        for name, path in weights.items():
            scores[name].append(score(path, results, root, imgsz, work / f"{name}-{seed}.json"))
            print(f"{name}, seed {seed}: {scores[name][-1]}", flush=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    record = {"preset": arguments.preset.name, "machine": machine, "scores": scores}
    place = ROOT / f"benchmarks/results/accuracy-{preset['run']}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(record, indent=2) + "\n")
    print("| weights | AP50 | AP | seeds |\n| --- | --- | --- | --- |")
    for name, runs in scores.items():
        print(describe(name, runs))


if __name__ == "__main__":
    main()
