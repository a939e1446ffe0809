"""The mean AP that each method of the cut preserves, on photographs and on the demo.

Needs PARKDET_DATA and, in results/, the finished runs of presets/vehicles.yaml,
presets/coco-traffic.yaml and the demo. Their tune_best.pt, and yolov5n's COCO weights on
coco-traffic, predict on val and test images down to a confidence of 0.001 with 300 boxes per image;
these detections are made once and kept.

The test images are split into random halves, several times. per-class learns from one half; each
method cuts the other half's detections to 1/2, ..., 1/64 of their bytes, which are scored; then the
halves swap roles. The oracle is per-class learnt from the ground truth of the scored images
themselves. Finally, per-class learns from the val set and all test images are cut and scored, as in
a user's run.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import PREDICTION, ROOT, VEHICLES, WORK, read_preset, run_script, table, write_record

from parkdet.config import Config
from parkdet.evaluation.coco_metrics import evaluate, scored
from parkdet.evaluation.truth import read_truth
from parkdet.plan import Plan
from parkdet.submission.calibration import Target, calibrate
from parkdet.submission.cut import cut_file
from parkdet.submission.records import Detection, read_detections, write_detections

DIVISORS = (2, 4, 8, 16, 32, 64)
FIGURES = {"ap": "50:95", "ap50": "50", "ap75": "75"}  # of Metrics -> the AP that per-class aims at
COLUMNS = ["bytes", "global", "2022 - global", "per-class - global", "oracle - global"]
Scores = dict[str, dict[int, dict[str, float]]]  # method -> divisor of the bytes -> figures


class Case(NamedTuple):
    """A detector and its data."""

    name: str
    config: Config
    weights: str


class Part(NamedTuple):
    """Images with their ground truth and their detections."""

    truth: dict
    detections: list[Detection]

    def of(self, images: Sequence[int]) -> "Part":
        """The part restricted to these images."""
        chosen = set(images)
        truth = dict(self.truth)
        truth["images"] = [item for item in truth["images"] if item["id"] in chosen]
        truth["annotations"] = [i for i in truth["annotations"] if i["image_id"] in chosen]
        return Part(truth, [item for item in self.detections if item.image_id in chosen])


def read_cases() -> list[Case]:
    """The detectors that are compared."""
    traffic = read_preset(ROOT / "presets/coco-traffic.yaml")
    own = [read_preset(VEHICLES), traffic, read_preset(ROOT / "config.yaml")]
    cases = [Case(c.run, c, f"{Plan(c).results}/weights/tune_best.pt") for c in own]
    coco = os.path.expandvars(traffic.training.pretrained or "")
    return [*cases, Case("coco-traffic, COCO weights", traffic, coco)]


def read_part(case: Case, name: str) -> Part:
    """The val or test images of a case, with detections that are made if missing."""
    plan = Plan(case.config)
    dataset = ROOT / plan.results / "dataset"
    out = WORK / "cut_methods" / f"{case.name.replace(', ', '-').replace(' ', '-')}-{name}.json"
    if not out.exists():
        folder = plan.test_images[0] if name == "test" else dataset / "images/val"
        images = ["--images", dataset / f"{name}.json", "--image-dir", folder]
        size = ["--imgsz", case.config.infer.imgsz]
        weights = ["--weights", case.weights]
        run_script("scripts/infer.py", *weights, *images, *size, *PREDICTION, "--out", out)
    truth = read_truth(Path(plan.test_truth) if name == "test" else dataset / "val.json")
    return Part(truth, scored(truth, read_detections(out)))


def divided(part: Part, splits: int) -> Iterator[tuple[Part, Part]]:
    """Random halves of the images, one to learn from, one to score; each split is used twice."""
    ids = sorted(image["id"] for image in part.truth["images"])
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(ids).tolist()
        one, other = part.of(order[: len(ids) // 2]), part.of(order[len(ids) // 2 :])
        yield one, other
        yield other, one


def compare(known: Part, part: Part, folder: Path) -> Scores:
    """Scores of the detections of ``part`` that each method keeps.

    Args:
        known: what per-class learns from.
        folder: for temporary files.
    """
    source = folder / "all.json"
    write_detections(source, part.detections)
    methods = {"threshold": ("threshold", ()), "global": ("global", ())}
    for target in FIGURES.values():
        methods[f"per-class {target}"] = ("per-class", _learnt(known, target))
        methods[f"oracle {target}"] = ("per-class", _learnt(part, target))
    found: Scores = {}
    for name, (method, calibrations) in methods.items():
        for divisor in DIVISORS:
            limit = source.stat().st_size // divisor
            cut_file(source, folder / "cut.json", limit, method, calibrations)
            metrics = evaluate(part.truth, read_detections(folder / "cut.json"))
            figures = {figure: getattr(metrics, figure) for figure in FIGURES}
            found.setdefault(name, {})[divisor] = figures
    return found


def _learnt(part: Part, target: Target) -> list:
    return calibrate(part.truth, part.detections, target)


def describe(runs: list[Scores], figure: str) -> list[list[str]]:
    """Rows of a table, one per fraction of the bytes: mean and standard deviation over the runs."""
    target = FIGURES[figure]
    rows = []
    for divisor in DIVISORS:
        values = {
            name: [100 * run[name][divisor][figure] for run in runs]
            for name in ("threshold", "global", f"per-class {target}", f"oracle {target}")
        }
        plain, by_score, learnt, oracle = values.values()
        rows.append([f"1/{divisor}", f"{statistics.mean(by_score):.2f}"])
        for other in (plain, learnt, oracle):
            rows[-1].append(_difference(other, by_score))
    return rows


def _difference(values: list[float], reference: list[float]) -> str:
    differences = [a - b for a, b in zip(values, reference, strict=True)]
    text = f"{statistics.mean(differences):+.2f}"
    return f"{text} ± {statistics.stdev(differences):.2f}" if len(differences) > 1 else text


def tables_of(case: Case, directions: dict[str, list[Scores]]) -> dict[str, list[list[str]]]:
    """The tables of a case, by their titles."""
    return {
        f"{case.name}, {direction}: {figure.upper()} in points": describe(runs, figure)
        for figure in FIGURES
        for direction, runs in directions.items()
    }


def measure(case: Case, splits: int, folder: Path) -> dict[str, list[Scores]]:
    """The scores of a case: on each half of the test images, and from val to test."""
    test, val = read_part(case, "test"), read_part(case, "val")
    halves = [compare(known, part, folder) for known, part in divided(test, splits)]
    return {"halves of test": halves, "val to test": [compare(val, test, folder)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    tables: dict[str, list[list[str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in read_cases():
            found = tables_of(case, measure(case, arguments.splits, Path(folder)))
            for title, rows in found.items():
                print(f"{title}\n\n{table(COLUMNS, rows)}\n", flush=True)
            tables |= found
    write_record("cut_methods", {"splits": arguments.splits, "columns": COLUMNS, "tables": tables})


if __name__ == "__main__":
    main()
