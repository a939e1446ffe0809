"""How much memory an annotation file takes, per byte of its size."""

import subprocess
import sys

import pytest

MEGABYTE = 1_000_000
IMAGE = '{{"id": {0}, "file_name": "20201102_right_000079_{0:07d}.png", "width": 1920}},'
BOX = '{{"id": {0}, "image_id": {0}, "category_id": 1, "bbox": [{0}.5, 2.5, 100.25, 33.5]}},'
READ = """
import re, sys
from pathlib import Path
from parkdet.data.annotations import read_raw
from parkdet.errors import UserError
status = Path("/proc/self/status")  # not getrusage, which counts what the parent had at the fork
peak = lambda: 1024 * int(re.search("VmHWM:\\s+(\\d+)", status.read_text())[1])
path, before = Path(sys.argv[1]), peak()
try:
    read_raw(path)
except UserError as error:
    print(error, file=sys.stderr)
print((peak() - before) / path.stat().st_size)
"""
SIZES = [20 * MEGABYTE, pytest.param(500 * MEGABYTE, marks=pytest.mark.slow)]


def write(path, size, image, box):
    """A COCO file of about this many bytes, with five boxes per image."""
    group = len(image.format(1)) + 5 * len(box.format(1))
    with open(path, "w") as file:
        file.write('{"images": [')
        file.writelines(image.format(number) for number in range(1, size // group))
        file.write('{}], "annotations": [')
        file.writelines(box.format(number) for number in range(1, 5 * size // group))
        file.write("{}]}")


def memory(path, request):
    """Bytes of memory per byte of the file, and the message if it is refused."""
    scripts = request.config.rootpath / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        cwd=scripts,
        check=True,
    )
    return float(done.stdout), done.stderr


@pytest.mark.parametrize("size", SIZES)
def test_annotations_take_a_few_times_their_size(tmp_path, request, size):
    path = tmp_path / "Train.json"
    write(path, size, IMAGE, BOX)
    times, message = memory(path, request)
    print(f"{path.stat().st_size:,} bytes: {times:.2f} times that in memory")
    assert 1 < times < 6 and not message


@pytest.mark.parametrize("size", SIZES)
def test_entries_that_would_take_much_more_are_refused(tmp_path, request, size):
    path = tmp_path / "Train.json"
    write(path, size, "{{}},", "{{}},")
    times, message = memory(path, request)
    print(f"{path.stat().st_size:,} bytes: {times:.2f} times that in memory")
    assert "times its size in memory" in message
    assert times < 14 + 64 * 2**20 / size
