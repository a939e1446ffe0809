"""The report section on how good the detections are."""

from typing import Any

import numpy as np

from parkdet.evaluation.average_precision import RECALLS
from parkdet.evaluation.matching import Matches, match
from parkdet.report.axes import unit
from parkdet.report.curves import CONFIDENCES, precision_curves, rates_at_confidence
from parkdet.report.mistakes import add_analysis
from parkdet.report.section import FIGURES, Section
from parkdet.report.sources import Run
from parkdet.report.svg import Mark, Series, line_chart, nothing

SETS = {"val": "val", "test": "test", "start": "test, before training"}


def build(run: Run) -> Section:
    """The figures for val, test and each class, and the curves behind them."""
    section = Section("quality")
    wanted = {"val": True, "test": run.test_truth is not None, "start": run.scores_start}
    scores = {name: run.json(f"metrics/{name}.json") if wanted[name] else None for name in SETS}
    section.values["scores"] = [(SETS[name], item) for name, item in scores.items() if item]
    section.values["per_class"] = scores["val"]["per_class"] if scores["val"] else []
    section.values["best_f1"] = scores["val"]["best_f1"] if scores["val"] else None
    section.values |= {"small": [], "analysis": None, "gained": _gained(run, scores)}
    analysis = run.json("metrics/val_analysis.json")
    if analysis:
        add_analysis(section, analysis)
    elif scores["val"]:
        section.missing.append("The errors on val have not been analysed.")
    if scores["val"] is None:
        section.missing.append("The detections have not been scored yet.")
    if run.has_test_set and not wanted["test"]:
        section.missing.append("The test set is not scored: there is no ground truth for it.")
    truth, detections = run.truth("val"), run.detections("val")
    if truth is None or detections is None:
        section.missing.append("There are no detections on val yet, so there are no curves.")
        return section
    listed = {item["id"] for item in truth["categories"]}
    matches = match(truth, [record for record in detections if record.category_id in listed])
    envelopes = precision_curves(matches)
    section.charts["precision_recall"] = _precision_recall(envelopes, run.categories)
    section.charts["f1_confidence"] = _f1_confidence(matches, section.values["best_f1"])
    section.values["small"] = _small(envelopes, run.categories)
    return section


def _gained(run: Run, scores: dict[str, Any]) -> dict[str, Any] | None:
    """AP50 per class and errors of each type on the test set, before and after training."""
    if not (scores["start"] and scores["test"]):
        return None
    before = {row["category_id"]: row["ap50"] for row in scores["start"]["per_class"]}
    classes = [
        (row["name"], before.get(row["category_id"]), row["ap50"])
        for row in scores["test"]["per_class"]
    ]
    analyses = [run.json(f"metrics/{name}_analysis.json") for name in ("start", "test")]
    kinds = []
    if all(analyses):
        start, end = (item["errors"] for item in analyses)
        rows = zip(start["kinds"], end["kinds"], strict=True)
        kinds = [("right", start["right"], end["right"])]
        kinds += [(old["kind"], old["count"], new["count"]) for old, new in rows]
    return {"classes": classes, "kinds": kinds}


def _points(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _precision_recall(envelopes: dict[int, np.ndarray], names: dict[int, str]) -> str:
    title = FIGURES["precision_recall"].title
    if not envelopes:
        return nothing(title, "The val set has no objects.")
    faint = [
        Series(names.get(category, "?"), _points(RECALLS, curve), "faint")
        for category, curve in envelopes.items()
    ]
    mean = np.mean(list(envelopes.values()), axis=0)
    series = [*faint, Series("mean over the classes", _points(RECALLS, mean), "s0")]
    return line_chart(title, series, unit("recall"), unit("precision"))


def _f1_confidence(matches: Matches, best: dict[str, Any] | None) -> str:
    title = FIGURES["f1_confidence"].title
    rates = rates_at_confidence(matches)
    if rates is None:
        return nothing(title, "The val set has no objects.")
    series = [
        Series(name, _points(CONFIDENCES, values), style)
        for name, values, style in (
            ("precision", rates.precision, "s1"),
            ("recall", rates.recall, "s2"),
            ("F1", rates.f1, "s0"),
        )
    ]
    marks = []
    if best and best["confidence"] is not None:
        label = f"F1 {best['f1']:.3f} at {best['confidence']:.2f}"
        marks = [Mark("x", best["confidence"], label)]
    return line_chart(title, series, unit("minimum confidence"), unit("mean over classes"), marks)


def _small(envelopes: dict[int, np.ndarray], names: dict[int, str]) -> list[dict[str, Any]]:
    """Each class's curve as polyline points in a square of 100 units, best class first."""
    rows = []
    for category, curve in envelopes.items():
        points = " ".join(f"{100 * x:.0f},{100 - 100 * y:.1f}" for x, y in _points(RECALLS, curve))
        rows.append({"name": names.get(category, "?"), "ap50": curve.mean(), "points": points})
    return sorted(rows, key=lambda row: -row["ap50"])
