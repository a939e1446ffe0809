"""The report section on the submission file."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from parkdet.evaluation.coco_metrics import evaluate
from parkdet.report.axes import linear, unit
from parkdet.report.formatting import size
from parkdet.report.section import FIGURES, Section
from parkdet.report.sources import Run
from parkdet.report.svg import Bar, Mark, Series, bar_chart, line_chart, nothing
from parkdet.submission.candidates import (
    COMPACT,
    EMPTY,
    JSON_DUMP,
    read_candidates,
    texts_that_fit,
)

CURVE_POINTS = 200
PASSED = {  # what each check of validation.json means when passed
    "keys": "every record has exactly the keys of the format",
    "image_id": "every image_id is in the list of test images",
    "category_id": "every category_id is in the annotations",
    "numbers": "every bbox is 4 finite numbers, every score a number",
    "size": "every box has width and height",
    "inside": "every box lies within its image",
    "score": "every score is within 0 to 1",
    "segmentation": "every segmentation is a list",
    "duplicates": "no record repeats an earlier one",
    "bytes": "the file is smaller than the limit",
}


def build(run: Run) -> Section:
    """Bytes against confidence, what the cut kept and what it cost, and the check results."""
    section = Section("submission")
    cut = run.json("submission/cut.json")
    if not run.has_test_set:
        section.missing.append("Without a test set there is no submission.")
        return section
    if cut is None:
        section.missing.append("The submission has not been written yet.")
        return section
    validation = run.json("submission/validation.json")
    checks = [PASSED[name] for name in validation["checks"]] if validation else []
    section.values = {"cut": cut, "validation": validation, "checks": checks}
    if validation is None:
        section.missing.append("The submission has not been checked yet.")
    section.charts["bytes_threshold"] = _bytes_chart(run, cut)
    section.charts["kept_per_class"] = _kept_chart(cut, run.categories)
    section.values["cost"] = _cost(run, cut)
    return section


def _bytes_chart(run: Run, cut: dict[str, Any]) -> str:
    title = FIGURES["bytes_threshold"].title
    path = run.find("predictions/best_preds.json")
    points = _size_curve(path, cut["method"]) if path else []
    if not points:
        return nothing(title, "There are no detections.")
    limit = cut["max_bytes"]
    factor, name = (1e6, "MB") if max(limit, points[0][1]) >= 1e6 else (1e3, "kB")
    y = linear(f"file size, {name}", [bytes_ / factor for _, bytes_ in (*points, (0, limit))], 0)
    marks = [Mark("y", limit / factor, f"limit {size(limit)}")]
    if cut["threshold"] is not None and cut["detections"]["left_out"]:
        marks.append(Mark("x", cut["threshold"], f"cut at {cut['threshold']:g}"))
    line = Series("file size", [(score, bytes_ / factor) for score, bytes_ in points])
    return line_chart(title, [line], unit("minimum confidence kept"), y, marks)


def _size_curve(path: Path, method: str) -> list[tuple[float, float]]:
    """(least confidence kept, bytes of the file) at CURVE_POINTS confidences from 0 to 1."""
    candidates = read_candidates(path)
    if not len(candidates.scores):
        return []
    style = JSON_DUMP if method == "threshold" else COMPACT
    order = np.argsort(-candidates.scores, kind="stable")
    texts = texts_that_fit(candidates, order, style, sys.maxsize)
    total = np.cumsum([0, *(len(text) + len(style.separator) for text in texts)])
    grid = np.linspace(0, 1, CURVE_POINTS)
    kept = np.searchsorted(-candidates.scores[order], -grid, side="right")
    bytes_ = EMPTY + total[kept] - len(style.separator) * (kept > 0)
    return list(zip(grid.tolist(), bytes_.tolist(), strict=True))


def _kept_chart(cut: dict[str, Any], names: dict[int, str]) -> str:
    title = FIGURES["kept_per_class"].title
    bars = [
        Bar(
            names.get(row["category_id"], str(row["category_id"])),
            (row["kept"], row["left_out"]),
            f"{row['kept']:,} of {row['total']:,}",
        )
        for row in cut["per_class"]
    ]
    if not bars:
        return nothing(title, "There are no detections.")
    return bar_chart(title, bars, [("kept", "s0"), ("left out", "rest")], stacked=True)


def _cost(run: Run, cut: dict[str, Any]) -> dict[str, float] | None:
    """AP on val with all detections and with only those whose confidence the cut would keep."""
    truth, detections = run.truth("val"), run.detections("val")
    if truth is None or detections is None or not cut["detections"]["left_out"]:
        return None
    least = _least_kept(cut)
    kept = [d for d in detections if d.score >= least.get(d.category_id, cut["threshold"] or 0)]
    before, after = evaluate(truth, detections), evaluate(truth, kept)
    return {
        "ap_before": before.ap,
        "ap_after": after.ap,
        "ap50_before": before.ap50,
        "ap50_after": after.ap50,
        "kept": len(kept),
        "total": len(detections),
    }


def _least_kept(cut: dict[str, Any]) -> dict[int, float]:
    """Category id -> least score kept, where each class has its own; infinite if none was kept."""
    if cut["method"] != "per-class":
        return {}
    rows = ((row["category_id"], row["threshold"]) for row in cut["per_class"])
    return {category: math.inf if least is None else least for category, least in rows}
