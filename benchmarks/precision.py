"""Accuracy of bf16 against fp32: the vehicles preset's baseline, several seeds, paired by seed.

Each training ends with AP on the test truth by pycocotools. What is finished is not trained
again, and what was interrupted goes on, so the trainings can be run one at a time, for example
`--seeds 3 --precisions bf16`; the figures are those of all that is finished.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from common import VEHICLES, WORK, read_preset, table, train_and_score, write_record
from scipy import stats

PRECISIONS = ("fp32", "bf16")


def finished(folder: Path) -> dict[str, dict[int, dict[str, float]]]:
    """The figures of all finished runs: precision -> seed -> figures."""
    found: dict[str, dict[int, dict[str, float]]] = {precision: {} for precision in PRECISIONS}
    for path in sorted(folder.glob("*/scores.json")):
        precision, seed = path.parent.name.split("-seed")
        found[precision][int(seed)] = json.loads(path.read_text())
    return found


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
    parser.add_argument("--precisions", choices=PRECISIONS, nargs="+", default=PRECISIONS)
    parser.add_argument("--imgsz", type=int, help="default: the preset's")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    preset = read_preset(arguments.preset)
    imgsz = arguments.imgsz or preset.training.imgsz
    folder = WORK / preset.run / f"precision-{imgsz}"
    for seed in arguments.seeds:
        for precision in arguments.precisions:
            changes = {"seed": seed, "precision": precision, "imgsz": imgsz}
            config = read_preset(arguments.preset, training=changes)
            out = folder / f"{precision}-seed{seed}"
            scores = train_and_score(config, out, arguments.threads)
            print(f"seed {seed}, {precision}: {scores}", flush=True)
    runs = finished(folder)
    seeds = sorted(runs["fp32"].keys() & runs["bf16"].keys())
    record = {"preset": arguments.preset.name, "imgsz": imgsz, "runs": runs, "paired_seeds": seeds}
    if len(seeds) > 1:
        record["bf16_minus_fp32"] = {
            name: paired_difference(*([runs[p][seed][name] for seed in seeds] for p in PRECISIONS))
            for name in ("ap", "ap50")
        }
    write_record(f"{folder.name}-{folder.parent.name}", record)
    print(report(record))


def report(record: dict) -> str:
    """The figures as Markdown."""
    runs, seeds = record["runs"], record["paired_seeds"]
    header = ["", *(f"seed {seed}" for seed in seeds), "mean"]
    rows = []
    for name, title in (("ap50", "AP50"), ("ap", "AP")):
        for precision in PRECISIONS:
            values = [runs[precision][seed][name] for seed in seeds]
            mean = [f"{statistics.mean(values):.3f}"] if values else ["-"]
            rows.append([f"{title}, {precision}", *(f"{value:.3f}" for value in values), *mean])
    lines = [table(header, rows)]
    for name, found in record.get("bf16_minus_fp32", {}).items():
        lines.append(
            f"{name}, bf16 minus fp32: {found['mean']:+.4f} "
            f"(95 % interval {found['low']:+.4f} to {found['high']:+.4f}, n = {len(seeds)})"
        )
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
