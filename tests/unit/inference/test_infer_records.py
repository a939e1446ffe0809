import json
import logging

import numpy
import pytest

from parkdet.inference.detect import ImageDetections
from parkdet.inference.records import image_records, write_records
from parkdet.submission.records import read_detections
from parkdet.submission.validation import expectations, validate

WHOLE = [[0, 0, 64, 48], [0, 0, 64, 48], [0.04, 0, 63.96, 48], [0, 0, 64, 47.9], [0, 0, 64, 48]]
SCORES = [0.90004, 0.90001, 0.9, 0.9, 0.5]


def detections(number, classes):
    boxes = numpy.array(WHOLE, dtype=numpy.float32)
    return ImageDetections(number, boxes, numpy.array(SCORES), numpy.array(classes))


@pytest.mark.parametrize(
    ("classes", "kept"), [([1, 1, 1, 1, 1], [0, 3, 4]), ([1, 2, 2, 1, 1], [0, 1, 3, 4])]
)
def test_boxes_made_equal_by_clipping_and_rounding_are_written_once(
    tmp_path, caplog, classes, kept
):
    logging.getLogger("parkdet").propagate = True
    caplog.set_level(logging.INFO, "parkdet")
    images = [detections(1, classes), detections(2, classes)]
    write_records(tmp_path / "a.json", map(image_records, images))
    found = read_detections(tmp_path / "a.json")

    assert [record.image_id for record in found] == [1] * len(kept) + [2] * len(kept)
    assert [record.category_id for record in found] == [classes[place] for place in kept] * 2
    assert f"{2 * (5 - len(kept))} detections equal another one" in caplog.text
    images = [{"id": number, "width": 64, "height": 48} for number in (1, 2)]
    (tmp_path / "test.json").write_text(json.dumps({"images": images}))
    assert validate(
        tmp_path / "a.json", expectations(tmp_path / "test.json", None, None, None)
    ).valid
