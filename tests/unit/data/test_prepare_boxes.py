import math

from hypothesis import given
from hypothesis import strategies as st

from parkdet.data.annotations import Box, Image, RawAnnotation
from parkdet.data.checks import clean_boxes, clip_box
from parkdet.data.issues import Issues
from parkdet.data.labels import label_line, label_text

IMAGE = Image(1, "a.png", 100, 50, "")
numbers = st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False))
sides = st.integers(1, 20000)


@given(numbers, numbers, st.floats(1e-300), st.floats(1e-300), sides, sides)
def test_clipped_box_lies_inside_the_image(x, y, width, height, image_width, image_height):
    clipped = clip_box((x, y, width, height), image_width, image_height)
    if clipped is None:
        return
    assert clipped[0] >= 0 and clipped[0] + clipped[2] <= image_width * (1 + 1e-12)
    assert clipped[1] >= 0 and clipped[1] + clipped[3] <= image_height * (1 + 1e-12)
    assert clipped[2] > 0 and clipped[3] > 0


@given(st.tuples(sides, sides), st.data())
def test_label_line_holds_the_box(size, data):
    width, height = size
    x, y = data.draw(st.floats(0, width - 0.5)), data.draw(st.floats(0, height - 0.5))
    w, h = data.draw(st.floats(0.1, width - x)), data.draw(st.floats(0.1, height - y))
    image = Image(1, "a.png", width, height, "")
    line = label_line(Box(1, 1, 3, (x, y, w, h), w * h, 0), image, 4)

    number, *values = line.split()
    assert number == "4"
    assert all(len(value.partition(".")[2]) == 6 for value in values)
    centre_x, centre_y, share_x, share_y = map(float, values)
    assert all(0 < value <= 1 for value in (centre_x, centre_y, share_x, share_y))
    assert math.isclose((centre_x - share_x / 2) * width, x, abs_tol=1e-6 * width)
    assert math.isclose((centre_y - share_y / 2) * height, y, abs_tol=1e-6 * height)
    assert math.isclose(share_x * width, w, abs_tol=1e-6 * width)


def test_box_inside_the_image_is_untouched():
    assert clip_box((0.1, 0.2, 99.9, 49.8), 100, 50) == (0.1, 0.2, 99.9, 49.8)


def test_crowds_are_kept_for_scoring_but_have_no_label():
    crowd = Box(1, 1, 3, (1, 1, 5, 5), 25, 1)
    assert label_text(IMAGE, [crowd], {3: 0}) == ""


BOX = [10, 10, 20, 20]


def annotation(**change):
    return RawAnnotation(**{"id": 5, "image_id": 1, "category_id": 3, "bbox": BOX, **change})


def clean(*annotations, strict=False):
    issues = Issues(strict)
    boxes = clean_boxes(annotations, {1: IMAGE}, {8}, {3}, issues)
    return boxes[1], issues.rows


def test_overhanging_box_is_clipped_and_listed_with_its_old_values():
    boxes, rows = clean(annotation(bbox=[-5, 10, 200, 20]))
    assert boxes[0].bbox == (0, 10, 100, 20) and boxes[0].area == 2000
    assert rows[0].action == "clipped, was [-5, 10, 200, 20]"


def test_overhang_from_a_rounding_error_is_clipped_but_not_listed():
    boxes, rows = clean(annotation(bbox=[90, 10, 10.001, 20]))
    assert boxes[0].bbox[2] == 10 and rows == []


def test_box_of_huge_size_is_clipped():
    boxes, _ = clean(annotation(bbox=[1, 1, 1e308, 1e308]))
    assert boxes[0].bbox == (1, 1, 99, 49)


def test_boxes_of_an_image_that_was_left_out_are_not_listed_again():
    assert clean(annotation(image_id=8)) == ([], [])


def test_box_listed_twice_counts_once():
    boxes, rows = clean(annotation(), annotation(id=6))
    assert [box.id for box in boxes] == [5]
    assert rows[0].problem == "box is listed twice"


def test_missing_and_repeated_annotation_ids_are_numbered():
    others = [annotation(bbox=[k, 1, 9, 9], id=old) for k, old in enumerate((1, 5, None, "7", 2.0))]
    boxes, rows = clean(annotation(), *others)
    assert [box.id for box in boxes] == [5, 1, 3, 4, 6, 2]
    assert len(rows) == 3
