"""The demo set on disk: layout, names, labels, and the same bytes from the same seed."""

import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import demo_data
from parkdet.command_line import run
from parkdet.demo.dataset import plan, write_demo_set
from parkdet.demo.painter import arrange
from parkdet.demo.scene import CLASSES, compose
from parkdet.errors import UserError

SIZE = (160, 96)
NAME = re.compile(
    r"2020\d{4}_[가-힣]+_-_-_(맑음|흐림|비)_(주간|야간)_실외_"
    r"(?P<side>right|left|front|rear)_(?P<recording>\d{6})_(?P<frame>\d{7})\.png"
)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "set"
    write_demo_set(out, 7, 9, 5, SIZE, workers=1)
    return out


def load(written: Path, name: str) -> dict:
    return json.loads((written / name).read_text(encoding="utf-8"))


def test_the_layout_is_that_of_the_challenge(written: Path) -> None:
    names = set(hashes(written))
    pictures = {name for name in names if name.endswith(".png")}
    assert len([name for name in pictures if name.startswith("train/images/")]) == 9
    assert len([name for name in pictures if name.startswith("test/images/")]) == 5
    assert names - pictures == {
        "train/label/Train.json",
        "Test_Images_Information.json",
        "sample_submission.json",
        "test_ground_truth.json",
    }


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(
    written: Path, tmp_path: Path
) -> None:
    write_demo_set(tmp_path / "again", 7, 9, 5, SIZE, workers=2)
    assert hashes(tmp_path / "again") == hashes(written)


def test_another_seed_gives_other_images(written: Path, tmp_path: Path) -> None:
    write_demo_set(tmp_path / "other", 8, 4, 4, SIZE, workers=1)
    other, pictures = (
        {digest for name, digest in hashes(folder).items() if name.endswith(".png")}
        for folder in (tmp_path / "other", written)
    )
    assert len(other) == 8 and not other & pictures


def test_images_have_the_size_in_the_json_and_are_not_flat(written: Path) -> None:
    for image in load(written, "train/label/Train.json")["images"]:
        data = np.fromfile(written / "train" / "images" / image["file_name"], np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture.shape == (image["height"], image["width"], 3) == (96, 160, 3)
        assert picture.std() > 8


def test_names_follow_the_pattern_and_frames_count_up(written: Path) -> None:
    groups: dict[str, list[int]] = {}
    for image in load(written, "train/label/Train.json")["images"]:
        match = NAME.fullmatch(image["file_name"])
        assert match, image["file_name"]
        groups.setdefault(match["recording"], []).append(int(match["frame"]))
    assert all(frames == sorted(set(frames)) for frames in groups.values())
    assert max(map(len, groups.values())) >= 4


def test_train_and_test_share_no_recording_and_no_id(written: Path) -> None:
    train, test = (
        load(written, name)["images"]
        for name in ("train/label/Train.json", "test_ground_truth.json")
    )
    recordings = [{image["file_name"].split("_")[-2] for image in part} for part in (train, test)]
    assert not recordings[0] & recordings[1]
    assert len({image["id"] for image in train + test}) == 14


def test_annotations_are_coco(written: Path) -> None:
    truth = load(written, "test_ground_truth.json")
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    assert truth["categories"] == [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    numbers = [annotation["id"] for annotation in truth["annotations"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for annotation in truth["annotations"]:
        x, y, w, h = annotation["bbox"]
        width, height = sizes[annotation["image_id"]]
        assert x >= 0 and y >= 0 and x + w <= width + 0.051 and y + h <= height + 0.051
        assert annotation["bbox"] == [round(value, 1) for value in annotation["bbox"]]
        assert annotation["area"] == pytest.approx(w * h, abs=0.01)
        assert annotation["iscrowd"] == 0 and 1 <= annotation["category_id"] <= 14


def test_the_test_images_come_without_labels(written: Path) -> None:
    given, truth = (
        load(written, name) for name in ("Test_Images_Information.json", "test_ground_truth.json")
    )
    assert "annotations" not in given
    assert given["images"] == truth["images"]
    sample = load(written, "sample_submission.json")
    assert set(sample[0]) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    assert sample[0]["image_id"] in {image["id"] for image in truth["images"]}


def test_the_committed_demo_has_15_test_boxes_of_each_class_and_some_empty_images() -> None:
    defaults = demo_data.build_parser().parse_args(["--out", "unused"])
    size = demo_data.parse_size(defaults.size)
    train = plan(defaults.seed, 0, defaults.train_images, size)
    counts, empty = dict.fromkeys(CLASSES, 0), 0
    for recording in plan(defaults.seed, len(train), defaults.test_images, size):
        scene = compose(recording.generator(), recording.cast, recording.frames, size)
        known: dict = {}
        for frame in range(recording.frames):
            shown = arrange(scene.frame(frame), scene.camera, known)
            empty += not shown
            for _, _, seen in shown:
                counts[seen.label] += 1
    assert min(counts.values()) >= 15, counts
    assert 1 <= empty <= 10


def test_recordings_add_up_to_the_images_asked_for() -> None:
    recordings = plan(1, 30, 100, SIZE)
    assert sum(recording.frames for recording in recordings) == 100
    assert [recording.number for recording in recordings] == list(range(30, 30 + len(recordings)))
    assert any(not recording.cast for recording in recordings)


def test_an_earlier_demo_set_is_replaced(tmp_path: Path) -> None:
    write_demo_set(tmp_path, 1, 4, 1, SIZE, workers=1)
    first = set(tmp_path.rglob("*.png"))
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "half.png").write_bytes(b"x")
    write_demo_set(tmp_path, 2, 4, 1, SIZE, workers=1)
    second = set(tmp_path.rglob("*.png"))
    assert len(second) == len(first) == 5
    assert not first & second
    assert not (tmp_path / ".unfinished").exists()


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train" / "label").mkdir(parents=True)
    (tmp_path / "train" / "label" / "Train.json").write_text('{"images": []}')
    before = hashes(tmp_path)
    with pytest.raises(UserError, match="not a demo set"):
        write_demo_set(tmp_path, 1, 4, 1, SIZE, workers=1)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(
    "options", [["--size", "640"], ["--size", "20x20"], ["--train-images", "0"], ["--seed", "-1"]]
)
def test_bad_options_give_one_clear_line(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--out", str(tmp_path / "out"), *options]
    assert run(demo_data.build_parser(), demo_data.main, arguments) == 2
    message = capsys.readouterr().err
    assert options[0] in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_the_help_says_that_the_images_are_synthetic() -> None:
    assert "synthetic" in demo_data.build_parser().format_help()
