"""Stock yolov5 can read a prepared data set, and nothing here writes to the source images."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from parkdet.data.prepare import PrepareSettings, prepare

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@pytest.fixture
def opened():
    """Path, mode and flags of every file that Python opens during the test."""
    found, listening = [], True  # the hook itself stays as long as the process does

    def note(event, arguments):
        if event == "open" and listening:
            found.append(arguments)

    sys.addaudithook(note)
    yield found
    listening = False


@pytest.mark.parametrize("link", ["symlink", "copy", "hard"])
def test_no_source_file_is_ever_opened_for_writing(source, tmp_path, opened, link):
    source.save()
    settings = PrepareSettings(source.root, tmp_path / "out", val_images=2, link=link)
    opened.clear()
    prepare(settings._replace(near_duplicates=True, verify="full"))
    prepare(settings)  # removes the earlier set
    of_source = [
        (path, flags) for path, _, flags in opened if str(path).startswith(f"{source.root}/")
    ]
    assert len(of_source) > len(source.images)
    assert not [path for path, flags in of_source if flags & WRITES]


def test_yolov5_reads_the_prepared_set(source, run_prepare):
    import parkdet.detector  # noqa: F401  (yolov5 can be imported after it)

    source.add("배경_1.v2.png")  # two dots, no box
    from yolov5.utils.dataloaders import LoadImagesAndLabels

    prepared = run_prepare(split="random", link="copy")
    for split in ("train", "val"):
        stock = LoadImagesAndLabels(str(prepared.out / f"{split}.txt"), 64, augment=False)
        truth = prepared.json(split)
        assert [Path(path).name for path in stock.im_files] == [
            image["file_name"] for image in truth["images"]
        ]
        assert sum(map(len, stock.labels)) == len(truth["annotations"])
        for image, labels in zip(truth["images"], stock.labels, strict=True):
            size = np.array([image["width"], image["height"]] * 2)
            own = [box for box in truth["annotations"] if box["image_id"] == image["id"]]
            for box, (number, *values) in zip(own, labels, strict=True):
                x, y, width, height = box["bbox"]
                expected = np.array([x + width / 2, y + height / 2, width, height]) / size
                assert values == pytest.approx(expected.tolist(), abs=1e-6)
                assert prepared.summary["classes"][int(number)]["category_id"] == box["category_id"]
