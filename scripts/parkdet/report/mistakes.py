"""What the detector gets wrong, drawn from the analysis stored next to the metrics."""

from html import escape
from typing import Any

from parkdet.report.axes import unit
from parkdet.report.section import FIGURES, Section
from parkdet.report.svg import (
    Bar,
    Series,
    bar_chart,
    document,
    line_chart,
    nothing,
    shortened,
    text,
    text_width,
)

CELL, SMALL_CELL = 26, 12  # units; the small ones have no room for numbers
NUMBERED = 24  # most classes, background included, for which cells are large


def add_analysis(section: Section, analysis: dict[str, Any]) -> None:
    """Adds the charts of an analysis and the tables of AP by size and condition."""
    section.charts["error_kinds"] = _error_kinds(analysis["errors"])
    section.charts["confusion"] = _confusion(analysis["confusion"])
    section.charts["reliability"] = _reliability(analysis["reliability"])
    section.values["analysis"] = analysis


def _error_kinds(errors: dict[str, Any]) -> str:
    title = FIGURES["error_kinds"].title
    kinds = [kind for kind in errors["kinds"] if kind["gain"] is not None]
    if not kinds:
        return nothing(title, "The val set has no objects.")
    kinds.sort(key=lambda kind: -kind["gain"])
    bars = [
        Bar(kind["kind"], (max(kind["gain"], 0),), f"+{kind['gain']:.3f} ({kind['count']:,})")
        for kind in kinds
    ]
    return bar_chart(title, bars, [("AP50 gained", "s3")])


def _reliability(reliability: dict[str, Any]) -> str:
    title = FIGURES["reliability"].title
    bins = reliability["bins"]
    if not bins:
        return nothing(title, "There are no detections.")
    error = reliability["expected_calibration_error"]
    points = [(row["score"], row["precision"]) for row in bins]
    series = [
        Series("perfect calibration", [(0, 0), (1, 1)], "s5"),
        Series(f"detections (calibration error {error:.3f})", points, "s0", marks=True),
    ]
    return line_chart(title, series, unit("mean confidence"), unit("share that is right"))


def _confusion(confusion: dict[str, Any]) -> str:
    title, counts = FIGURES["confusion"].title, confusion["counts"]
    names = [*confusion["classes"], "background"]
    cell = CELL if len(names) <= NUMBERED else SMALL_CELL
    corner = "true ↓ predicted →"
    margin = min(max(map(text_width, [corner, *names])) + 10, 150)
    body = [text(margin - 6, margin - 6, corner, "tick", "end")]
    for number, name in enumerate(names):
        along = margin + (number + 0.5) * cell + 4
        shown = shortened(name, margin - 10)
        body.append(text(margin - 6, along, shown, "tick strong", "end"))
        turned = text(0, 0, shown, "tick strong")
        body.append(
            f'<g transform="translate({along:.1f} {margin - 6:.1f}) rotate(-90)">{turned}</g>'
        )
    for row, values in enumerate(counts):
        for column, value in enumerate(values):
            if value:
                place = (margin + column * cell, margin + row * cell, cell)
                told = f"{names[row]}, predicted as {names[column]}"
                body.append(_cell(place, value, value / sum(values), told))
    size = margin + len(names) * cell + 2
    body.append(
        f'<rect class="frame" x="{margin:.1f}" y="{margin:.1f}" '
        f'width="{len(names) * cell}" height="{len(names) * cell}"/>'
    )
    return document(title, body, size, size)


def _cell(place: tuple[float, float, float], value: int, share: float, told: str) -> str:
    x, y, cell = place
    number = ""
    if cell == CELL:
        style = "count over" if share > 0.5 else "count"
        number = text(x + cell / 2, y + cell / 2 + 4, str(value), style, "middle")
    title = escape(f"{told}: {value:,} ({100 * share:.0f} %)")
    return (
        f'<g><title>{title}</title><rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{cell - 1}" '
        f'height="{cell - 1}" fill-opacity="{0.08 + 0.92 * share:.2f}"/>{number}</g>'
    )
