import math

import msgspec
import pytest

from parkdet.evaluation.analysis import Analysis, analyse
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.evaluation.matching import match
from parkdet.evaluation.table import tabulate
from parkdet.submission.records import Detection
from scenes import scene, truth_of

BOX = (0, 0, 100, 100)


def analysis_of(truth, records) -> Analysis:
    matches = match(truth, records)
    metrics = evaluate(truth, records, matches)
    return analyse(truth, tabulate(truth, records, matches), metrics)


@pytest.mark.parametrize("seed", range(8))
def test_the_figures_agree_with_each_other_and_with_cocos_metrics(seed):
    truth, records = scene(seed, decimals=seed % 3 + 1)
    analysis, metrics = analysis_of(truth, records), evaluate(truth, records)
    boxes = sum(row.boxes for row in metrics.per_class)
    assert analysis.errors.ap50 == pytest.approx(metrics.ap50)
    assert analysis.confidence == metrics.confidence
    assert analysis.errors.right + analysis.errors.nearly + analysis.errors.missed == boxes
    assert analysis.errors.kinds[-1].count == analysis.errors.missed
    assert sum(map(sum, analysis.confusion.counts[:-1])) == boxes
    assert sum(size.boxes for size in analysis.sizes) == boxes
    wrong = sum(kind.count for kind in analysis.errors.kinds[:-1])
    assert sum(image.wrong for image in analysis.worst_images) == wrong
    not_found = analysis.errors.nearly + analysis.errors.missed
    assert sum(image.not_found for image in analysis.worst_images) == not_found


def test_ap_under_a_condition_is_that_of_its_images_alone():
    truth, records = scene(5)
    words = ("맑음_주간", "비_주간", "x_주간")
    for number, image in enumerate(truth["images"]):
        image["file_name"] = f"2020_{words[number % 3]}_{number}.jpg"
    conditions = analysis_of(truth, records).conditions
    assert list(conditions) == ["weather", "time"]
    assert [row.name for row in conditions["weather"]] == ["clear", "rain", "not named"]
    for place, row in enumerate(conditions["weather"]):
        images = truth["images"][place::3]
        ids = {image["id"] for image in images}
        annotations = [item for item in truth["annotations"] if item["image_id"] in ids]
        subset = {**truth, "images": images, "annotations": annotations}
        alone = evaluate(subset, [record for record in records if record.image_id in ids])
        assert (row.images, row.ap50) == (len(images), pytest.approx(alone.ap50))
        assert row.boxes == sum(item.boxes for item in alone.per_class)


def test_names_without_such_words_give_no_condition():
    assert analysis_of(truth_of((1, 1, BOX)), []).conditions == {}


def test_sizes_are_cocos_and_use_the_annotated_area():
    truth = truth_of((1, 1, (0, 0, 10, 10)), (1, 1, (0, 0, 50, 50)), (1, 1, (0, 0, 200, 200)))
    truth["annotations"][2]["area"] = 1000.0
    sizes = analysis_of(truth, [Detection(1, 1, (0, 0, 50, 50), 0.9)]).sizes
    assert [(size.name, size.boxes) for size in sizes] == [
        ("small", 2),
        ("medium", 1),
        ("large", 0),
    ]
    assert [size.ap for size in sizes[:2]] == [0.0, 1.0]
    assert math.isnan(sizes[2].ap)


def test_images_with_mistakes_are_listed_worst_first():
    truth = truth_of((1, 1, BOX), (2, 1, BOX), (3, 1, BOX), images=(1, 2, 3))
    truth["images"][1]["file_name"] = "b.jpg"
    far = (500.0, 0.0, 9.0, 9.0)
    records = [Detection(1, 1, BOX, 0.9), Detection(2, 2, far, 0.95), Detection(3, 1, BOX, 0.9)]
    records += [Detection(3, 2, far, 0.1)]
    analysis = analysis_of(truth, records)
    assert analysis.confidence == 0.9
    (worst,) = analysis.worst_images
    assert msgspec.structs.astuple(worst) == (2, "b.jpg", 1, 1)


@pytest.mark.parametrize("boxes", [[], [(1, 1, BOX)]])
@pytest.mark.parametrize("records", [[], [Detection(1, 1, BOX, 0.9)]])
def test_nothing_to_find_or_nothing_found_still_gives_a_file(boxes, records):
    analysis = analysis_of(truth_of(*boxes), records)
    read = msgspec.json.decode(msgspec.json.encode(analysis), type=Analysis)
    assert (read.errors.ap50 is None) == (not boxes)
    assert (read.confidence is None) == (not boxes or not records)
    assert len(read.reliability.bins) == len(records)
    assert len(read.worst_images) == (1 if len(boxes) != len(records) and boxes else 0)
