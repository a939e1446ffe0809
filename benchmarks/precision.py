"""Accuracy of bf16, fp32 and stock yolov5: the vehicles preset's baseline, several seeds.

Each training's weights are scored against the test ground truth by pycocotools, through our
inference. Finished trainings are not repeated and interrupted ones resume (stock's start over), so
they can be run one at a time, for example `--seeds 3 --sides bf16`; the tables cover all that are
finished.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from common import (
    VEHICLES,
    WORK,
    prepare,
    read_preset,
    score,
    table,
    train_and_score,
    train_stock,
    write_record,
)
from scipy import stats

from parkdet.config import Config

SIDES = ("stock", "fp32", "bf16")
PAIRS = (("fp32", "bf16"), ("stock", "fp32"), ("stock", "bf16"))
FIGURES = {"ap50": "AP50", "ap": "AP"}

Runs = dict[str, dict[int, dict[str, float]]]  # side -> seed -> figures


def finished(folder: Path) -> Runs:
    """The figures of all finished runs."""
    found: Runs = {side: {} for side in SIDES}
    for path in sorted(folder.glob("*/scores.json")):
        side, seed = path.parent.name.split("-seed")
        found[side][int(seed)] = json.loads(path.read_text())
    return found


def train_stock_and_score(config: Config, out: Path) -> dict[str, float]:
    """Does the same as train_and_score with stock yolov5's own train()."""
    path = out / "scores.json"
    if not path.exists():
        dataset = prepare(config)
        train_stock(config, dataset, out, "--cache", "ram", "--skip-validation")
        scores = score(out / "weights/last.pt", dataset, config, out / "detections.json")
        path.write_text(json.dumps(scores))
    return json.loads(path.read_text())


def paired_difference(first: list[float], second: list[float]) -> dict[str, float]:
    """Mean of ``second - first`` and its 95 % interval by Student's t."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    reach = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=VEHICLES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--sides", choices=SIDES, nargs="+", default=SIDES)
    parser.add_argument("--imgsz", type=int, help="default: the preset's")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of ours, not of stock")
    arguments = parser.parse_args()
    preset = read_preset(arguments.preset)
    imgsz = arguments.imgsz or preset.training.imgsz
    folder = WORK / preset.run / f"precision-{imgsz}"
    for seed in arguments.seeds:
        for side in arguments.sides:
            precision = {} if side == "stock" else {"precision": side}
            changes = {"seed": seed, "imgsz": imgsz, **precision}
            config = read_preset(arguments.preset, training=changes)
            out = folder / f"{side}-seed{seed}"
            if side == "stock":
                scores = train_stock_and_score(config, out)
            else:
                scores = train_and_score(config, out, arguments.threads)
            print(f"seed {seed}, {side}: {scores}", flush=True)
    runs = finished(folder)
    record = {"preset": arguments.preset.name, "imgsz": imgsz, "runs": runs}
    record["differences"] = {
        f"{second} minus {first}": differences(runs[first], runs[second]) for first, second in PAIRS
    }
    write_record(f"{folder.name}-{folder.parent.name}", record)
    print(report(record))


def differences(
    first: dict[int, dict[str, float]], second: dict[int, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Paired differences of each figure over the seeds that both sides have, if at least two."""
    seeds = sorted(first.keys() & second.keys())
    if len(seeds) < 2:
        return {}
    return {
        name: paired_difference(*([side[seed][name] for seed in seeds] for side in (first, second)))
        for name in FIGURES
    }


def report(record: dict) -> str:
    """The figures as Markdown tables."""
    runs = record["runs"]
    seeds = sorted({seed for side in runs.values() for seed in side})
    header = ["", *(f"seed {seed}" for seed in seeds), "mean"]
    rows = []
    for name, title in FIGURES.items():
        for side, found in runs.items():
            values = [found[seed][name] if seed in found else float("nan") for seed in seeds]
            mean = (
                statistics.mean(figures[name] for figures in found.values())
                if found
                else float("nan")
            )
            rows.append([f"{title}, {side}", *(f"{value:.3f}" for value in (*values, mean))])
    lines = [
        [pair, *(interval(figures[name]) for name in FIGURES)]
        for pair, figures in record["differences"].items()
        if figures
    ]
    titles = ["difference", *(f"{title} (95 % interval)" for title in FIGURES.values())]
    return f"{table(header, rows)}\n\n{table(titles, lines)}"


def interval(found: dict[str, float]) -> str:
    """A mean difference with its interval."""
    return f"{found['mean']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"


if __name__ == "__main__":
    main()
