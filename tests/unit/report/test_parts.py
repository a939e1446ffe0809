"""The report's sections, one by one: figures are checked against what they represent."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_run import MadeRun, make_run
from parkdet.evaluation.average_precision import RECALLS
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.evaluation.matching import IGNORED, RIGHT, WRONG, Matches, match
from parkdet.evaluation.operating_point import best_f1
from parkdet.report import gallery, photographs, quality, submission
from parkdet.report.curves import CONFIDENCES, precision_curves, rates_at_confidence
from parkdet.report.formatting import change, duration, figure, size
from parkdet.report.gallery import Shown
from parkdet.report.overview import hints
from parkdet.report.section import Section
from parkdet.report.sources import Box, Coco, Image
from parkdet.report.thumbnails import thumbnail
from parkdet.report.training import changed_settings
from parkdet.submission.cut import cut_file
from parkdet.submission.records import Detection, read_detections
from parkdet.submission.validation import CHECKS


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> MadeRun:
    return make_run(MadeRun(tmp_path_factory.mktemp("made"), images=8, objects=5, detections=20))


@pytest.fixture(scope="module")
def val(made) -> tuple[dict, list[Detection]]:
    return made.read().truth("val"), made.read().detections("val")


def test_the_mean_of_a_precision_curve_is_cocos_ap50(val):
    truth, detections = val
    curves = precision_curves(match(truth, detections))
    for row in evaluate(truth, detections).per_class:
        assert curves[row.category_id].mean() == pytest.approx(row.ap50, abs=1e-9)


def test_a_precision_curve_by_hand():
    outcomes = np.array([RIGHT, WRONG, RIGHT], np.int8)
    scores, found = np.array([0.9, 0.8, 0.7]), np.array([0, -1, 1])
    matches = Matches(outcomes, scores, np.array([1, 1, 1]), found, Counter({1: 4}))
    curve = precision_curves(matches)[1]
    assert curve[RECALLS <= 0.25].tolist() == [1.0] * 26
    assert curve[(RECALLS > 0.25) & (RECALLS <= 0.5)] == pytest.approx(2 / 3)
    assert curve[RECALLS > 0.5].max() == 0


def test_f1_at_a_confidence_equals_that_of_the_operating_point(val):
    matches = match(*val)
    rates, best = rates_at_confidence(matches), best_f1(matches)
    assert rates.f1.max() <= best.mean.f1 + 1e-9
    at = int(np.searchsorted(CONFIDENCES, best.confidence, side="right")) - 1
    assert rates.f1[at] == pytest.approx(best.mean.f1, abs=0.1)
    assert rates.recall[0] == pytest.approx(max(rates.recall))
    assert np.all(np.diff(rates.recall) <= 1e-12)


@pytest.mark.parametrize("method", ["global", "threshold"])
def test_the_size_curve_passes_through_the_files_that_a_cut_writes(made, tmp_path, method):
    path = made.results / "predictions/best_preds.json"
    scores = sorted(record.score for record in read_detections(path))
    for confidence, bytes_ in submission._size_curve(path, method)[::40]:
        kept = sum(score >= confidence for score in scores)
        report = cut_file(path, tmp_path / "cut.json", max(int(bytes_) + 1, 3), method)
        assert (report.bytes, report.detections.kept) == (bytes_, kept)


def test_the_cost_of_the_cut_is_the_difference_between_two_evaluations(made, val):
    truth, detections = val
    cut = made.read().json("submission/cut.json")
    cost = submission.build(made.read()).values["cost"]
    kept = [record for record in detections if record.score >= cut["threshold"]]
    assert 0 < len(kept) < len(detections)
    assert cost["ap_before"] == pytest.approx(evaluate(truth, detections).ap)
    assert cost["ap_after"] == pytest.approx(evaluate(truth, kept).ap)


def test_a_cut_with_a_threshold_per_class_is_applied_class_by_class():
    cut = {"method": "per-class", "threshold": None}
    cut["per_class"] = [{"category_id": 1, "threshold": 0.3}, {"category_id": 2, "threshold": None}]
    assert submission._least_kept(cut) == {1: 0.3, 2: float("inf")}


def shown(number: int, missed: int = 0, scored: bool = True) -> Shown:
    found = [0.0] * missed
    image = Image(number, f"{number}.png")
    return Shown("val", image, None, [], [{}] * missed, scored, found, [])


def test_the_worst_half_and_an_even_spread_are_chosen(monkeypatch):
    monkeypatch.setattr(gallery, "MOST", 20)
    images = [shown(number, missed=number % 50) for number in range(100)]
    chosen = [item.image.id for item in gallery._choose(images, 0.5)]
    assert len(chosen) == len(set(chosen)) == 20
    assert chosen == sorted(chosen)
    assert {49, 99, 48, 98, 47, 97} <= set(chosen)
    assert min(chosen) < 10


def test_without_truth_an_even_spread_is_chosen(monkeypatch):
    monkeypatch.setattr(gallery, "MOST", 4)
    images = [shown(number, scored=False) for number in range(8)]
    assert [item.image.id for item in gallery._choose(images, 0.5)] == [0, 2, 4, 6]


def test_an_object_is_found_by_the_detection_that_takes_it():
    truth = [{"image_id": 1, "category_id": 1, "bbox": [x, 0, 10, 10]} for x in (0, 2, 50)]
    records = [Detection(1, 1, (1.8, 0, 10, 10), 0.9), Detection(1, 1, (0, 0, 10, 10), 0.8)]
    found, outcomes = gallery._compare(truth, records)
    assert found == [0.8, 0.9, 0]
    assert outcomes == [RIGHT, RIGHT]


def test_a_detection_in_a_crowd_is_neither_right_nor_wrong():
    crowd = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 1}
    assert gallery._compare([crowd], [Detection(1, 1, (5, 5, 9, 9), 0.9)]) == ([], [IGNORED])


def test_packs_that_do_not_fit_into_the_page_are_files(made, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "PACK", 4)
    monkeypatch.setattr(gallery, "WITHIN_PAGE", 15_000)
    section = gallery.build(made.read(), tmp_path, threads=1)
    files = sorted(path.name for path in (tmp_path / "gallery").iterdir())
    within = len(section.values["packs"])
    assert 0 < within < 4
    assert files == [f"pack{number}.js" for number in range(within, 4)]
    assert section.values["beside"] == len(files)
    assert sum(map(len, section.values["packs"])) <= 15_000
    gallery.build(made.read(test_set=False), tmp_path, threads=1)
    assert len(list((tmp_path / "gallery").iterdir())) < len(files)  # none from the previous report


def test_an_image_that_cannot_be_read_has_no_picture(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert thumbnail(tmp_path / "broken.png", 64) is None
    assert thumbnail(tmp_path / "missing.png", 64) is None


def test_settings_that_differ_from_their_defaults_are_found_in_all_sections():
    names = {
        row["name"]: (row["value"], row["usual"])
        for row in changed_settings(MadeRun(Path()).config, None)
    }
    assert names == {
        "baseline.epochs": (2, 50),
        "baseline.hyp.lr0": (0.02, 0.01),
        "cut.max_bytes": (5000, 20_000_000),
    }


def test_with_a_preset_only_changes_to_it_are_reported():
    config = MadeRun(Path()).config
    preset = config.model_copy(update={"cut": config.cut.model_copy(update={"max_bytes": 20})})
    changed = changed_settings(config, preset)
    assert changed == [{"name": "cut.max_bytes", "value": 5000, "usual": 20}]


def test_images_are_counted_by_size_and_by_what_their_names_tell(made):
    assert photographs.counted(made.read()) == {
        "size in pixels": [("160 x 96", [8, 8, 8])],
        "weather": [("clear", [4, 4, 4]), ("rain", [4, 4, 4])],
        "place": [("outdoors", [8, 8, 8])],
    }
    assert photographs.counted(made.read(test_set=False))["place"] == [("outdoors", [8, 8, None])]


def test_recordings_are_found_by_the_configs_pattern(made):
    run = made.read()
    data = run.config.data.model_copy(update={"group_pattern": "_(맑음|비)_"})
    grouped = replace(run, config=run.config.model_copy(update={"data": data}))
    assert photographs.recording_sizes(grouped) == "4 to 4, median 4"


def test_images_are_counted_by_their_boxes():
    images = [Image(number, "a.png") for number in range(4)]
    boxes = [Box(image, 1, (0, 0, 9, 9)) for image in (0, 1, 1, 1, 2, 2)]
    counts = photographs._counts(Coco(images, boxes))
    assert counts.tolist() == [1, 3, 2, 0]
    assert photographs._shares(counts, np.arange(5)).tolist() == [25, 25, 25, 25]
    assert photographs._shares(counts, np.array([0, 2, 4])).tolist() == [50, 50]


@pytest.mark.parametrize("boxes", [[], [0], [3] * 4, [0, 999]])
def test_any_number_of_boxes_makes_a_chart(boxes):
    images = [Image(number, "a.png") for number in range(len(boxes))]
    found = [Box(n, 1, (0, 0, 9, 9)) for n, count in enumerate(boxes) for _ in range(count)]
    chart = photographs.boxes_an_image({"train": Coco(images, found), "val": Coco()})
    assert ("polyline" in chart) == bool(boxes)


def test_gains_from_training_are_reported_per_class_and_error_type(made, tmp_path):
    run = made.read()
    scored = run.config.evaluate.model_copy(update={"start_weights": True, "test_truth": "t.json"})
    shutil.copytree(run.results, tmp_path / "made")
    for end in ("", "_analysis"):  # as if the starting weights had been as good on val
        shutil.copy(
            run.results / f"metrics/val{end}.json", tmp_path / f"made/metrics/start{end}.json"
        )
    config = run.config.model_copy(update={"evaluate": scored})
    gained = quality.build(replace(run, results=tmp_path / "made", config=config)).values["gained"]
    before, after = (run.json(f"metrics/{part}.json")["per_class"] for part in ("val", "test"))
    assert gained["classes"] == [
        (row["name"], old["ap50"], row["ap50"]) for old, row in zip(before, after, strict=True)
    ]
    assert gained["kinds"][0][0] == "right"
    assert len(gained["kinds"]) == 7
    assert quality.build(run).values["gained"] is None


def test_a_score_that_fell_is_a_hint(made):
    run = made.read()
    for rows in run.history.values():
        rows[-1].ap = 0.5
    run.history["tune"][-1].ap = 0.4
    sections = {name: Section(name) for name in ("data", "training", "quality", "submission")}
    assert hints(run, sections) == [
        ("training", "AP50:95 on val peaked at 0.500 after epoch 2 and ended at 0.400.")
    ]


def test_every_check_of_a_submission_has_a_wording():
    assert submission.PASSED.keys() == CHECKS.keys()


def test_numbers_are_formatted_for_people():
    assert [size(999), size(149_911), size(20_000_000)] == ["999 bytes", "149.9 kB", "20 MB"]
    assert [figure(0.57306), figure(None), figure(float("nan"))] == ["0.573", "–", "–"]
    assert [change(-1364, 0), change(0.0371)] == ["−1,364", "+0.037"]
    assert [duration(0.42), duration(45), duration(7200)] == ["0.4 s", "45 s", "2.0 h"]
