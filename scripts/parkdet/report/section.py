"""What a part of the report consists of, and the list of all charts."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """A chart: the part of the report that it belongs to, its heading and what it shows."""

    section: str
    title: str
    caption: str


FIGURES = {
    "class_histogram": Figure(
        "data", "Boxes of each class", "Labelled objects of each class in train and val."
    ),
    "box_sizes": Figure(
        "data",
        "Sizes of the boxes",
        "Share of the boxes by the square root of their area, in pixels of the source image. "
        "COCO calls boxes below 32 small and above 96 large.",
    ),
    "losses": Figure(
        "training", "Losses", "Mean training loss of each epoch, as yolov5 scales its three terms."
    ),
    "scores": Figure(
        "training", "Scores on val", "Average precision after the epochs that were validated."
    ),
    "learning_rate": Figure(
        "training", "Learning rate", "Learning rate at the end of each epoch, without the biases'."
    ),
    "throughput": Figure("training", "Speed", "Training images a second, mean of each epoch."),
    "precision_recall": Figure(
        "quality",
        "Precision against recall",
        "On val, detections in the order of their confidence; mean over the classes and, "
        "fainter, each class at IoU 0.5.",
    ),
    "f1_confidence": Figure(
        "quality",
        "F1 against confidence",
        "On val at IoU 0.5, means over the classes, when only detections of at least this "
        "confidence are kept.",
    ),
    "bytes_threshold": Figure(
        "submission",
        "Size of the file",
        "How large the submission would be if all detections of at least this confidence stayed.",
    ),
    "kept_per_class": Figure(
        "submission", "Kept by the cut", "Detections of each class that the cut kept and left out."
    ),
    "rule_times": Figure("run", "Time of each step", "Wall-clock time, from the benchmark files."),
    "lineage": Figure(
        "run",
        "What was made from what",
        "Files of the run and what they were made from, as their provenance files record it. "
        "A red frame: made from another version of a file than the one that is there now.",
    ),
}


@dataclass
class Section:
    """A part of the report.

    Attributes:
        charts: SVG by the name of its figure.
        values: what the template of the part needs besides.
        missing: sentences on what is not there, and why.
    """

    name: str
    charts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def expected_figures(trained: bool, has_test_set: bool) -> list[str]:
    """The charts that a run of this kind has."""
    absent = set() if trained else {"training"}
    absent |= set() if has_test_set else {"submission"}
    return [name for name, figure in FIGURES.items() if figure.section not in absent]
