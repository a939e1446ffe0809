import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkdet.evaluation.coco_metrics import evaluate
from parkdet.submission.calibration import Calibration, ClassCalibration, calibrate
from parkdet.submission.cut import cut_file
from parkdet.submission.cut_report import describe
from parkdet.submission.records import Detection, read_detections, write_detections
from parkdet.submission.worth import worth
from val_sets import drawn, val_set


def certain(recall=0.5, classes=()):
    """A detector whose scores are the chances of being right, at one IoU."""
    return Calibration(0.5, (1.0, 1.0), 0.0, recall, [*classes])


CALIBRATIONS = st.lists(
    st.builds(
        Calibration,
        st.just(0.5),
        st.tuples(st.floats(0, 3), st.floats(0, 3)),
        st.floats(-4, 2),
        st.floats(0, 1),
        st.lists(
            st.builds(
                ClassCalibration,
                st.integers(1, 3),
                st.just(9),
                st.just(5),
                st.floats(0.1, 3),
                st.floats(0.01, 1),
            ),
            max_size=2,
        ),
    ),
    max_size=3,
)
RECORDS = st.lists(
    st.builds(
        Detection,
        st.integers(0, 10**6),
        st.integers(1, 4),
        st.just((1.0, 2.0, 30.5, 4.0)),
        st.one_of(st.sampled_from([0.0, 0.25, 1.0]), st.floats(0, 1)),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("worth")


def cut(folder, records, max_bytes, calibrations, method="per-class"):
    write_detections(folder / "in.json", records)
    given = (folder / "in.json", folder / "out.json", max_bytes, method)
    report = cut_file(*given, calibrations)
    return report, (folder / "out.json").read_bytes()


def of(records, calibrations):
    scores = np.array([record.score for record in records])
    categories = np.array([record.category_id for record in records], dtype=np.int64)
    return worth(scores, categories, calibrations)


def test_worth_is_chance_times_precision_over_the_objects_of_the_class():
    rows = [ClassCalibration(1, 9, 5, 0.5, 0.8)]
    scores, categories = np.array([0.6, 0.8, 0.4]), np.array([1, 1, 2])
    found = worth(scores, categories, [certain(0.5, rows)])
    objects = (0.4 + 0.3) / 0.8
    expected = [0.3 * 0.35 / objects, 0.4 * 0.4 / objects, 0.4 * 0.4 / (0.4 / 0.5)]
    assert found == pytest.approx(expected)


def test_worth_is_summed_over_the_ious():
    records = [Detection(1, c, (0, 0, 9, 9), s) for c, s in ((1, 0.9), (1, 0.3), (2, 0.5))]
    one, other = certain(), Calibration(0.9, (2.0, 0.5), -1.0, 0.3, [])
    assert of(records, [one, other]) == pytest.approx(of(records, [one]) + of(records, [other]))


@settings(max_examples=80, deadline=None)
@given(records=RECORDS, calibrations=CALIBRATIONS)
def test_worth_falls_with_the_score_within_a_class(records, calibrations):
    values = of(records, calibrations)
    assert (values >= 0).all()
    best_first = sorted(range(len(records)), key=lambda i: (-records[i].score, i))
    for category in {record.category_id for record in records}:
        own = [values[i] for i in best_first if records[i].category_id == category]
        assert own == sorted(own, reverse=True)


@settings(max_examples=100, deadline=None)
@given(records=RECORDS, calibrations=CALIBRATIONS, max_bytes=st.integers(3, 1200))
def test_as_much_as_fits_is_kept_in_order_of_worth(folder, records, calibrations, max_bytes):
    report, content = cut(folder, records, max_bytes, calibrations)
    values = of(records, calibrations)
    best_first = sorted(range(len(records)), key=lambda i: (-values[i], -records[i].score, i))
    files = []
    for count in range(len(records) + 1):
        files.append(msgspec.json.encode([records[i] for i in sorted(best_first[:count])]))
    assert content == [file for file in files if len(file) < max_bytes][-1]
    assert report.bytes == len(content) < max_bytes
    kept = report.detections.kept
    last = [values[i] for i in best_first[max(0, kept - 1) : kept]]
    assert report.ties_dropped == sum(values[i] in last for i in best_first[kept:])


def test_a_box_of_a_rare_class_is_kept_before_a_slightly_better_one_of_a_common_class(tmp_path):
    records = [Detection(i, 1, (1, 2, 3, 4), 0.6) for i in range(100)]
    records.append(Detection(100, 2, (1, 2, 3, 4), 0.5))
    report, content = cut(tmp_path, records, 1000, [certain()])
    assert 100 in [record["image_id"] for record in json.loads(content)]
    assert [row.threshold for row in report.per_class] == [0.6, 0.5]
    assert "score >= 0.5 to 0.6, by class" in describe(report)


def test_a_class_that_is_not_in_the_val_set_gets_the_pooled_curve():
    records = [Detection(1, 7, (1, 2, 3, 4), 0.6), Detection(1, 1, (1, 2, 3, 4), 0.6)]
    unknown, known = of(records, [certain(0.5, [ClassCalibration(1, 9, 5, 1.0, 0.5)])])
    assert unknown == known > 0


def test_a_val_set_where_nothing_is_right_leaves_the_cut_by_score(tmp_path):
    records = [Detection(i, 1 + i % 3, (1, 2, 3, 4), (i * 37 % 50) / 50) for i in range(50)]
    calibrations = calibrate(*val_set([0.5] * 9, [False] * 9, [1] * 9, missed=2), "50:95")
    by_worth = cut(tmp_path, records, 1500, calibrations)[1]
    assert by_worth == cut(tmp_path, records, 1500, (), "global")[1]


def test_less_ap_is_lost_than_by_score(tmp_path):
    """One common class and five rare ones; learnt on one draw, cut and scored on another."""
    odds = {1: 1.0, 2: 0.9, 3: 0.8, 4: 0.9, 5: 0.7, 6: 0.8}
    shares = [0.9] + [0.02] * 5

    def half(seed):
        scores, _, _ = drawn(seed, 3000, {1: 1.0})
        generator = np.random.default_rng([seed, 1])
        categories = generator.choice([*odds], 3000, p=shares)
        chance = np.array([odds[c] for c in categories.tolist()]) * scores**2
        scores = np.where(categories == 1, scores, 0.7 * scores).round(4)
        return val_set(
            scores.tolist(), (generator.random(3000) < chance).tolist(), categories.tolist()
        )

    calibrations = calibrate(*half(0), "50")
    truth, detections = half(1)
    limit = 30_000  # an eighth of the bytes
    ap = {}
    for method, known in (("global", ()), ("per-class", calibrations)):
        cut(tmp_path, detections, limit, known, method)
        ap[method] = evaluate(truth, read_detections(tmp_path / "out.json")).ap50
    assert ap["per-class"] > ap["global"] + 0.05
