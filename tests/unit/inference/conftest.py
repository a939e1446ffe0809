"""A small set of images, real detectors for it, and the commands run in this process."""

import importlib.util
import json
from pathlib import Path

import numpy
import PIL.Image
import pytest

from detectors import save_sharp_detector
from parkdet.command_line import run

SCRIPTS = Path(__file__).parents[3] / "scripts"


def _command(name):
    spec = importlib.util.spec_from_file_location(f"{name}_command", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *options: run(module.build_parser(), module.main, [str(o) for o in options])


@pytest.fixture(scope="session")
def command():
    """infer.py: options to exit code."""
    return _command("infer")


@pytest.fixture(scope="session")
def merge():
    """merge_shards.py: options to exit code."""
    return _command("merge_shards")


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Seven images of two sizes, their JSON file, two weights with classes in different orders."""
    place = tmp_path_factory.mktemp("infer")
    (place / "images").mkdir()
    generator = numpy.random.default_rng(0)
    images = []
    for index in range(7):
        size = (36, 64) if index % 2 else (64, 36)
        name = f"경기도_{index}.png"
        pixels = generator.integers(0, 255, (*size, 3), dtype=numpy.uint8)
        PIL.Image.fromarray(pixels).save(place / "images" / name)
        images.append({"id": 50 - index, "file_name": name})
    categories = [{"id": 4, "name": "car"}, {"id": 8, "name": "bus"}]
    content = {"images": images, "categories": categories}
    (place / "test.json").write_text(json.dumps(content), encoding="utf-8")
    for seed, names, ids in ((1, ["car", "bus"], [4, 8]), (2, ["bus", "car"], [8, 4])):
        save_sharp_detector(place / f"{seed}.pt", names, ids, seed)
    return place
