"""Axes and charts: where values lie, and that hostile or empty input breaks no chart."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkdet.report.axes import linear, powers, short, unit, whole
from parkdet.report.palette import COLOURS, without_variables
from parkdet.report.svg import (
    WIDTH,
    Bar,
    Mark,
    Series,
    bar_chart,
    line_chart,
    shortened,
    steps,
    text_width,
)

SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=40)
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(NUMBERS, min_size=1))
def test_a_linear_axis_spans_its_values_with_few_ticks(values):
    axis = linear("x", values)
    slack = 1e-6 * max(1.0, abs(axis.low), abs(axis.high))
    assert axis.low - slack <= min(values) and max(values) <= axis.high + slack
    assert 2 <= len(axis.ticks) <= 8
    assert all(0 <= axis.share(value) <= 1 for value in values)


def test_ticks_are_round_numbers():
    assert linear("x", [0.3, 21.6], 0).ticks == (0, 10, 20, 30)
    assert linear("x", [], 0).ticks[-1] == 1
    assert whole("epoch", 1, 13).ticks == (1, 2, 4, 6, 8, 10, 12)
    assert whole("epoch", 1, 1).ticks == (1, 2)


def test_a_logarithmic_axis_spaces_values_by_ratio():
    axis = powers("pixels", 4, 64)
    assert axis.ticks == (4, 8, 16, 32, 64)
    assert axis.share(16) == pytest.approx(0.5)
    assert axis.share(1) == 0 and axis.share(1000) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "0.25"), (40, "40"), (12_000, "12k"), (1_500_000, "1.5M"), (0, "0")]
)
def test_ticks_are_short(value, text):
    assert short(value) == text


@given(NAMES, NAMES, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
def test_any_name_and_points_make_well_formed_charts(name, title, points):
    chart = line_chart(title, [Series(name, points, marks=True)], unit("x"), unit("y"))
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == title
    assert len(root.findall(f"{SVG}circle")) == len(points)


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**6), st.integers(0, 10**6)), max_size=6))
def test_bars_stay_within_the_chart(rows):
    bars = [Bar(name, (first, second), f"{first:,}") for name, first, second in rows]
    for stacked in (False, True):
        chart = bar_chart("t", bars, [("a", "s0"), ("b", "s1")], stacked)
        for bar in ElementTree.fromstring(chart).findall(f"{SVG}rect[@class='bar s0']"):
            assert 0 <= float(bar.get("x")) + float(bar.get("width")) <= WIDTH


def test_bar_lengths_are_proportional_to_their_values():
    chart = bar_chart("t", [Bar("a", (10,), ""), Bar("b", (5,), "")], [("count", "s0")])
    widths = [
        float(bar.get("width"))
        for bar in ElementTree.fromstring(chart).findall(f"{SVG}rect[@class='bar s0']")
    ]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)


def test_a_reference_line_is_named_and_lies_at_its_value():
    chart = line_chart(
        "t", [Series("a", [(0, 0), (1, 1)])], unit("x"), unit("y"), [Mark("x", 0, "cut")]
    )
    root = ElementTree.fromstring(chart)
    line = root.find(f"{SVG}line[@class='mark']")
    assert line.get("x1") == line.get("x2") == root.find(f"{SVG}line[@class='grid']").get("x1")
    assert "cut" in [text.text for text in root.iter(f"{SVG}text")]


def test_steps_outline_a_histogram():
    assert steps([0, 1, 2], [3, 5]) == [(0, 0), (0, 3), (1, 3), (1, 5), (2, 5), (2, 0)]


@given(NAMES, st.floats(20, 200))
def test_a_shortened_name_fits(name, limit):
    assert text_width(shortened(name, limit)) <= max(limit, text_width("…"))


def test_east_asian_characters_count_as_wide():
    assert text_width("주차장") == pytest.approx(1.8 * text_width("abc"))


def test_a_style_sheet_for_files_has_both_themes_and_no_variables():
    css = without_variables(".bar { fill: var(--s0); }")
    light, dark = COLOURS["s0"]
    assert css.index(light) < css.index("prefers-color-scheme: dark") < css.index(dark)
    assert "var(" not in css


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", ["ink", "muted", "accent", "good", "bad", "s0", "s1", "s2", "s3"])
def test_text_and_lines_stand_out_from_both_backgrounds(name, side):
    """WCAG 2: 4.5 to 1 for text."""
    for ground in ("paper", "card"):
        lightness = sorted(_luminance(COLOURS[colour][side]) for colour in (name, ground))
        assert (lightness[1] + 0.05) / (lightness[0] + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), light, strict=True))
