import json

import numpy as np
import pytest

from parkdet.errors import UserError
from parkdet.submission.records import Detection, detection, read_detections, write_detections


def test_detection_rounds_float32_to_short_text(tmp_path):
    xyxy = np.array([12.3, 0.04, 112.36, 50.0], dtype=np.float32)
    write_detections(tmp_path / "out.json", [detection(7, 3, xyxy, np.float32(0.123456))])
    assert (tmp_path / "out.json").read_text() == (
        '[{"image_id":7,"category_id":3,"bbox":[12.3,0.0,100.1,50.0],"score":0.1235,'
        '"segmentation":[]}]'
    )


def test_box_inside_the_image_stays_inside_it_when_rounded():
    generator = np.random.default_rng(0)
    for left, right in np.sort(generator.uniform(0, 1920, (500, 2))):
        box = detection(1, 1, (left, 0.0, right, 10.0), 0.5).bbox
        assert box[0] >= 0
        assert round(box[0] + box[2], 6) <= 1920


def test_box_thinner_than_the_rounding_keeps_a_side():
    assert detection(1, 1, (10.01, 5.0, 10.02, 5.0), 0.5).bbox == (10.0, 5.0, 0.1, 0.1)


def test_negative_zero_is_written_as_zero():
    record = detection(1, 1, (-0.01, -0.0, 3.0, 3.0), 0.0)
    assert json.dumps(record.bbox) == "[0.0, 0.0, 3.0, 3.0]"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_written_records_are_read_back(tmp_path, count):
    records = [detection(i, 1, (i, 0, i + 5, 5), 0.9) for i in range(count)]
    assert write_detections(tmp_path / "a.json", iter(records)) == count
    assert read_detections(tmp_path / "a.json") == records


def test_unknown_keys_are_ignored_and_segmentation_is_optional(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"area": 4, "score": 1, "image_id": 5, "category_id": 2, "bbox": [1,2,3,4]}]')
    assert read_detections(path) == [Detection(5, 2, (1.0, 2.0, 3.0, 4.0), 1.0)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"image_id": "a", "category_id": 1, "bbox": [1,2,3,4], "score": 1}]', "[0].image_id"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1,2,3], "score": 1}]', "[0].bbox"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1,2,3,4]}]', "score"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1,2,3,4], "score": NaN}]', "malformed"),
        ('{"a": 1}', "array"),
    ],
)
def test_wrong_input_is_a_clear_error(tmp_path, text, place):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.json") as error:
        read_detections(path)
    assert place in str(error.value)


def test_failing_source_leaves_no_file(tmp_path):
    def broken():
        yield detection(1, 1, (0, 0, 1, 1), 1.0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_detections(tmp_path / "out.json", broken())
    assert list(tmp_path.iterdir()) == []
