"""Accuracy on real photographs: stock yolov5's train() against this workflow, several seeds each.

Both train on the same prepared images with the same settings for the same epochs from the same
weights. Both results are predicted by the same inference (confidence 0.001, IoU 0.6, 300 boxes, no
test-time augmentation) and scored on the test truth by pycocotools. Runs that are finished are not
run again, so an interrupted benchmark goes on.
"""

import argparse
import os
import statistics
import subprocess
from pathlib import Path

import yaml
from common import ROOT, VEHICLES, read_preset, run_script, score, table, write_record


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
        options = ["--data", dataset, "--weights", os.path.expandvars(training["pretrained"])]
        options += ["--epochs", preset["baseline"]["epochs"], "--seed", seed, "--out", out]
        options += ["--imgsz", training["imgsz"], "--batch-size", training["batch_size"]]
        run_script("benchmarks/stock_train.py", *options, log=work / f"stock-seed{seed}.log")
        print(f"stock, seed {seed}: {(out / 'seconds.json').read_text()}", flush=True)
    return weights


def describe(name: str, runs: list[dict[str, float]]) -> list[str]:
    """One line of the table: mean and standard deviation over the seeds."""
    cells = []
    for key in ("ap50", "ap"):
        values = [run[key] for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
        cells.append(f"{statistics.mean(values):.3f} ± {deviation:.3f}")
    return [name, *cells, str(len(runs))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=VEHICLES)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    preset, config = yaml.safe_load(arguments.preset.read_text()), read_preset(arguments.preset)
    work = ROOT / "results" / f"accuracy-{config.run}"
    work.mkdir(parents=True, exist_ok=True)
    scores: dict[str, list[dict[str, float]]] = {"stock": [], "parkdet": []}
    for seed in range(arguments.seeds):
        results = run_workflow(preset, seed, work)
        dataset = results / "dataset"
        stock = run_stock(preset, seed, dataset / "dataset.yaml", work)
        weights = {"stock": stock, "parkdet": results / "weights/baseline_last.pt"}
        for name, path in weights.items():
            scores[name].append(score(path, dataset, config, work / f"{name}-{seed}.json"))
            print(f"{name}, seed {seed}: {scores[name][-1]}", flush=True)
    write_record(f"accuracy-{config.run}", {"preset": arguments.preset.name, "scores": scores})
    rows = [describe(name, runs) for name, runs in scores.items()]
    print(table(["weights", "AP50", "AP", "seeds"], rows))


if __name__ == "__main__":
    main()
