"""The photographs and weights that the detection benchmarks use."""

import json
import shutil
from pathlib import Path

import yaml
from common import ROOT, WORK, read_preset

from parkdet.detector.checkpoints import load_checkpoint
from parkdet.plan import Plan

SPEED = {"conf-thres": 0.01, "iou-thres": 0.7, "max-det": 50}
"""The limits of the 2022 run, under stock's names."""
OUT = WORK / "infer"


def photographs(name: str, most: int | None = None, part: str = "test") -> Path:
    """A folder of copies of the first images of a part of a set, and a list of them for each side.

    Files are named after the image ids, as stock requires. The classes are those of the weights.
    """
    folder = OUT / f"{name}-{part}-{most or 'all'}"
    if (folder / "dataset.yaml").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    listed = []
    annotations, images = source_of(name, part)
    for image in json.loads(annotations.read_text())["images"][:most]:
        source = images / image["file_name"]
        copy = folder / "images" / f"{image['id']:06d}{source.suffix}"
        shutil.copyfile(source, copy)
        listed.append({"id": image["id"], "file_name": copy.name})
    names = load_checkpoint(weights()).names
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    (folder / "images.json").write_text(json.dumps({"images": listed, "categories": categories}))
    lines = [f"{folder}/images/{image['file_name']}\n" for image in listed]
    (folder / "images.txt").write_text("".join(lines))
    parts = dict.fromkeys(("train", "val", "test"), f"{folder}/images.txt")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({**parts, "names": names}))
    return folder


def source_of(name: str, part: str) -> tuple[Path, Path]:
    """The COCO file that lists a part of a set, and the folder of its images."""
    plan = Plan(read_preset(ROOT / f"presets/{name}.yaml"))
    if part == "train":
        return Path(plan.train_json), Path(plan.train_images)
    return Path(*plan.test_json), Path(*plan.test_images)


def truth_of(name: str, part: str) -> Path:
    """The COCO file with the ground truth of a part of a set."""
    plan = Plan(read_preset(ROOT / f"presets/{name}.yaml"))
    return Path(plan.train_json if part == "train" else plan.test_truth)


def weights() -> Path:
    """The weights that both sides detect with: the preset's starting weights."""
    return Path(Plan(read_preset()).pretrained)
