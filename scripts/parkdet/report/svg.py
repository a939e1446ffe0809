"""Charts as SVG text. Colours are CSS variables, so charts follow the light or dark theme."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from parkdet.report.axes import Axis, short

WIDTH = 400  # units; fits a phone without making the text too small
LETTER = 7.0  # mean letter width at the font size of chart.css
LINE = 18  # height of a text line


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        style: class of chart.css: s0 to s5, or `faint` for one of many classes.
        marks: whether each point has a dot that shows its values.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "s0"
    marks: bool = False


@dataclass(frozen=True)
class Mark:
    """A reference line at ``value`` across the chart."""

    on: str  # "x" or "y"
    value: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A labelled bar of one or more values."""

    label: str
    values: Sequence[float]
    text: str


@dataclass(frozen=True)
class _Frame:
    """The inner rectangle of a chart, in units, and its axes."""

    left: float
    top: float
    right: float
    bottom: float
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )


def document(title: str, body: Sequence[str], height: float, width: float = WIDTH) -> str:
    """The svg element; ``title`` is what a screen reader says.

    A chart wider than the default may shrink, but not until it becomes unreadable.
    """
    least = f' style="min-width:{0.8 * width:.0f}px"' if width > WIDTH else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"{least} '
        f'aria-label="{escape(title)}">'
        f"{''.join(body)}</svg>"
    )


def text(x: float, y: float, content: str, style: str = "tick", anchor: str = "start") -> str:
    """Text whose baseline starts, ends or is centred at a point."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(content)}</text>"
    )


def text_width(content: str) -> float:
    """Estimated width in units; East Asian characters are wide."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in content)
    return LETTER * (len(content) + 0.8 * wide)


def shortened(content: str, limit: float) -> str:
    """``content``, cut with an ellipsis to about ``limit`` units."""
    if text_width(content) <= limit:
        return content
    while content and text_width(content) > limit - LETTER:
        content = content[:-1]
    return f"{content}…"


def nothing(title: str, sentence: str) -> str:
    """A placeholder for a chart that has nothing to show."""
    return document(title, [text(WIDTH / 2, 40, sentence, "label", "middle")], 70)


def line_chart(
    title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    marks: Sequence[Mark] = (),
    height: float = 260,
) -> str:
    """Lines over axes, with a legend and reference lines."""
    entries = [(line.name, line.style) for line in series if line.style != "faint"]
    entries += [("single classes", "faint")] * any(line.style == "faint" for line in series)
    legend, legend_height = _legend(entries)
    left = max(text_width(short(tick)) for tick in y.ticks) + 10
    frame = _Frame(left, LINE + 8 + legend_height, WIDTH - 14, height - 40, x, y)
    body = [*legend, *_axes(frame, legend_height)]
    body += [part for line in series for part in _line(frame, line)]
    body += [part for mark in marks for part in _mark(frame, mark)]
    return document(title, body, height)


def _axes(frame: _Frame, offset: float) -> list[str]:
    """Grid, ticks and labels of both axes; the y axis has its label above it."""
    parts = [text(0, offset + 12, frame.y.label, "label")]
    for tick in frame.y.ticks:
        _, y = frame.at(frame.x.low, tick)
        parts.append(
            f'<line class="grid" x1="{frame.left:.1f}" x2="{frame.right:.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(text(frame.left - 6, y + 4, short(tick), "tick", "end"))
    for tick in frame.x.ticks:
        x, _ = frame.at(tick, frame.y.low)
        parts.append(text(x, frame.bottom + 16, short(tick), "tick", "middle"))
    parts.append(text(frame.right, frame.bottom + 34, frame.x.label, "label", "end"))
    return parts


def _line(frame: _Frame, line: Series) -> list[str]:
    points = [frame.at(*point) for point in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [
        f'<polyline class="line {line.style}" points="{path}">'
        f"<title>{escape(line.name)}</title></polyline>"
    ]
    if line.marks:
        for (x, y), (at, value) in zip(points, line.points, strict=True):
            parts.append(
                f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
                f"<title>{escape(f'{line.name}: {value:.4g} at {at:g}')}</title></circle>"
            )
    return parts


def _mark(frame: _Frame, mark: Mark) -> list[str]:
    if mark.on == "x":
        x, _ = frame.at(mark.value, frame.y.low)
        ends = (x, frame.top, x, frame.bottom)
        near_end = x + text_width(mark.label) + 6 > frame.right
        place = (x - 4 if near_end else x + 4, frame.top + 10, "end" if near_end else "start")
    else:
        _, y = frame.at(frame.x.low, mark.value)
        ends = (frame.left, y, frame.right, y)
        place = (frame.right, y - 5 if y > frame.top + LINE else y + 14, "end")
    x1, y1, x2, y2 = ends
    return [
        f'<line class="mark" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>',
        text(place[0], place[1], mark.label, "note", place[2]),
    ]


def _legend(entries: Sequence[tuple[str, str]]) -> tuple[list[str], float]:
    """The legend: names next to their colours, on as many lines as they need; and its height."""
    if len(entries) < 2:
        return [], 0
    parts, x, y = [], 0.0, 10.0
    for name, style in entries:
        width = text_width(name) + 34
        if x and x + width > WIDTH:
            x, y = 0.0, y + LINE
        parts.append(
            f'<rect class="key {style}" x="{x:.1f}" y="{y - 5:.1f}" width="14" height="4"/>'
        )
        parts.append(text(x + 19, y + 1, name, "tick"))
        x += width
    return parts, y + 10


def bar_chart(
    title: str, bars: Sequence[Bar], names: Sequence[tuple[str, str]], stacked: bool = False
) -> str:
    """Horizontal bars: the values of each label one below the other or, if ``stacked``, in a row.

    Args:
        names: the names of the values and their styles (s0 to s5).
    """
    legend, top = _legend(names)
    left = min(max((text_width(bar.label) for bar in bars), default=0) + 10, 0.36 * WIDTH)
    right = WIDTH - max((text_width(bar.text) for bar in bars), default=0) - 8
    most = max((sum(bar.values) if stacked else max(bar.values) for bar in bars), default=0) or 1
    thickness = 12 if stacked or len(names) == 1 else 6
    rows = 1 if stacked else len(names)
    pitch = max(rows * (thickness + 1) + 8, 20)
    body = list(legend)
    for number, bar in enumerate(bars):
        y = top + number * pitch + 4
        body.append(_bar_label(bar.label, left, y + pitch / 2))
        start, end = left, left
        for row, value in enumerate(bar.values):
            length = (right - left) * value / most
            place = y if stacked else y + row * (thickness + 1)
            start = end if stacked else left
            end = start + length
            body.append(
                f'<rect class="bar {names[row][1]}" x="{start:.1f}" y="{place:.1f}" '
                f'width="{max(length, 0.5 if value else 0):.1f}" height="{thickness}"/>'
            )
        furthest = left + (right - left) * (sum(bar.values) if stacked else max(bar.values)) / most
        body.append(text(furthest + 5, y + pitch / 2, bar.text, "tick"))
    return document(title, body, top + len(bars) * pitch + 8)


def _bar_label(label: str, left: float, y: float) -> str:
    shown = shortened(label, left - 8)
    element = text(left - 7, y, shown, "tick strong", "end")
    if shown == label:
        return element
    return element.replace("</text>", f"<title>{escape(label)}</title></text>")


def steps(edges: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """The outline of a histogram: ``edges`` has one entry more than ``values``."""
    points = [(edges[0], 0.0)]
    for low, high, value in zip(edges[:-1], edges[1:], values, strict=True):
        points += [(low, value), (high, value)]
    return [*points, (edges[-1], 0.0)]


def finite(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """The points that have a value."""
    return [(x, y) for x, y in points if y is not None and math.isfinite(y)]
