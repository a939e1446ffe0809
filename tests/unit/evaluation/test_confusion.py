import numpy as np
import pytest

from parkdet.evaluation.confusion import confusion_matrix
from parkdet.evaluation.matching import match
from parkdet.evaluation.operating_point import best_f1
from parkdet.evaluation.table import tabulate
from scenes import scene, table_of, truth_of

HERE, THERE, AWAY = (0, 0, 100, 100), (200, 0, 100, 100), (500, 0, 100, 100)


def matrix_of(truth, detections, confidence=0.5):
    ids = [category["id"] for category in truth["categories"]]
    return confusion_matrix(table_of(truth, detections), ids, confidence).tolist()


def test_right_mistaken_missed_and_invented_each_have_their_cell():
    truth = truth_of((1, 1, HERE), (1, 2, THERE), (2, 2, AWAY))
    detections = [(1, 1, HERE, 0.9), (1, 3, THERE, 0.8), (2, 1, HERE, 0.7), (2, 2, AWAY, 0.4)]
    assert matrix_of(truth, detections) == [
        [1, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [1, 0, 0, 0],
    ]


def test_a_right_detection_takes_its_object_before_a_wrong_one_with_a_higher_score():
    truth = truth_of((1, 1, HERE), categories=(1, 2))
    detections = [(1, 2, HERE, 0.9), (1, 1, (0, 0, 80, 100), 0.6)]
    assert matrix_of(truth, detections) == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_of_two_mistaken_detections_the_better_takes_the_object():
    truth = truth_of((1, 1, HERE))
    assert matrix_of(truth, [(1, 2, HERE, 0.8), (1, 3, HERE, 0.9)]) == [
        [0, 0, 1, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 1, 0, 0],
    ]


def test_an_object_that_only_a_weak_detection_finds_is_free_for_a_stronger_mistaken_one():
    truth = truth_of((1, 1, HERE), categories=(1, 2))
    detections = [(1, 1, HERE, 0.3), (1, 2, HERE, 0.9)]
    assert matrix_of(truth, detections) == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_nothing_to_find_and_nothing_found():
    assert matrix_of(truth_of(categories=(1,)), [(1, 1, HERE, 0.9)]) == [[0, 0], [1, 0]]
    assert matrix_of(truth_of((1, 1, HERE), categories=(1,)), []) == [[0, 1], [0, 0]]
    assert matrix_of(truth_of((1, 1, HERE), categories=(1,)), [], np.nan) == [[0, 1], [0, 0]]
    assert matrix_of(truth_of(categories=()), []) == [[0]]


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_the_objects_columns_the_detections_and_the_diagonal_the_rates(seed):
    truth, records = scene(seed, decimals=seed % 3 + 1)
    matches = match(truth, records)
    point = best_f1(matches)
    table = tabulate(truth, records, matches)
    ids = [category["id"] for category in truth["categories"]]
    counts = confusion_matrix(table, ids, point.confidence)
    reported = table.categories[table.scores >= point.confidence]
    assert counts[-1, -1] == 0
    for place, category in enumerate(ids):
        assert counts[place].sum() == np.count_nonzero(table.object_categories == category)
        assert counts[:, place].sum() == np.count_nonzero(reported == category)
    for category, rates in point.per_class.items():
        place = ids.index(category)
        assert rates.recall == counts[place, place] / counts[place].sum()
        assert rates.precision == counts[place, place] / max(counts[:, place].sum(), 1)
