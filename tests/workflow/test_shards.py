"""Test images split between two jobs by Snakemake: synthetic scenes, an untrained detector."""

import json
import re
import subprocess
import sys

import pytest
import torch

import infer as infer_command
from detectors import save_sharp_detector
from parkdet.command_line import run
from project import SOURCE, Project, copy_project

SHARDS = 2


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A copy of the project with a small set, weights and a config that shards the inference."""
    project = copy_project(tmp_path_factory.mktemp("shards") / "parkdet")
    root = project.folder / "photos"
    command = [sys.executable, "scripts/demo_data.py", "--out", str(root), "--seed", "5"]
    command += ["--train-images", "8", "--test-images", "7", "--size", "160x96"]
    subprocess.run(command, check=True, cwd=SOURCE)
    categories = json.loads((root / "train/label/Train.json").read_text())["categories"]
    names, ids = zip(*((entry["name"], entry["id"]) for entry in categories), strict=True)
    save_sharp_detector(project.folder / "sharp.pt", [*names], [*ids], seed=1)
    infer = {"imgsz": 64, "batch_size": 2, "device": "cpu", "confidence": 0.0}
    settings = {
        "run": "shared",
        "data": {"root": "photos", "val_images": 2, "split": "random"},
        "infer": {**infer, "shards": SHARDS, "weights": ["sharp.pt"]},
    }
    project.write_config("shared.yaml", settings)
    return project


def infer(project: Project) -> int:
    """Makes the detections; returns the number of shards that had to run."""
    result = project.snakemake("--configfile", "shared.yaml", "--", "infer")
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = re.search(r"^infer_shard +(\d+)$", result.stdout + result.stderr, re.MULTILINE)
    return int(jobs[1])


def detect_at_once(project: Project) -> bytes:
    """What a single job writes when called as the rule calls it."""
    out = project.folder / "whole.json"
    command = ["--weights", project.folder / "sharp.pt", "--out", out]
    command += ["--images", project.folder / "results/shared/dataset/test.json"]
    command += ["--image-dir", project.folder / "photos/test/images", "--imgsz", "64", "--tta"]
    command += ["--batch-size", "2", "--conf", "0", "--device", "cpu", "--threads", "2"]
    threads = torch.get_num_threads()
    assert run(infer_command.build_parser(), infer_command.main, [*map(str, command)]) == 0
    torch.set_num_threads(threads)
    return out.read_bytes()


def test_two_jobs_write_the_same_file_as_one_and_only_a_lost_shard_is_redone(project):
    predictions = project.folder / "results/shared/predictions"
    merged = predictions / "best_preds.json"
    assert infer(project) == SHARDS
    assert merged.read_bytes() == detect_at_once(project)
    outputs = {f"{number}-of-{SHARDS}.json" for number in range(1, SHARDS + 1)}
    shards = {path.name for path in (predictions / "shards").glob("*.json")}
    assert shards == outputs | {f"{name}.provenance.json" for name in outputs}

    before = merged.read_bytes()
    merged.unlink()
    (predictions / "shards/2-of-2.json").unlink()
    assert infer(project) == 1
    assert merged.read_bytes() == before
