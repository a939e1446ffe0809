"""Accuracy on real photographs: stock yolov5's train() against this workflow, several seeds each.

Both train on the same prepared images with the same settings, from the same weights and for the
same number of epochs. Both results go through the same inference (confidence 0.001, IoU 0.6, 300
boxes, no test-time augmentation) and are scored against the test ground truth by pycocotools.
Finished runs are not repeated, so an interrupted benchmark resumes.
"""

import argparse
import statistics
import subprocess
from pathlib import Path

import yaml
from common import ROOT, VEHICLES, read_preset, score, table, train_stock, write_record

from parkdet.config import Config


def run_workflow(preset: dict, seed: int, work: Path) -> Path:
    """Runs the workflow's baseline with a seed (0: the preset as it is); returns its folder."""
    config = {**preset, "run": f"{preset['run']}-seed{seed}" if seed else preset["run"]}
    config["training"] = {**preset["training"], "seed": seed}
    path = work / f"seed{seed}.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    command = ["snakemake", "--cores", "all", "--configfile", str(path), "--", "train_baseline"]
    subprocess.run(command, check=True, cwd=ROOT)
    return ROOT / "results" / config["run"]


def run_stock(config: Config, dataset: Path, out: Path) -> Path:
    """Runs stock yolov5 with the settings of the preset's baseline; returns its last weights."""
    if not (out / "seconds.json").exists():
        train_stock(config, dataset, out)
        print(f"{out.name}: {(out / 'seconds.json').read_text()}", flush=True)
    return out / "weights/last.pt"


def describe(name: str, runs: list[dict[str, float]]) -> list[str]:
    """A row of the table: mean and standard deviation over the seeds."""
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
        seeded = read_preset(arguments.preset, training={"seed": seed})
        stock = run_stock(seeded, dataset, work / f"stock-seed{seed}")
        weights = {"stock": stock, "parkdet": results / "weights/baseline_last.pt"}
        for name, path in weights.items():
            scores[name].append(score(path, dataset, config, work / f"{name}-{seed}.json"))
            print(f"{name}, seed {seed}: {scores[name][-1]}", flush=True)
    write_record(f"accuracy-{config.run}", {"preset": arguments.preset.name, "scores": scores})
    rows = [describe(name, runs) for name, runs in scores.items()]
    print(table(["weights", "AP50", "AP", "seeds"], rows))


if __name__ == "__main__":
    main()
