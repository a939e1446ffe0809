import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from parkdet.errors import UserError
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.submission.records import Detection
from scenes import scene

STATS = [
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
]


def reference(truth, records):
    """The evaluation by pycocotools, with its 12 figures."""
    # Its own ids start at 1: an id of 0 counts as unmatched there.
    annotations = [{**item, "id": item["id"] + 1} for item in truth["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {**truth, "annotations": annotations}
        coco.createIndex()
        found = [
            {
                "image_id": record.image_id,
                "category_id": record.category_id,
                "bbox": list(record.bbox),
                "score": record.score,
            }
            for record in records
        ]
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(8))
def test_equals_pycocotools(seed):
    truth, records = scene(seed)
    metrics = evaluate(truth, records)
    oracle = reference(truth, records)
    ours = np.nan_to_num([getattr(metrics, name) for name in STATS], nan=-1.0)
    np.testing.assert_allclose(ours, oracle.stats, atol=1e-6)
    for index, row in enumerate(metrics.per_class):
        table = oracle.eval["precision"][:, :, index, 0, 2]
        if row.boxes:
            assert row.ap == pytest.approx(table.mean(), abs=1e-6)
            assert row.ap50 == pytest.approx(table[0].mean(), abs=1e-6)
            assert row.ap75 == pytest.approx(table[5].mean(), abs=1e-6)
            recall = oracle.eval["recall"][:, index, 0, 2].mean()
            assert row.ar == pytest.approx(recall, abs=1e-6)
        else:
            assert math.isnan(row.ap)


def test_equals_pycocotools_beyond_100_detections_per_image():
    truth, records = scene(1, images=2, classes=2, most=40, detections_each=600)
    assert len(records) > 500
    stats = [getattr(evaluate(truth, records), name) for name in STATS]
    np.testing.assert_allclose(
        np.nan_to_num(stats, nan=-1.0), reference(truth, records).stats, atol=1e-6
    )


def test_perfect_detections_score_one():
    truth, _ = scene(3)
    truth["annotations"] = [{**item, "iscrowd": 0} for item in truth["annotations"]]
    records = [
        Detection(item["image_id"], item["category_id"], tuple(item["bbox"]), 0.9)
        for item in truth["annotations"]
    ]
    metrics = evaluate(truth, records)
    assert (metrics.ap, metrics.precision, metrics.recall, metrics.f1) == (1.0, 1.0, 1.0, 1.0)
    assert metrics.confidence == 0.9


def test_no_detections_score_zero():
    truth, _ = scene(3)
    metrics = evaluate(truth, [])
    assert metrics.ap == metrics.ar100 == metrics.precision == metrics.recall == metrics.f1 == 0.0
    assert math.isnan(metrics.confidence)
    assert math.isnan(metrics.per_class[-1].ap)


@pytest.mark.parametrize("empty", ["annotations", "images"])
def test_figures_are_nan_when_there_is_nothing_to_be_found(empty):
    truth, records = scene(3)
    truth = {**truth, "annotations": [], empty: []}
    metrics = evaluate(truth, [] if empty == "images" else records)
    assert math.isnan(metrics.ap)
    assert math.isnan(metrics.f1)
    assert [row.boxes for row in metrics.per_class] == [0] * 5


def test_area_and_crowd_flag_are_optional():
    truth = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": (0, 0, 50, 50)}],
    }
    metrics = evaluate(truth, [Detection(1, 1, (0, 0, 50, 50), 0.3)])
    assert (metrics.ap, metrics.ap_medium) == (1.0, 1.0)
    assert math.isnan(metrics.ap_large)


def test_detections_of_unlisted_categories_do_not_count():
    truth, records = scene(4)
    extra = [Detection(truth["images"][0]["id"], 99, (0.0, 0.0, 10.0, 10.0), 1.0)]
    assert repr(evaluate(truth, records + extra)) == repr(evaluate(truth, records))


def test_detection_on_an_unlisted_image_is_a_clear_error():
    truth, _ = scene(4)
    with pytest.raises(UserError, match="image_id 4242"):
        evaluate(truth, [Detection(4242, 1, (0.0, 0.0, 10.0, 10.0), 1.0)])


def test_prints_nothing(capsys):
    evaluate(*scene(5))
    assert capsys.readouterr() == ("", "")
