"""`prepare_dataset.py --report-only` reports what is in a data set."""

import json
import os

import pytest

import prepare_dataset
from parkdet.command_line import run
from parkdet.data.conditions import conditions_of
from parkdet.data.overview_figures import draw_overview


@pytest.fixture
def lot(source):
    """Two cloudy nights in Seoul besides twelve frames of clear weather; a test set; a fault."""
    for frame, boxes in enumerate(([(3, 0, 0, 20, 20), (7, 0, 0, 40, 16)], [])):
        source.add(f"20201102_서울특별시_-_흐림_야간_실내_9_{frame}.png", boxes)
    source.box(1, [1, 1, 0, 5])
    source.add_test("맑음_000_0007.png", 1)
    source.add_test("gone.png", 2).unlink()
    return source.save()


def report(lot, capsys, *options):
    command = ["--data-root", str(lot.root), "--report-only", *map(str, options)]
    code = run(prepare_dataset.build_parser(), prepare_dataset.main, command)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def test_report_counts_classes_sizes_recordings_and_conditions(lot, capsys):
    found = json.loads(report(lot, capsys))
    assert found["images"] == {"train": 14, "test": 2}
    assert (found["boxes"], found["unreadable_test_images"]) == (14, 1)
    assert found["boxes_an_image"] == {"0": 1, "1": 12, "2": 1}
    assert found["image_sizes"]["train"] == {"40x20": 14}
    car, cart = found["classes"]
    assert (car["name"], car["images"], car["boxes"]) == ("car", 13, 13)
    assert (cart["name"], cart["images"], cart["boxes"]) == ("cart", 1, 1)
    assert cart["side_pixels"]["median"] == pytest.approx(25.3)  # the root of 40 x 16
    assert found["box_sides"]["coco_sizes"] == {"small": 14, "medium": 0, "large": 0}
    assert found["box_sides"]["counts_from_side"] == {"8": 12, "16": 2}
    assert found["recordings"]["train"]["recordings"] == 7
    assert found["recordings"]["train"]["recordings_by_images"] == {"2": 7}
    assert found["recordings_in_train_and_test"] == 1
    assert found["conditions"]["weather"] == {
        "clear": {"train": 12, "test": 1, "boxes": 12},
        "cloudy": {"train": 2, "test": 0, "boxes": 2},
        "not named": {"train": 0, "test": 1, "boxes": 0},
    }
    assert found["conditions"]["region"]["Seoul"]["train"] == 2
    assert found["issues"] == {"box without width or height": 1, "image file is missing": 1}


def test_an_empty_set_can_be_reported_on(source, capsys):
    source.images, source.annotations = [], []
    source.save()
    found = json.loads(report(source, capsys))
    assert (found["images"], found["boxes"], found["conditions"]) == ({"train": 0}, 0, {})


def test_report_writes_nothing_but_its_file_and_figures(lot, capsys, tmp_path):
    before = {place: files for place, _, files in os.walk(lot.root)}
    out, figures = tmp_path / "report.json", tmp_path / "figures"
    assert report(lot, capsys, "--out", out, "--figures", figures) == ""
    assert out.read_text(encoding="utf-8") == report(lot, capsys)
    assert {place: files for place, _, files in os.walk(lot.root)} == before
    always = {"box_sides", "boxes_an_image", "classes", "recordings"}
    names = always | {"place", "region", "time", "weather"}
    assert {path.name for path in figures.iterdir()} == {f"dataset_{name}.svg" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == {"root", "report.json", "figures"}


def test_figures_show_names_as_text_and_are_equal_to_the_byte(lot, capsys, tmp_path):
    lot.categories = [{"id": 3, "name": "승용차"}, {"id": 7, "name": "cart"}]
    lot.save()
    overview = json.loads(report(lot, capsys))
    first = [path.read_bytes() for path in draw_overview(overview, tmp_path / "a")]
    second = [path.read_bytes() for path in draw_overview(overview, tmp_path / "b")]
    assert first == second
    assert "승용차" in first[0].decode()


def test_without_report_only_an_output_folder_is_needed(lot, capsys):
    command = ["--data-root", str(lot.root)]
    assert run(prepare_dataset.build_parser(), prepare_dataset.main, command) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "20201102_경기도_-_-_맑음_주간_실외_right_000079_0088055.png",
            "clear day outdoors Gyeonggi",
        ),
        ("충청북도 눈 야간/실내.jpg", "snow night indoors North Chungcheong"),
        ("seoul_RAIN_Day_1.png", "rain day - Seoul"),
        ("비행기_눈썹.png", "- - - -"),  # words that only start like a condition
        ("시_도.png", "- - - -"),
    ],
)
def test_conditions_are_whole_words_of_the_name(name, expected):
    found = " ".join(conditions_of(name).values()).replace("not named", "-")
    assert found == expected
