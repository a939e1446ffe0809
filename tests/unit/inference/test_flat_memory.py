"""Peak memory of the whole command on few images and on many, with 300 boxes in each image."""

import json
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
BOXES = 300
TOLERANCE = 1.05

# A detector that finds BOXES boxes in every image, side by side, so that suppression keeps all.
COMMAND = """
import sys
import torch
import infer
from parkdet.command_line import run
from parkdet.detector.fast import FastDetector
from parkdet.inference import job
from parkdet.inference.ensemble import Detector
from parkdet.memory_use import peak_memory

class Stub(FastDetector):
    stride = torch.tensor([32.0])

    def __init__(self):
        pass

    def __call__(self, images, confidence):
        place = torch.arange(BOXES)
        ones = torch.ones(BOXES)
        rows = torch.stack((place % 20 + 16, place // 20 + 16, ones, ones, ones, 0.5 * ones), 1)
        return [rows.clone() for _ in images]

job.load_detector = lambda *_: Detector(Stub(), {0: 1}, {1: "car"})
with peak_memory(torch.device("cpu")) as peak:
    assert run(infer.build_parser(), infer.main, sys.argv[1:]) == 0
print(peak.bytes)
""".replace("BOXES", str(BOXES))


def peak(folder, images):
    """Bytes of memory that the command takes at most."""
    PIL.Image.new("RGB", (32, 32)).save(folder / "a.png")
    listed = [{"id": number, "file_name": "a.png"} for number in range(images)]
    (folder / "test.json").write_text(json.dumps({"images": listed}))
    (folder / "stub.pt").touch()
    out = folder / "out.json"
    options = ["--weights", folder / "stub.pt", "--images", folder / "test.json", "--out", out]
    options += ["--state-dir", folder / "state", "--imgsz", "32", "--max-det", BOXES]
    options += ["--device", "cpu", "--threads", "1"]
    command = [sys.executable, "-c", COMMAND, *map(str, options)]
    done = subprocess.run(command, cwd=SCRIPTS, check=True, capture_output=True, text=True)
    assert f"{BOXES * images} detections on {images} images" in done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("few", "many"),
    [(128, 1280), pytest.param(2000, 20_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_memory_does_not_grow_with_the_images(tmp_path, few, many):
    peaks = [peak(tmp_path, images) for images in (few, many)]
    print(f"{few} images: {peaks[0] / 1e6:.0f} MB, {many} images: {peaks[1] / 1e6:.0f} MB")
    assert peaks[1] <= TOLERANCE * peaks[0]
