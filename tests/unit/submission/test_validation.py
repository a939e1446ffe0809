import json
import math

import pytest

from parkdet.errors import UserError
from parkdet.submission.validation import CHECKS, expectations, validate

SIZE = (1920, 1080)


def record(**changes):
    fields = {
        "image_id": 5,
        "category_id": 2,
        "bbox": [10.0, 20.0, 30.0, 40.0],
        "score": 0.5,
        "segmentation": [],
    }
    return {**fields, **changes}


@pytest.fixture
def check(tmp_path):
    """Validates records against two images and the categories 1 and 2."""

    def run(records, **options):
        sized = {"width": SIZE[0], "height": SIZE[1]}
        images = [{"id": 5, "file_name": "가.png", **sized}, {"id": 9, **sized}]
        train = {"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
        (tmp_path / "images.json").write_text(json.dumps({"images": images}))
        (tmp_path / "train.json").write_text(json.dumps(train))
        (tmp_path / "sub.json").write_text(json.dumps(records))
        expected = expectations(
            tmp_path / "images.json",
            options.get("train", tmp_path / "train.json"),
            options.get("sample"),
            options.get("max_bytes"),
        )
        return validate(tmp_path / "sub.json", expected)

    return run


def test_valid_file_is_counted(check):
    result = check([record(), record(score=0.4), record(category_id=1)])
    assert result.valid
    assert (result.detections, result.images, result.images_without_detections) == (3, 2, 1)
    assert result.per_class == {1: 1, 2: 2}
    assert "category_id" in result.checks
    assert "bytes" not in result.checks


def test_empty_list_is_valid(check):
    assert check([]).detections == 0


def lacking(key):
    return {name: value for name, value in record().items() if name != key}


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (record(image_id=6), "1 records with an image_id that the images file does not list"),
        (record(image_id="5"), "1 records with an image_id"),
        (record(image_id=True), "1 records with an image_id"),
        (record(image_id=5.0), "1 records with an image_id"),
        (record(image_id=[5]), "1 records with an image_id"),
        (record(category_id=3), "1 records with a category_id that the annotations do not list"),
        (record(category_id=True), "1 records with a category_id"),
        (record(category_id={}), "1 records with a category_id"),
        (record(bbox=[1.0, 2.0, 3.0]), "1 records whose bbox is not 4 finite numbers"),
        (record(bbox=[1.0, 2.0, math.nan, 4.0]), "1 records whose bbox is not 4 finite numbers"),
        (record(bbox=[1.0, 2.0, 3.0, True]), "1 records whose bbox is not 4 finite numbers"),
        (record(bbox=[1.0, 2.0, 10**400, 4.0]), "1 records whose bbox is not 4 finite numbers"),
        (record(bbox={"x": 1.0}), "1 records whose bbox is not 4 finite numbers"),
        (record(bbox=None), "1 records whose bbox is not 4 finite numbers"),
        (record(score=math.inf), "1 records whose bbox is not 4 finite numbers or whose score"),
        (record(score="0.5"), "1 records whose bbox is not 4 finite numbers or whose score"),
        (record(score=-math.inf), "1 records whose bbox is not 4 finite numbers or whose score"),
        (record(score=math.nan), "1 records whose bbox is not 4 finite numbers or whose score"),
        (record(score=True), "1 records whose bbox is not 4 finite numbers or whose score"),
        (record(bbox=[1.0, 2.0, 0.0, 4.0]), "1 boxes without width or height"),
        (record(bbox=[1.0, 2.0, 3.0, -4.0]), "1 boxes without width or height"),
        (record(bbox=[-0.2, 2.0, 3.0, 4.0]), "1 boxes that reach beyond their image"),
        (record(bbox=[1900.0, 2.0, 20.2, 4.0]), "1 boxes that reach beyond their image"),
        (record(bbox=[1.0, 1000.0, 20.0, 80.2]), "1 boxes that reach beyond their image"),
        (record(score=1.01), "1 scores that are not between 0 and 1"),
        (record(score=-0.1), "1 scores that are not between 0 and 1"),
        (record(segmentation=None), "1 records whose segmentation is not a list"),
        (record(segmentation={}), "1 records whose segmentation is not a list"),
        (record(), "1 records that repeat an earlier one"),
        (record(bbox=[10, 20, 30, 40]), "1 records that repeat an earlier one"),
        (record(area=4.0), "1 records without exactly the keys of the format"),
        (lacking("segmentation"), "1 records without exactly the keys of the format"),
        (lacking("bbox"), "1 records without exactly the keys of the format"),
        ({}, "1 records without exactly the keys of the format"),
        (7, "1 records without exactly the keys of the format"),
        (None, "1 records without exactly the keys of the format"),
        ([record()], "1 records without exactly the keys of the format"),
    ],
)
def test_each_fault_is_named_with_its_first_record(check, faulty, message):
    with pytest.raises(UserError, match="not a valid submission") as error:
        check([record(), faulty])
    assert message in str(error.value)
    assert f"(first: record 2, {json.dumps(faulty)[:300]}" in str(error.value)


def test_faults_are_counted_by_kind(check):
    faulty = [record(score=2.0 + i) for i in range(1200)] + [record(image_id=77)]
    with pytest.raises(UserError) as error:
        check(faulty)
    assert "1,200 scores that are not between 0 and 1" in str(error.value)
    assert "1 records with an image_id" in str(error.value)


def test_rounding_may_put_a_box_a_tenth_of_a_pixel_outside(check):
    assert check([record(bbox=[-0.1, -0.1, 1920.2, 1080.2])]).valid


def test_file_must_be_smaller_than_the_limit(check):
    size = len(json.dumps([record()]))
    assert check([record()], max_bytes=size + 1).bytes == size
    with pytest.raises(UserError, match=f"{size} bytes, must be less than {size}"):
        check([record()], max_bytes=size)


def test_keys_must_be_those_of_the_sample(check, tmp_path):
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps([record(area=1.0)]))
    assert check([record(area=4.0)], sample=sample).valid
    with pytest.raises(UserError, match="without exactly the keys"):
        check([record()], sample=sample)
    sample.write_bytes(json.dumps([record(area=1.0)]).encode("utf-8-sig"))
    assert check([record(area=4.0)], sample=sample).valid
    sample.write_text("[]")
    with pytest.raises(UserError, match="no record to take the keys from"):
        check([record()], sample=sample)


def test_without_known_categories_that_check_is_left_out_and_not_claimed(check):
    assert "category_id" not in check([record(category_id=77)], train=None).checks


TEXT = json.dumps([record()])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Cannot read .* as JSON"),
        (b"[", "Cannot read .* as JSON"),
        (TEXT[:-1].encode(), "Cannot read .* as JSON"),
        (TEXT[:40].encode(), "Cannot read .* as JSON"),
        (f"{TEXT}{TEXT}".encode(), "Cannot read .* as JSON"),
        (TEXT.encode("utf-8-sig"), "BOM"),
        (TEXT.encode("utf-16"), "Cannot read .* as JSON"),
        (b"\xff", "Cannot read .* as JSON"),
        (b"[" * 100_000, "Cannot read .* as JSON"),
        (b"[" + b"9" * 5000 + b"]", "Cannot read .* as JSON"),
        (b"null", "must be a JSON list of records, found NoneType"),
        (json.dumps({"annotations": [record()]}).encode(), "a JSON list of records, found dict"),
    ],
)
def test_file_that_is_not_a_list_of_records_is_a_clear_error(check, tmp_path, content, message):
    check([])
    (tmp_path / "sub.json").write_bytes(content)
    expected = expectations(tmp_path / "images.json", None, None, None)
    with pytest.raises(UserError, match=message) as error:
        validate(tmp_path / "sub.json", expected)
    assert "sub.json" in str(error.value)


def test_all_faults_of_a_record_are_named(check):
    faulty = {"image_id": 7, "category_id": 7, "bbox": [0, 0, -1, 1], "score": 2, "extra": 0}
    with pytest.raises(UserError) as error:
        check([faulty, faulty])
    for fault in ("keys", "image_id", "category_id", "score", "size"):
        assert f"2 {CHECKS[fault]} (first: record 1," in str(error.value)


def test_missing_file_is_a_clear_error(check, tmp_path):
    check([])
    expected = expectations(tmp_path / "images.json", None, None, None)
    with pytest.raises(UserError, match=r"none\.json"):
        validate(tmp_path / "none.json", expected)
