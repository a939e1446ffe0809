"""A project that has everything the pages name: small data, weights, a finished run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from detectors import save_sharp_detector
from made_run import MadeRun, make_run
from page_commands import blocks
from project import SOURCE, copy_project
from skeletons import skeleton

BESIDE = ("Makefile", "benchmarks", "docs", "schemas", "slurm", "tests/unit/data")
VOC = """<annotation><object><name>car</name><bndbox>
<xmin>5</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>"""


def make_world(folder: Path) -> Path:
    """Writes the project without running Snakemake or training anything."""
    copy_project(folder)
    for name in BESIDE:
        source, target = SOURCE / name, folder / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target, follow_symlinks=False)
    (folder / ".venv").symlink_to(sys.prefix)
    _draw_photographs(folder)
    _label_pictures(folder)
    skeleton(folder / "data/challenge")
    for preset in (folder / "presets").glob("*.yaml"):
        skeleton(folder / "shared/data" / preset.stem)
    (folder / "shared/weights").mkdir()
    (folder / "shared/weights/yolov5n.pt").write_bytes(b"")
    for block in blocks(SOURCE / "README.md"):
        if block.file:
            (folder / block.file).write_text(block.text)
    make_run(MadeRun(folder / "made"))
    shutil.move(folder / "made/results/made", folder / "results/demo")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Variables for the commands: the environment is active, presets find their data."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "PARKDET_DATA": str(folder / "shared"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def _draw_photographs(folder: Path) -> None:
    """photos/ in the challenge's layout, a folder of images, and the weights of a run."""
    command = [sys.executable, "scripts/demo_data.py", "--out", "photos", "--size", "160x96"]
    command += ["--train-images", "8", "--test-images", "3"]
    subprocess.run(command, check=True, cwd=folder)
    shutil.copytree(folder / "photos/test/images", folder / "folder")
    train = json.loads((folder / "photos/train/label/Train.json").read_text(encoding="utf-8"))
    val = {"images": train["images"][:2]}
    (folder / "photos/val.json").write_text(json.dumps(val), encoding="utf-8")
    names, ids = zip(*((item["name"], item["id"]) for item in train["categories"]), strict=True)
    weights = folder / "results/mine/weights"
    weights.mkdir(parents=True)
    save_sharp_detector(weights / "tune_best.pt", [*names], [*ids], seed=1)


def _label_pictures(folder: Path) -> None:
    """Images with labels in YOLO and Pascal VOC format."""
    for place in ("pictures", "more_pictures", "labels", "Annotations"):
        (folder / place).mkdir()
    for place in ("pictures", "more_pictures"):
        cv2.imwrite(str(folder / place / "a.png"), np.zeros((32, 32, 3), np.uint8))
    (folder / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / "Annotations/a.xml").write_text(VOC)
    (folder / "data.yaml").write_text("names: [car]\n")
