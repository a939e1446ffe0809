import json

import pytest

from parkdet.errors import UserError
from parkdet.evaluation.summary import describe, summarize


@pytest.fixture
def files(tmp_path):
    def metrics(ap50):
        return {"images": 60, "boxes": 240, "ap": 0.4, "ap50": ap50, "ap75": None, "per_class": []}

    cut = {
        "method": "global",
        "max_bytes": 20_000_000,
        "bytes": 123_456,
        "threshold": 0.0125,
        "ties_dropped": 0,
        "detections": {"total": 3000, "kept": 2900, "left_out": 100},
        "per_class": [],
    }
    validation = {
        "valid": True,
        "checks": ["keys", "score"],
        "bytes": 123_456,
        "max_bytes": 20_000_000,
        "detections": 2900,
        "images": 60,
        "images_without_detections": 1,
        "per_class": {"1": 2900},
    }
    contents = {"cut": cut, "validation": validation, "val": metrics(0.7)}
    contents |= {"test": metrics(0.65), "start": metrics(0.05)}
    paths = {name: tmp_path / f"{name}.json" for name in contents}
    for name, content in contents.items():
        paths[name].write_text(json.dumps(content))
    return {"submission": tmp_path / "best_preds_cut.json", **paths}


def test_summary_says_where_how_large_how_many_and_how_good(files):
    summary = summarize(files)
    text = describe(summary)
    for piece in (
        str(files["submission"]),
        "123,456 bytes (limit 20,000,000)",
        "2,900 of 3,000 kept, score >= 0.0125",
        "yes, 2 checks passed",
        "AP 0.400  AP50 0.700  AP75 -  (60 images, 240 boxes)",
        "AP50 0.050 on the test set before training, gained +0.600",
    ):
        assert piece in text
    assert summary.gain_ap50 == pytest.approx(0.6)


def test_lines_are_aligned(files):
    lines = describe(summarize(files)).splitlines()
    assert lines[0] == lines[-1] == "-" * max(len(line) for line in lines[1:-1])
    starts = {len(line) - len(line[2:].split(None, 1)[1]) for line in lines[1:-1]}
    assert len(starts) == 1


def test_without_a_test_set_only_val_is_shown(files):
    summary = summarize({"val": files["val"]})
    assert describe(summary).count("\n") == 2
    assert "AP50 0.700" in describe(summary)


def test_unreadable_file_is_a_clear_error(files):
    files["cut"].write_text("{}")
    with pytest.raises(UserError, match=r"cut\.json"):
        summarize(files)
