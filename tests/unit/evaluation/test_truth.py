import json

import pytest

from parkdet.errors import UserError
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.evaluation.metrics_report import as_record, table
from parkdet.evaluation.truth import read_truth
from parkdet.submission.records import Detection


def truth(**changes):
    content = {
        "info": {"made": "by hand"},
        "images": [{"id": 1, "file_name": "가.png", "width": 100, "height": 100}],
        "annotations": [{"id": 0, "image_id": 1, "category_id": 3, "bbox": [0, 0, 50, 50]}],
        "categories": [{"id": 3, "name": "세단"}, {"id": 4, "name": "van"}],
    }
    return {**content, **changes}


def test_truth_is_read_and_scored(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(truth()), encoding="utf-8")
    metrics = evaluate(read_truth(tmp_path / "truth.json"), [Detection(1, 3, (0, 0, 50, 50), 0.5)])
    assert metrics.ap == 1.0
    assert [row.name for row in metrics.per_class] == ["세단", "van"]


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": [{"image_id": 2, "category_id": 3, "bbox": [0, 0, 5, 5]}]},
        {"annotations": [{"image_id": 1, "category_id": 5, "bbox": [0, 0, 5, 5]}]},
        {"annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 5]}]},
        {"images": [{"id": "one"}]},
        {"categories": None},
        {"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]},
        {"images": [{"id": 1}, {"id": 2**63}]},
        {"categories": [{"id": 3, "name": "a"}, {"id": -(2**63) - 1, "name": "b"}]},
        {
            "annotations": [
                {"image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5], "iscrowd": 2**40}
            ]
        },
    ],
)
def test_unusable_truth_is_a_clear_error(tmp_path, changes):
    (tmp_path / "truth.json").write_text(json.dumps(truth(**changes)))
    with pytest.raises(UserError, match=r"truth\.json"):
        read_truth(tmp_path / "truth.json")


def test_record_holds_null_for_classes_without_objects():
    import msgspec

    metrics = evaluate(truth(), [Detection(1, 3, (0, 0, 50, 50), 0.5)])
    record = msgspec.json.decode(msgspec.json.encode(as_record(metrics, truth(), 1)))
    assert (record["images"], record["boxes"], record["detections"]) == (1, 1, 1)
    assert record["best_f1"] == {
        "iou": 0.5,
        "confidence": 0.5,
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
    }
    sedan, van = record["per_class"]
    assert (sedan["ap"], sedan["images"]) == (1.0, 1)
    assert (van["ap"], van["f1"], van["boxes"]) == (None, None, 0)


def test_table_has_a_line_per_class_and_dashes_where_there_is_nothing_to_be_found():
    lines = table(evaluate(truth(), [Detection(1, 3, (0, 0, 50, 50), 0.5)])).splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["all", "1"] + ["1.000"] * 7
    assert lines[3].split() == ["van", "0", "0"] + ["-"] * 7
