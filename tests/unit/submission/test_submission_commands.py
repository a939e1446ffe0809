import json

import pytest

import conf_cut
import validate_submission
from parkdet.command_line import run
from parkdet.submission.records import detection, write_detections
from val_sets import val_set

IMAGES = {"images": [{"id": i, "width": 640, "height": 480} for i in range(1, 4)]}
TRAIN = {"images": [], "categories": [{"id": 1, "name": "car"}]}


@pytest.fixture
def folder(tmp_path):
    records = [detection(1 + i % 3, 1, (i, 0, i + 50, 60), 0.01 * i) for i in range(40)]
    write_detections(tmp_path / "preds.json", records)
    (tmp_path / "images.json").write_text(json.dumps(IMAGES))
    (tmp_path / "train.json").write_text(json.dumps(TRAIN))
    return tmp_path


def cut(folder, name, max_bytes=2000, method="global", more=""):
    options = f"--predictions {folder}/preds.json --out {folder}/{name}.json --stats "
    options += f"{folder}/{name}.stats.json --max-bytes {max_bytes} --method {method} {more}"
    return run(conf_cut.build_parser(), conf_cut.main, options.split())


def check(folder, name, max_bytes=2000):
    options = f"--submission {folder}/{name}.json --images {folder}/images.json --train "
    options += f"{folder}/train.json --max-bytes {max_bytes} --out {folder}/validation.json"
    return run(validate_submission.build_parser(), validate_submission.main, options.split())


@pytest.mark.parametrize("method", ["global", "threshold"])
def test_the_result_of_a_cut_is_valid(folder, method):
    assert cut(folder, "cut", method=method) == 0
    assert check(folder, "cut") == 0
    stats = json.loads((folder / "cut.stats.json").read_text())
    result = json.loads((folder / "validation.json").read_text())
    assert result["valid"]
    assert result["bytes"] == stats["bytes"] == (folder / "cut.json").stat().st_size < 2000
    assert result["detections"] == stats["detections"]["kept"] > 10


def test_outputs_have_sidecars_and_are_reproducible(folder):
    assert cut(folder, "first") == cut(folder, "second") == 0
    for ending in ("json", "stats.json"):
        assert (folder / f"first.{ending}").read_bytes() == (
            folder / f"second.{ending}"
        ).read_bytes()
        sidecar = json.loads((folder / f"first.{ending}.provenance.json").read_text())
        assert sidecar["settings"] == {"method": "global", "max_bytes": 2000}
        assert [*sidecar["inputs"]] == [f"{folder}/preds.json"]


@pytest.fixture
def val_files(folder):
    """Options that give a val set."""
    truth, detections = val_set([0.9, 0.4, 0.6], [True, False, True], [1, 1, 1])
    write_detections(folder / "val_preds.json", detections)
    (folder / "val.json").write_text(json.dumps(truth))
    return f"--val-predictions {folder}/val_preds.json --val-truth {folder}/val.json"


def test_a_cut_by_worth_reports_what_it_learnt_and_from_which_files(folder, val_files):
    assert cut(folder, "cut", method="per-class", more=f"{val_files} --ap 75") == 0
    assert check(folder, "cut") == 0
    stats = json.loads((folder / "cut.stats.json").read_text())
    assert [calibration["iou"] for calibration in stats["calibrations"]] == [0.75]
    assert stats["calibrations"][0]["classes"][0]["right"] == 2
    sidecar = json.loads((folder / "cut.json.provenance.json").read_text())
    assert sidecar["settings"] == {"method": "per-class", "max_bytes": 2000, "ap": "75"}
    assert len(sidecar["inputs"]) == 3


@pytest.mark.parametrize("method", ["per-class", "global"])
def test_the_val_set_and_the_method_that_uses_it_need_each_other(folder, val_files, method, capsys):
    given = val_files if method == "global" else val_files.split(" --val-truth")[0]
    assert cut(folder, "cut", method=method, more=given) == 2
    assert "--val-truth need each other" in capsys.readouterr().err
    assert not list(folder.glob("cut*"))


def test_val_detections_of_other_images_are_refused(folder, val_files, capsys):
    write_detections(folder / "val_preds.json", [detection(77, 1, (0, 0, 9, 9), 0.5)])
    assert cut(folder, "cut", method="per-class", more=val_files) == 2
    assert "image_id 77" in capsys.readouterr().err


def test_a_val_set_without_a_right_detection_is_warned_about(folder, val_files, capsys):
    write_detections(folder / "val_preds.json", [])
    assert cut(folder, "cut", method="per-class", more=val_files) == 0
    assert "the cut is by score" in capsys.readouterr().err


def test_invalid_file_ends_with_2_and_leaves_no_earlier_result(folder, capsys):
    assert cut(folder, "cut") == 0
    assert check(folder, "cut") == 0
    write_detections(folder / "cut.json", [detection(4, 1, (0, 0, 9, 9), 0.5)])
    assert check(folder, "cut") == 2
    message = capsys.readouterr().err
    assert "1 records with an image_id that the images file does not list" in message
    assert "Traceback" not in message
    assert not list(folder.glob("validation.json*"))


def test_the_result_of_a_check_replaces_no_other_file(folder, capsys):
    assert check(folder, "validation") == 2
    assert "--out and --submission are the same file" in capsys.readouterr().err
    (folder / "validation.json").mkdir()
    assert check(folder, "preds") == 2
    assert "validation.json is not a regular file" in capsys.readouterr().err


def test_missing_predictions_end_with_2_and_leave_nothing(folder, capsys):
    (folder / "preds.json").unlink()
    assert cut(folder, "cut") == 2
    assert "preds.json" in capsys.readouterr().err
    assert not list(folder.glob("cut*"))


def test_limit_that_nothing_fits_into_is_warned_about(folder, capsys):
    assert cut(folder, "cut", max_bytes=50) == 0
    assert "the submission is empty" in capsys.readouterr().err
