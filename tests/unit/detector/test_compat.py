"""Importing yolov5 must leave the process, the home folder and the network alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib

SCRIPTS = Path(__file__).parents[3] / "scripts"

PROBE = """
import json, os, socket, sys
import cv2, matplotlib, numpy, torch

opened = []

def refuse(self, address):
    opened.append(str(address))
    raise OSError("no network in this test")

def state():
    return {
        "environment": dict(os.environ),
        "sys.path": list(sys.path),
        "cv2": (cv2.imread, cv2.imwrite, cv2.imshow, cv2.getNumThreads()),
        "numpy": numpy.get_printoptions(),
        "matplotlib": dict(matplotlib.rcParams, backend=None),
        "torch": torch.get_num_threads(),
    }

socket.socket.connect = refuse
before = state()
import parkdet.detector
after = state()
print(json.dumps({
    "changed": [name for name in before if before[name] != after[name]],
    "opened": opened,
    "imported": "yolov5.models.yolo" in sys.modules,
    "shadowed": [name for name in ("models", "utils") if name in sys.modules],
}))
"""


def test_import_of_yolov5_leaves_no_side_effect(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(SCRIPTS)}
    environment["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # its font cache is slow to build
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found == {"changed": [], "opened": [], "imported": True, "shadowed": []}
    assert done.stderr == ""
    assert list(home.rglob("*")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
