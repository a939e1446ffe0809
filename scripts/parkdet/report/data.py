"""The report section on the images and their labels."""

from collections import Counter
from typing import Any

import numpy as np

from parkdet.report.axes import linear, powers
from parkdet.report.photographs import PARTS, boxes_an_image, counted, recording_sizes
from parkdet.report.section import FIGURES, Section
from parkdet.report.sources import Coco, Run, read_csv
from parkdet.report.svg import Bar, Mark, Series, bar_chart, line_chart, nothing, steps
from parkdet.report.thumbnails import thumbnail

SIZES = [2.0 ** (number / 2) for number in range(4, 23)]  # 4 to 2048 pixels, half octaves
EXAMPLES, EXAMPLE_WIDTH = 6, 480
ISSUES_SHOWN = 50


def build(run: Run) -> Section:
    """Class and size histograms, the split, the problems found and a few labelled images."""
    section = Section("data")
    summary = run.json("dataset/summary.json")
    if summary is None or not run.parts:
        section.missing.append("The data set has not been prepared yet.")
        return section
    section.charts["class_histogram"] = _class_histogram(summary)
    section.charts["box_sizes"] = _box_sizes(run.parts)
    section.charts["boxes_an_image"] = boxes_an_image(run.parts)
    issues = run.find("dataset/issues.csv")
    section.values = {
        "summary": summary,
        "split": _split_rows(summary),
        "photographs": counted(run),
        "recording_sizes": recording_sizes(run),
        "issues": read_csv(issues)[:ISSUES_SHOWN] if issues else [],
        "issue_count": sum(summary["issues"].values()),
        "examples": _examples(run),
    }
    if "test" not in run.parts:
        section.missing.append("There is no test set.")
    return section


def _class_histogram(summary: dict[str, Any]) -> str:
    title = FIGURES["class_histogram"].title
    bars = [
        Bar(
            row["name"],
            (row["boxes"]["train"], row["boxes"]["val"]),
            f"{row['boxes']['train']:,} + {row['boxes']['val']:,}",
        )
        for row in summary["classes"]
    ]
    if not bars:
        return nothing(title, "The data have no classes.")
    return bar_chart(title, bars, [("train", "s0"), ("val", "s1")])


def _box_sizes(parts: dict[str, Coco]) -> str:
    title = FIGURES["box_sizes"].title
    series = []
    for part, style in (("train", "s0"), ("val", "s1")):
        boxes = parts[part].annotations if part in parts else []
        if boxes:
            sides = np.sqrt([box.bbox[2] * box.bbox[3] for box in boxes])
            counts, _ = np.histogram(np.clip(sides, SIZES[0], SIZES[-1]), SIZES)
            series.append(Series(part, steps(SIZES, (100 * counts / len(boxes)).tolist()), style))
    if not series:
        return nothing(title, "The data have no boxes.")
    values = [value for line in series for _, value in line.points]
    marks = [Mark("x", 32, "32"), Mark("x", 96, "96")]
    x = powers("square root of box area, pixels", SIZES[0], SIZES[-1])
    return line_chart(title, series, x, linear("boxes, %", values, 0), marks)


def _split_rows(summary: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Table rows of counts for train, val and test; None where a count does not apply."""
    rows = {
        "images": summary["images"],
        "boxes": summary["boxes"],
        "images without boxes": summary["images_without_boxes"],
        "recordings": summary["recordings"],
    }
    return [(name, [row.get(part) for part in PARTS]) for name, row in rows.items()]


def _examples(run: Run) -> list[dict[str, Any]]:
    """Thumbnails of training images, spread evenly over those with objects, and their boxes."""
    train = run.parts.get("train")
    if train is None:
        return []
    counts = Counter(box.image_id for box in train.annotations)
    labelled = [image for image in train.images if counts[image.id]]
    step = max(len(labelled) / EXAMPLES, 1)
    chosen = [labelled[int(number * step)] for number in range(min(EXAMPLES, len(labelled)))]
    ids = {image.id for image in chosen}
    boxes = [box for box in train.annotations if box.image_id in ids]
    examples = []
    for image in chosen:
        picture = thumbnail(run.results / "dataset/images/train" / image.file_name, EXAMPLE_WIDTH)
        if picture:
            own = [box for box in boxes if box.image_id == image.id]
            examples.append({"picture": picture, "name": image.file_name, "boxes": own})
    return examples
