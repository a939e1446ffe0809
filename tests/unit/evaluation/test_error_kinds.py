import numpy as np
import pytest

from parkdet.evaluation.coco_metrics import evaluate
from parkdet.evaluation.error_kinds import ERRORS, Kind, count_kinds, gains, judge, missed
from parkdet.evaluation.matching import match
from parkdet.evaluation.table import NONE, tabulate
from scenes import scene, table_of, truth_of

WHOLE, LESS = (0, 0, 100, 100), (0, 0, 40, 100)  # IoU 0.4
FAR, SECOND = (500, 0, 100, 100), (200, 0, 100, 100)
TWO_CARS = truth_of((1, 1, WHOLE), (1, 1, SECOND))
HALF = 51 / 101  # AP where the first half of the recalls has a precision of 1


def everything(table):
    return np.ones(len(table.scores), dtype=bool)


@pytest.mark.parametrize(
    ("category", "box", "kind", "meant"),
    [
        (1, LESS, Kind.LOCALISATION, 0),
        (2, WHOLE, Kind.CLASSIFICATION, 0),
        (2, LESS, Kind.BOTH, NONE),
        (1, WHOLE, Kind.DUPLICATE, NONE),
        (1, FAR, Kind.BACKGROUND, NONE),
        (2, FAR, Kind.BACKGROUND, NONE),
        (1, (0, 0, 9, 100), Kind.BACKGROUND, NONE),
        (1, (0, 0, 11, 100), Kind.LOCALISATION, 0),
    ],
)
def test_each_kind_of_error(category, box, kind, meant):
    table = table_of(truth_of((1, 1, WHOLE)), [(1, 1, WHOLE, 0.9), (1, category, box, 0.5)])
    verdicts = judge(table)
    assert verdicts.kinds.tolist() == [Kind.RIGHT, kind]
    assert verdicts.meant.tolist() == [NONE, meant]


def test_if_two_kinds_apply_tides_order_decides():
    truth = truth_of((1, 1, WHOLE), (1, 2, WHOLE), (1, 2, LESS))
    table = table_of(truth, [(1, 1, WHOLE, 0.9), (1, 1, WHOLE, 0.8), (1, 2, WHOLE, 0.7)])
    kinds = judge(table).kinds.tolist()
    assert kinds == [Kind.RIGHT, Kind.CLASSIFICATION, Kind.RIGHT]  # rather than a duplicate
    table = table_of(truth_of((1, 1, WHOLE), (1, 2, LESS)), [(1, 1, LESS, 0.9)])
    assert judge(table).kinds.tolist() == [Kind.LOCALISATION]  # rather than the wrong class


def test_objects_of_other_images_and_crowds_do_not_count():
    truth = truth_of((2, 1, LESS), (1, 2, WHOLE, "crowd"))
    table = table_of(truth, [(1, 1, WHOLE, 0.9), (1, 2, WHOLE, 0.8)])
    assert judge(table).kinds.tolist() == [Kind.BACKGROUND]  # the other is ignored


def test_an_object_is_found_or_nearly_found_or_missed():
    truth = truth_of((1, 1, WHOLE), (1, 1, SECOND), (1, 1, FAR), (2, 1, WHOLE))
    found, nearly = (1, 1, WHOLE, 0.9), (1, 2, SECOND, 0.5)
    table = table_of(truth, [found, nearly, (1, 3, (0, 400, 9, 9), 0.7)])
    verdicts = judge(table)
    assert missed(table, verdicts, everything(table)).tolist() == [False, False, True, True]
    assert missed(table, verdicts, table.scores >= 0.6).tolist() == [False, True, True, True]
    counts = count_kinds(table, verdicts, table.scores >= 0.6)
    few = {Kind.RIGHT: 1, Kind.BACKGROUND: 1, Kind.MISSED: 3}
    assert counts == dict.fromkeys(Kind, 0) | few


@pytest.mark.parametrize(
    ("kind", "box"),
    [
        (Kind.LOCALISATION, LESS),
        (Kind.CLASSIFICATION, FAR),
        (Kind.BOTH, (500, 0, 40, 100)),
        (Kind.DUPLICATE, WHOLE),
        (Kind.BACKGROUND, (0, 400, 100, 100)),
    ],
)
def test_when_all_objects_are_found_fixing_removes_the_wrong_detection(kind, box):
    truth = truth_of((1, 1, WHOLE), (1, 1, SECOND), (1, 2, FAR))
    found = [(1, 1, WHOLE, 0.9), (1, 1, SECOND, 0.7), (1, 2, FAR, 0.6)]
    table = table_of(truth, [*found, (1, 1, box, 0.8)])
    # Precision 2/3 becomes 1 at 50 of 101 recalls of one of two classes.
    expected = dict.fromkeys(ERRORS, 0.0) | {kind: 50 / 3 / 101 / 2}
    assert gains(table, judge(table)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "category", "box"),
    [(Kind.LOCALISATION, 1, (200, 0, 40, 100)), (Kind.CLASSIFICATION, 2, SECOND)],
)
def test_the_best_detection_about_an_unfound_object_is_made_right(kind, category, box):
    wrong = [(1, category, box, 0.8), (1, category, box, 0.7)]
    table = table_of(TWO_CARS, [(1, 1, WHOLE, 0.9), *wrong])
    expected = dict.fromkeys(ERRORS, 0.0) | {kind: 1 - HALF}
    assert gains(table, judge(table)) == pytest.approx(expected)


def test_missed_objects_are_not_to_be_found_any_more():
    table = table_of(TWO_CARS, [(1, 1, WHOLE, 0.9)])
    expected = dict.fromkeys(ERRORS, 0.0) | {Kind.MISSED: 1 - HALF}
    assert gains(table, judge(table)) == pytest.approx(expected)


def test_a_class_whose_objects_are_all_missed_stays_in_the_mean():
    table = table_of(truth_of((1, 1, WHOLE), (1, 2, FAR)), [(1, 1, WHOLE, 0.9)])
    assert gains(table, judge(table))[Kind.MISSED] == 0


def test_without_detections_all_are_missed_and_without_objects_there_is_no_gain():
    table = table_of(TWO_CARS, [])
    counts = count_kinds(table, judge(table), everything(table))
    assert counts == dict.fromkeys(Kind, 0) | {Kind.MISSED: 2}
    table = table_of(truth_of(), [(1, 1, WHOLE, 0.9)])
    assert count_kinds(table, judge(table), everything(table))[Kind.BACKGROUND] == 1
    assert all(np.isnan(gain) for gain in gains(table, judge(table)).values())


@pytest.mark.parametrize("seed", range(12))
def test_counts_add_up(seed):
    truth, records = scene(seed, decimals=seed % 3 + 1)
    matches = match(truth, records)
    table = tabulate(truth, records, matches)
    verdicts = judge(table)
    for confidence in (0.0, 0.3, 0.8, 1.1):
        kept = table.scores >= confidence
        counts = count_kinds(table, verdicts, kept)
        assert sum(counts.values()) - counts[Kind.MISSED] == np.count_nonzero(kept)
        found = table.found_by(kept)
        assert counts[Kind.RIGHT] == np.count_nonzero(found)
        assert not (found & missed(table, verdicts, kept)).any()
    gained = gains(table, verdicts).values()
    assert min(gained) >= -1e-12
    assert max(gained) <= 1 - evaluate(truth, records).ap50 + 1e-12
