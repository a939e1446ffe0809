"""What a report section consists of, and the list of all charts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

CAPTIONS = Path(__file__).parent / "templates/captions"


class Figure(NamedTuple):
    """A chart: the report section that it belongs to, and its heading."""

    section: str
    title: str


FIGURES = {
    "class_histogram": Figure("data", "Boxes per class"),
    "box_sizes": Figure("data", "Box sizes"),
    "boxes_an_image": Figure("data", "Boxes per image"),
    "losses": Figure("training", "Losses"),
    "scores": Figure("training", "Scores on val"),
    "learning_rate": Figure("training", "Learning rate"),
    "throughput": Figure("training", "Training speed"),
    "precision_recall": Figure("quality", "Precision-recall curves"),
    "f1_confidence": Figure("quality", "F1 against confidence"),
    "error_kinds": Figure("quality", "Error types"),
    "reliability": Figure("quality", "Calibration"),
    "confusion": Figure("quality", "Confusion matrix"),
    "bytes_threshold": Figure("submission", "Size of the submission"),
    "kept_per_class": Figure("submission", "Detections kept per class"),
    "rule_times": Figure("run", "Time per step"),
    "lineage": Figure("run", "Lineage"),
}


@dataclass
class Section:
    """A section of the report.

    Attributes:
        charts: SVG by figure name.
        values: what else the section's template needs.
        missing: sentences on what is missing, and why.
    """

    name: str
    charts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def caption(name: str) -> str:
    """What a figure shows, in a sentence or two: the file that Snakemake's report also reads."""
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").strip()


def expected_figures(trained: bool, has_test_set: bool) -> list[str]:
    """The charts that a run of this kind has."""
    absent = set() if trained else {"training"}
    absent |= set() if has_test_set else {"submission"}
    return [name for name, figure in FIGURES.items() if figure.section not in absent]
