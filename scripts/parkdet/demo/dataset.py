"""Writes the demo set in the challenge's layout: names, images and annotation files.

Everything in it is synthetic: drawn by this package from a seed, with no photograph involved.
"""

import multiprocessing
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from parkdet.demo import DESCRIPTION
from parkdet.demo.backdrop import paint_backdrop
from parkdet.demo.painter import Outline, Seen
from parkdet.demo.picture import render
from parkdet.demo.placing import Placed
from parkdet.demo.scene import CLASSES, Scene, compose, deal
from parkdet.errors import UserError
from parkdet.files import read_json, write_json
from parkdet.progress import track

CATEGORIES = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
_REGIONS = ("서울특별시", "경기도", "인천광역시", "부산광역시", "대전광역시", "강원도", "제주도")
_SIDES = ("right", "left", "front", "rear")
_IDS_A_RECORDING = 20  # each starts its image ids at a multiple of this, which leaves gaps
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Recording:
    """Consecutive frames of one camera.

    Attributes:
        seed: the seed of the whole set.
        number: the recording's number, counted across train and test.
        frames: number of frames.
        cast: number of objects of each class.
        size: (width, height) of the images in pixels.
    """

    seed: int
    number: int
    frames: int
    cast: dict[str, int]
    size: tuple[int, int]

    def generator(self, *purpose: int) -> np.random.Generator:
        """Random numbers that depend only on the set's seed, the recording and the purpose."""
        return np.random.default_rng((self.seed, self.number, *purpose))


@dataclass(frozen=True)
class Picture:
    """One image of the set: its record in the annotation files and the objects in it."""

    record: dict[str, Any]
    seen: list[Seen]


def write_demo_set(
    out: Path, seed: int, train_images: int, test_images: int, size: tuple[int, int], workers: int
) -> dict[str, dict[str, int]]:
    """Writes the whole set; the same arguments give the same bytes, whatever ``workers`` is.

    Args:
        out: folder to write to; an earlier demo set in it is replaced.
        size: (width, height) of the images in pixels.
        workers: number of drawing processes.

    Returns:
        For "train" and "test", the number of boxes of each class.

    Raises:
        UserError: ``out`` holds files that are not an earlier demo set, or cannot be written.
    """
    _check_free(out)
    train = plan(seed, 0, train_images, size)
    test = plan(seed, len(train), test_images, size)
    work = out / _UNFINISHED
    try:
        shutil.rmtree(work, ignore_errors=True)
        for split in ("train", "test"):
            (work / split / "images").mkdir(parents=True)
        jobs = [(recording, work / "train" / "images") for recording in train]
        jobs += [(recording, work / "test" / "images") for recording in test]
        pictures = _draw_all(jobs, workers)
        counts = _write_annotations(work, pictures[: len(train)], pictures[len(train) :])
        _move_into_place(work, out)
    except OSError as error:
        raise UserError(
            f"Cannot write the demo set to {out}: {error.strerror or error}. "
            "Check that the folder is writable and the disk not full."
        ) from error
    return counts


def _check_free(out: Path) -> None:
    """Refuses a folder that holds files other than an earlier demo set."""
    files = (path for path in out.rglob("*") if path.is_file())
    if not any(_UNFINISHED not in path.parts for path in files):
        return
    labels = out / "train" / "label" / "Train.json"
    info = read_json(labels).get("info") if labels.is_file() else None
    if not isinstance(info, dict) or info.get("description") != DESCRIPTION:
        raise UserError(
            f"The folder {out} already holds files that are not a demo set, so nothing was "
            "written. Give a new or empty folder by --out."
        )


def _move_into_place(work: Path, out: Path) -> None:
    for part in sorted(work.iterdir()):
        old = out / part.name
        if old.is_dir():
            shutil.rmtree(old)
        os.replace(part, old)
    work.rmdir()


def plan(seed: int, first: int, images: int, size: tuple[int, int]) -> list[Recording]:
    """Recordings of four to six frames, ``images`` frames in all, numbered from ``first``.

    About one recording in 25 shows an empty lot (none in a set of fewer than ten recordings).
    """
    rng = np.random.default_rng((seed, first, images))
    lengths: list[int] = []
    while sum(lengths) < images:
        lengths.append(min(int(rng.integers(4, 7)), images - sum(lengths)))
    count = len(lengths)
    empty = set(rng.permutation(count)[: max(1, count // 25) if count >= 10 else 0].tolist())
    dealt = iter(deal(rng, count - len(empty)))
    casts = [{} if index in empty else next(dealt) for index in range(count)]
    return [
        Recording(seed, first + index, frames, cast, size)
        for index, (frames, cast) in enumerate(zip(lengths, casts, strict=True))
    ]


def _draw_all(jobs: Sequence[tuple[Recording, Path]], workers: int) -> list[list[Picture]]:
    if workers <= 1:
        return list(track(map(draw_recording, jobs), len(jobs), "demo", "recordings"))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        drawn: Iterable[list[Picture]] = pool.map(draw_recording, jobs)
        return list(track(drawn, len(jobs), "demo", "recordings"))


def draw_recording(job: tuple[Recording, Path]) -> list[Picture]:
    """Draws a recording's frames into a folder."""
    cv2.setNumThreads(1)
    recording, folder = job
    rng = recording.generator()
    scene = compose(rng, recording.cast, recording.frames, recording.size)
    backdrop = paint_backdrop(scene.lot, scene.camera, scene.light, rng)
    names = file_names(recording, scene)
    known: dict[Placed, Outline] = {}
    pictures = []
    for number, name in enumerate(names):
        noise = recording.generator(number)
        objects = scene.frame(number)
        image, seen = render(objects, backdrop, scene.camera, scene.light, noise, known)
        _write_png(folder / name, image)
        identity = 1 + recording.number * _IDS_A_RECORDING + number
        width, height = recording.size
        record = {"id": identity, "file_name": name, "width": width, "height": height}
        pictures.append(Picture(record, seen))
    return pictures


def file_names(recording: Recording, scene: Scene) -> list[str]:
    """File names in the challenge's pattern: date, region, weather, time of day, side, numbers."""
    rng = recording.generator(1000)
    day = f"2020{rng.integers(9, 13):02d}{rng.integers(1, 29):02d}"
    region, side = _REGIONS[rng.integers(len(_REGIONS))], _SIDES[rng.integers(len(_SIDES))]
    hours = "야간" if scene.light.night else "주간"
    first, step = int(rng.integers(1000, 90000)), int(rng.integers(6, 15))
    head = f"{day}_{region}_-_-_{scene.light.weather}_{hours}_실외_{side}"
    frames = range(first, first + step * recording.frames, step)
    return [f"{head}_{recording.number + 1:06d}_{frame:07d}.png" for frame in frames]


def _write_png(path: Path, image: np.ndarray) -> None:
    quick = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, 2]
    _, data = cv2.imencode(".png", image[..., ::-1], quick)
    path.write_bytes(data.tobytes())


def _write_annotations(
    work: Path, train: Sequence[list[Picture]], test: Sequence[list[Picture]]
) -> dict[str, dict[str, int]]:
    train_set = _coco([picture for recording in train for picture in recording])
    test_set = _coco([picture for recording in test for picture in recording])
    unlabelled = {key: test_set[key] for key in ("info", "images", "categories")}
    write_json(work / "train" / "label" / "Train.json", train_set)
    write_json(work / "Test_Images_Information.json", unlabelled)
    write_json(work / "test_ground_truth.json", test_set)
    write_json(work / "sample_submission.json", _sample_submission(test_set["images"]))
    return {"train": _count(train_set), "test": _count(test_set)}


def _coco(pictures: Sequence[Picture]) -> dict[str, Any]:
    """The images as a COCO data set; areas are box areas, in pixels."""
    numbers = {category["name"]: category["id"] for category in CATEGORIES}
    annotations = []
    for picture in pictures:
        for seen in picture.seen:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": picture.record["id"],
                    "category_id": numbers[seen.label],
                    "bbox": list(seen.box),
                    "area": round(seen.box[2] * seen.box[3], 2),
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": DESCRIPTION},
        "images": [picture.record for picture in pictures],
        "annotations": annotations,
        "categories": CATEGORIES,
    }


def _sample_submission(images: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One made-up detection, to show the format."""
    return [
        {
            "image_id": image["id"],
            "category_id": 1,
            "bbox": [0.0, 0.0, 10.0, 10.0],
            "score": 0.5,
            "segmentation": [],
        }
        for image in images[:1]
    ]


def _count(coco: dict[str, Any]) -> dict[str, int]:
    counts = dict.fromkeys(CLASSES, 0)
    for annotation in coco["annotations"]:
        counts[CLASSES[annotation["category_id"] - 1]] += 1
    return counts
