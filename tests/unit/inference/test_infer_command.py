import json
from itertools import groupby

import pytest

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import checkpoint_of, save_checkpoint
from parkdet.submission.records import read_detections

OPTIONS = ("--imgsz", "64", "--conf", "0", "--max-det", "5", "--batch-size", "2", "--threads", "1")


def _infer(command, place, out, *more, weights=("1.pt",)):
    paths = [place / name for name in weights]
    files = ("--images", place / "test.json", "--image-dir", place / "images", "--out", out)
    assert command("--weights", *paths, *files, *OPTIONS, *more) == 0
    return read_detections(out)


def test_records_are_in_the_order_of_the_images_and_sorted_by_score(command, place, tmp_path):
    found = _infer(command, place, tmp_path / "a.json", "--tta")
    images = [(number, list(group)) for number, group in groupby(found, lambda r: r.image_id)]
    assert [number for number, _ in images] == [50 - index for index in range(7)]
    for _, of_image in images:
        scores = [record.score for record in of_image]
        assert len(scores) <= 5 and scores == sorted(scores, reverse=True)
    assert {record.category_id for record in found} <= {4, 8}
    assert (tmp_path / "a.json.provenance.json").is_file()


def test_several_weights_agree_on_category_ids(command, place, tmp_path):
    one = _infer(command, place, tmp_path / "1.json")
    two = _infer(command, place, tmp_path / "2.json", weights=("2.pt",))
    both = _infer(command, place, tmp_path / "both.json", weights=("1.pt", "2.pt"))
    known = {json.dumps([r.image_id, r.category_id, r.bbox, r.score]) for r in one + two}
    assert {json.dumps([r.image_id, r.category_id, r.bbox, r.score]) for r in both} <= known
    best = max(record.score for record in one + two)
    assert max(record.score for record in both) == best


def test_same_run_same_bytes(command, place, tmp_path):
    for name in ("a.json", "b.json"):
        _infer(command, place, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_folder_of_images(command, place, tmp_path):
    out = tmp_path / "a.json"
    files = ("--images", place / "images", "--out", out)
    assert command("--weights", place / "1.pt", *files, *OPTIONS) == 0
    assert {record.image_id for record in read_detections(out)} == set(range(1, 8))


@pytest.mark.parametrize("name", ["absent.png", "absent.png\0"])
def test_missing_image_ends_with_its_name_and_no_output(command, place, name, tmp_path, capsys):
    images = [{"id": 1, "file_name": name}]
    (tmp_path / "test.json").write_text(json.dumps({"images": images}))
    out = tmp_path / "out" / "a.json"
    files = ("--images", tmp_path / "test.json", "--image-dir", place / "images", "--out", out)
    state = ("--state-dir", tmp_path / "state")
    assert command("--weights", place / "1.pt", *files, *state, *OPTIONS) == 2
    assert "absent.png" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "options", [("--shard", "0/3"), ("--shard", "4/3"), ("--conf", "2"), ("--imgsz", "0")]
)
def test_wrong_options_are_refused(command, place, options, capsys):
    files = ("--images", place / "test.json", "--out", place / "out.json")
    with pytest.raises(SystemExit) as raised:
        command("--weights", place / "1.pt", *files, *options)
    assert raised.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_classes_are_mapped_by_name_when_the_weights_are_from_other_data(command, place, tmp_path):
    checkpoint = checkpoint_of(build_model("yolov5n", 2, seed=1), ["bicycle", "bus"], [], 64)
    save_checkpoint(tmp_path / "other.pt", checkpoint)
    found = _infer(command, place, tmp_path / "a.json", weights=(tmp_path / "other.pt",))
    assert {record.category_id for record in found} == {8}
    assert {record.image_id for record in found} == set(range(44, 51))
