import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import yaml

from parkdet.data.prepare import PrepareSettings, prepare
from parkdet.errors import UserError

SCRIPT = Path(__file__).parents[3] / "scripts/prepare_dataset.py"


def test_prepared_set_is_complete_and_consistent(source, run_prepare):
    source.add_test("t_1.png", 900)
    done = run_prepare(val_images=4)

    config = yaml.safe_load((done.out / "dataset.yaml").read_text())
    assert config == {
        "path": str(done.out),
        "train": "train.txt",
        "val": "val.txt",
        "test": "test.txt",
        "nc": 2,
        "names": {0: "car", 1: "cart"},
    }
    for split in ("train", "val", "test"):
        names = [image["file_name"] for image in done.json(split)["images"]]
        assert done.lines(split) == [f"./images/{split}/{name}" for name in names]
        for line in done.lines(split):
            assert (done.out / line).is_symlink() and (done.out / line).is_file()
    for split in ("train", "val"):
        for line in done.lines(split):
            label = done.out / line.replace("/images/", "/labels/").replace(".png", ".txt")
            assert label.read_text() == "0 0.225000 0.450000 0.250000 0.400000\n"
    assert not (done.out / "labels/test").exists()
    assert done.json("test")["annotations"] == []
    assert done.issues() == [] and done.summary["issues"] == {}


def test_images_carry_ids_size_and_hash_of_the_source(source, run_prepare):
    source.add("last_1.png", [(7, 1, 2, 3, 4)], size=(31, 17), number=10**12)
    done = run_prepare(split="random")
    image = done.images()[10**12]
    content = (source.root / "train/images/last_1.png").read_bytes()
    assert (image["width"], image["height"]) == (31, 17)
    assert image["sha256"] == hashlib.sha256(content).hexdigest()
    box = next(box for box in done.boxes() if box["image_id"] == 10**12)
    assert box["bbox"] == [1, 2, 3, 4] and box["category_id"] == 7 and box["area"] == 12


def test_each_output_json_has_a_sidecar(run_prepare):
    done = run_prepare()
    for name in ("train", "val", "summary"):
        record = json.loads((done.out / f"{name}.json.provenance.json").read_text())
        assert any(path.endswith("Train.json") for path in record["inputs"])
        assert record["settings"]["val_images"] == 2


def test_split_by_recording_keeps_frames_together(run_prepare):
    done = run_prepare(val_images=4)
    recordings = [
        {image["file_name"].rsplit("_", 1)[0] for image in done.json(name)["images"]}
        for name in ("train", "val")
    ]
    assert not recordings[0] & recordings[1]
    assert done.summary["split"]["used"] == "group"
    assert done.summary["recordings"] == {
        "train": 4,
        "val": 2,
        "shared": 0,
        "val_images_sharing_a_recording_with_train": 0,
    }


def test_random_split_draws_from_all_listed_ids_before_any_is_dropped(source, run_prepare):
    ids = [image["id"] for image in source.images]
    drawn = set(random.Random(100).sample(tuple(ids), 5))
    lost = min(drawn)
    (source.root / "train/images" / source.images[lost - 1]["file_name"]).unlink()
    done = run_prepare(split="random", val_images=5)
    assert {image["id"] for image in done.json("val")["images"]} == drawn - {lost}
    assert done.summary["images"] == {"train": 7, "val": 4}


@pytest.mark.parametrize(("split", "held_out"), [("random", 3), ("group", 1)])
def test_an_eighth_of_the_images_drawn_from_is_held_out(source, run_prepare, split, held_out):
    for number in range(12):
        source.images.append({"id": 100 + number, "file_name": f"missing_{number}.png"})
    done = run_prepare(split=split, val_images=None)
    assert done.summary["split"]["val_images_requested"] == held_out


def test_leaking_recordings_are_counted(run_prepare):
    done = run_prepare(split="random", val_images=5)
    recordings = done.summary["recordings"]
    train, val = (
        [image["file_name"].rsplit("_", 1)[0] for image in done.json(name)["images"]]
        for name in ("train", "val")
    )
    leaked = sum(recording in train for recording in val)
    assert leaked > 0
    assert recordings["val_images_sharing_a_recording_with_train"] == leaked


def test_identical_images_across_the_split_are_counted(source, run_prepare):
    for number in (1, 2, 3):
        source.add(f"copy{number}.png")
        source.draw(f"copy{number}.png", color=(9, 9, 9))
    given = source.root / "val.json"
    source.save()
    given.write_text(json.dumps({"images": [{"file_name": "copy1.png"}, {"id": 1}]}))
    done = run_prepare(split="given", val_json=given)
    assert done.summary["val_images_identical_to_a_train_image"] == 1
    assert any("identical" in warning for warning in done.summary["warnings"])


def test_few_recordings_are_split_at_random_with_a_warning(source, run_prepare):
    source.images = source.images[:6]
    done = run_prepare()
    assert done.summary["split"]["used"] == "random"
    assert "at random" in done.summary["warnings"][0]


def test_given_split_takes_the_named_images(source, run_prepare, tmp_path):
    given = tmp_path / "val.json"
    names = [source.images[0]["file_name"], source.images[5]["file_name"]]
    given.write_text(json.dumps({"images": [{"id": 999, "file_name": name} for name in names]}))
    done = run_prepare(split="given", val_json=given)
    assert [image["id"] for image in done.json("val")["images"]] == [1, 6]


def test_given_split_without_a_file_says_what_to_add(run_prepare):
    with pytest.raises(UserError, match="--val-json"):
        run_prepare(split="given")


def test_backgrounds_are_kept_with_an_empty_label(source, run_prepare):
    number = source.add("empty_1.png")
    done = run_prepare(split="random")
    assert number in done.images()
    labels = list(done.out.glob("labels/*/empty_1.txt"))
    assert [label.read_text() for label in labels] == [""]


def test_backgrounds_are_dropped_on_request_and_listed(source, run_prepare):
    number = source.add("empty_1.png")
    done = run_prepare(split="random", backgrounds="drop", on_bad="fail")
    assert number not in done.images()
    assert done.issues() == [f"empty_1.png,{number},,image without boxes,left out on request"]


def test_class_without_a_box_stays_a_class(source, run_prepare):
    done = run_prepare()
    assert [category["id"] for category in done.json("val")["categories"]] == [3, 7]
    assert done.summary["classes"][1]["boxes"] == {"train": 0, "val": 0}
    assert "No box in train of: cart." in done.summary["warnings"]


def test_names_stand_in_for_missing_categories(source, run_prepare):
    source.categories = None
    source.box(1, [20, 1, 5, 5], category=9)
    done = run_prepare(names=["가", "나: #"])
    assert done.json("train")["categories"] == [{"id": 3, "name": "가"}, {"id": 9, "name": "나: #"}]
    config = yaml.safe_load((done.out / "dataset.yaml").read_text(encoding="utf-8"))
    assert config["names"] == {0: "가", 1: "나: #"}


def test_more_names_than_ids_in_use_count_from_one(source, run_prepare):
    source.categories = None
    done = run_prepare(names=["a", "b", "c", "d"])
    assert [category["id"] for category in done.json("train")["categories"]] == [1, 2, 3, 4]


def test_without_test_json_there_is_no_test_split(run_prepare):
    done = run_prepare()
    assert not any(path.startswith(("test", "images/test")) for path in done.content())
    assert "test" not in yaml.safe_load((done.out / "dataset.yaml").read_text())


def test_empty_test_json_gives_an_empty_test_split(source, run_prepare):
    source.test_images = []
    done = run_prepare()
    assert done.json("test")["images"] == [] and done.lines("test") == []


@pytest.mark.parametrize(("link", "is_link"), [("symlink", True), ("copy", False), ("hard", False)])
def test_images_are_linked_or_copied_as_asked(source, run_prepare, link, is_link):
    done = run_prepare(link=link)
    image = done.out / done.lines("val")[0]
    original = source.root / "train/images" / image.name
    assert image.is_symlink() is is_link
    assert image.samefile(original) is (link != "copy")
    assert image.read_bytes() == original.read_bytes()


def test_output_is_the_same_wherever_the_source_lies(source, run_prepare, tmp_path):
    source.add_test("t_1.png", 900)
    source.images[0]["width"] = 7  # an issue to be listed
    first = run_prepare(out=tmp_path / "first").content()
    again = run_prepare(out=tmp_path / "first").content()
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    source.root.rename(moved)
    source.root = moved
    elsewhere = run_prepare(out=tmp_path / "second").content()
    assert first == again == elsewhere


def test_prepared_images_are_what_opencv_reads(shared_data, tmp_path):
    for name, val_images in (("vehicles", 60), ("coco-traffic", 20)):
        root, out = shared_data / "data" / name, tmp_path / name
        summary = prepare(PrepareSettings(root, out, val_images=val_images))
        source = json.loads((root / "train/label/Train.json").read_text(encoding="utf-8"))
        splits = [json.loads((out / f"{name}.json").read_text()) for name in ("train", "val")]
        assert [len(split["images"]) for split in splits] == [
            len(source["images"]) - val_images,
            val_images,
        ]
        assert sum(len(split["annotations"]) for split in splits) == len(source["annotations"])
        assert summary["split"]["used"] == "random" and summary["issues"] == {}
        for line, image in zip(
            (out / "val.txt").read_text().splitlines(), splits[1]["images"], strict=True
        ):
            assert cv2.imread(str(out / line)).shape[:2] == (image["height"], image["width"])


def test_pycocotools_opens_the_prepared_set(source, run_prepare):
    from pycocotools.coco import COCO

    coco = COCO(str(run_prepare(val_images=4).out / "val.json"))
    assert len(coco.getImgIds()) == 4 and len(coco.getAnnIds()) == 4


def test_command_line_prepares_and_reports(source, tmp_path):
    source.save()
    out, log = tmp_path / "out", tmp_path / "prepare.log"
    options = [f"--data-root={source.root}", f"--out={out}", "--val-images=4", f"--log={log}"]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "8 train images with 8 boxes, 4 val images with 4 boxes, no test set" in done.stderr
    assert "no test set is prepared" in log.read_text()


def test_command_line_shows_the_tree_when_there_is_no_data(tmp_path):
    command = [sys.executable, SCRIPT, "--data-root", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Train.json" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_command_line_holds_out_an_eighth_unless_told_otherwise(source, tmp_path):
    source.save()
    out = tmp_path / "out"
    command = [sys.executable, SCRIPT, "--data-root", source.root, "--out", out]
    subprocess.run([*command, "--split", "random"], capture_output=True, check=True)
    assert len(json.loads((out / "val.json").read_text())["images"]) == 1
