import json

import pytest

import evaluate
import summary
from parkdet.command_line import run
from parkdet.submission.records import detection, write_detections


@pytest.fixture
def folder(tmp_path):
    truth = {
        "images": [{"id": 1}, {"id": 2}],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "cart"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40]}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    records = [detection(1, 1, (0, 0, 40, 40), 0.8), detection(2, 7, (0, 0, 40, 40), 0.8)]
    write_detections(tmp_path / "preds.json", records)
    return tmp_path


def score(folder, name="metrics.json"):
    options = f"--truth {folder}/truth.json --predictions {folder}/preds.json"
    options += f" --out {folder}/{name} --analysis {folder}/analysis_of_{name}"
    return run(evaluate.build_parser(), evaluate.main, options.split())


def test_metrics_and_analysis_are_written_with_sidecars(folder, capsys):
    assert score(folder) == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["ap"], metrics["images"], metrics["detections"]) == (1.0, 2, 1)
    assert (folder / "metrics.json.provenance.json").is_file()
    analysis = json.loads((folder / "analysis_of_metrics.json").read_text())
    assert analysis["confusion"]["counts"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert (folder / "analysis_of_metrics.json.provenance.json").is_file()
    assert "1 of 2 detections do not count: their categories" in capsys.readouterr().err


def test_metrics_are_reproducible(folder):
    assert score(folder, "first.json") == score(folder, "second.json") == 0
    for prefix in ("", "analysis_of_"):
        first, second = (folder / f"{prefix}{name}.json" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_detections_of_other_images_end_with_2(folder, capsys):
    write_detections(folder / "preds.json", [detection(99, 1, (0, 0, 4, 4), 0.8)])
    assert score(folder) == 2
    assert "image_id 99" in capsys.readouterr().err
    assert not list(folder.glob("*metrics*"))


def test_summary_reads_what_evaluate_writes(folder, capsys):
    assert score(folder) == 0
    options = f"--val-metrics {folder}/metrics.json --out {folder}/summary.json"
    assert run(summary.build_parser(), summary.main, options.split()) == 0
    assert "AP 1.000  AP50 1.000" in capsys.readouterr().out
    assert json.loads((folder / "summary.json").read_text())["val"]["ap50"] == 1.0
    sidecar = json.loads((folder / "summary.json.provenance.json").read_text())
    assert [*sidecar["inputs"]] == [f"{folder}/metrics.json"]
