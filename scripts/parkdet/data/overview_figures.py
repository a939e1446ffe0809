"""Draws the overview of a data set as SVG files."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parkdet.files import atomic_write

# Text stays text, so the reader's fonts show it in any script; equal input gives equal bytes.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "parkdet", "font.family": "sans-serif"}
HEIGHT_A_BAR = 0.3  # inches


def draw_overview(overview: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draws the content of an overview: classes, sizes, recordings, conditions.

    Returns:
        The files: dataset_classes.svg, dataset_box_sides.svg, dataset_boxes_an_image.svg,
        dataset_recordings.svg, and dataset_{kind}.svg for each kind of condition in the names.

    Raises:
        UserError: the folder cannot be written.
    """
    classes = {row["name"]: row["boxes"] for row in overview["classes"]}
    sides = overview["box_sides"]["counts_from_side"]
    sides = {f"{side} to {2 * int(side)}": count for side, count in sides.items()}
    recordings = _in_doublings(overview["recordings"]["train"]["recordings_by_images"])
    figures = {
        "classes": (classes, "Boxes of each class", "boxes"),
        "box_sides": (sides, "Side of a square as large as the box, pixels", "boxes"),
        "boxes_an_image": (overview["boxes_an_image"], "Boxes in an image", "images"),
        "recordings": (recordings, "Images of a recording", "recordings"),
    }
    for kind, rows in overview["conditions"].items():
        images = {label: row["train"] for label, row in rows.items()}
        figures[kind] = (images, f"Training images by {kind}, from their names", "images")
    return [
        _save(
            folder / f"dataset_{name}.svg", lambda axes, bars=bars: _bars(axes, *bars), len(bars[0])
        )
        for name, bars in figures.items()
    ]


def _in_doublings(counts: Mapping[str, int]) -> dict[str, int]:
    """``{"1": 2, "5": 1, "7": 1}`` -> ``{"1": 2, "4 to 7": 2}``."""
    ranges: dict[str, int] = {}
    for value, count in counts.items():
        least = 1 << (int(value).bit_length() - 1)
        label = "1" if least == 1 else f"{least} to {2 * least - 1}"
        ranges[label] = ranges.get(label, 0) + count
    return ranges


def _bars(axes: Axes, counts: Mapping[str, int], title: str, unit: str) -> None:
    """Horizontal bars with their figures, the first on top."""
    bars = axes.barh(list(counts), list(counts.values()), color="#4477aa")
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.set_xlabel(unit)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _save(path: Path, draw: Callable[[Axes], None], bars: int) -> Path:
    with rc_context(STYLE):
        figure = Figure((7, 1.2 + HEIGHT_A_BAR * max(bars, 3)), layout="constrained")
        draw(figure.subplots())
        with atomic_write(path) as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # width is guessed; the reader has the glyph
            figure.savefig(file, format="svg", metadata={"Date": None})
    return path
