import logging
from pathlib import Path

import pytest

from parkdet.detector.checkpoints import Checkpoint
from parkdet.errors import UserError
from parkdet.inference.categories import category_ids, check_names
from parkdet.inference.sources import Category

WEIGHTS = Path("best.pt")


def _ids(names, known, categories):
    checkpoint = Checkpoint({}, names, known, 640, {})
    return category_ids(checkpoint, [Category(*pair) for pair in categories], WEIGHTS)


def test_the_weights_own_ids_are_used_when_names_agree():
    assert _ids(["car", "bus"], [9, 4], [(4, "bus"), (9, "car")]) == {0: 9, 1: 4}


def test_two_categories_with_the_same_name_keep_the_ids_of_the_weights():
    assert _ids(["car", "car"], [1, 2], [(1, "car"), (2, "car")]) == {0: 1, 1: 2}


def test_classes_are_matched_by_name_when_ids_or_names_differ():
    assert _ids(["car", "bus"], [1, 2], [(1, "bus"), (2, "car")]) == {0: 2, 1: 1}
    assert _ids(["car", "bus"], [], [(5, "bus"), (6, "car")]) == {0: 6, 1: 5}


def test_classes_without_a_category_are_left_out_and_logged(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("parkdet"), "propagate", True)
    assert _ids(["dog", "car", "cat"], [], [(3, "car")]) == {1: 3}
    assert "2 of 3 classes" in caplog.text and "dog, cat" in caplog.text


def test_no_common_class_is_an_error():
    with pytest.raises(UserError, match=r"best\.pt \(dog\).*\(car\)"):
        _ids(["dog"], [], [(3, "car")])


@pytest.mark.parametrize(("known", "expected"), [([], {0: 1, 1: 2}), ([7, 9], {0: 7, 1: 9})])
def test_images_without_categories(known, expected):
    assert _ids(["car", "bus"], known, []) == expected


def test_a_category_that_two_detectors_call_differently_is_an_error():
    check_names([{1: "car", 2: "bus"}, {2: "bus", 3: "dog"}])
    with pytest.raises(UserError, match="category 2 is `bus` in one and `cat` in another"):
        check_names([{1: "car", 2: "bus"}, {1: "car", 2: "cat"}])
