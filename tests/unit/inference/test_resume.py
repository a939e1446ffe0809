"""Shards, interruptions and unreadable images: the output is that of one undisturbed run."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from parkdet.inference import ensemble, resume
from parkdet.submission.records import read_detections

SCRIPTS = Path(__file__).parents[3] / "scripts"
IMAGES = 7


def options(place, out, images="images"):
    return [
        *("--weights", place / "1.pt", "--images", place / "test.json"),
        *("--image-dir", place / images, "--out", out, "--imgsz", "64", "--conf", "0"),
        *("--max-det", "30", "--batch-size", "2", "--threads", "1", "--tta"),
    ]


@pytest.fixture(scope="module")
def whole(command, place, tmp_path_factory):
    """The bytes that one undisturbed run writes."""
    out = tmp_path_factory.mktemp("whole") / "a.json"
    assert command(*options(place, out)) == 0
    return out.read_bytes()


@pytest.fixture
def infer(command, place, tmp_path):
    """Runs the command on the images with state in `state`; returns exit code and output file."""

    def run(*more, out="a.json", images="images"):
        arguments = [*options(place, tmp_path / out, images), "--state-dir", tmp_path / "state"]
        return command(*arguments, *more), tmp_path / out

    return run


@pytest.fixture
def seen(monkeypatch):
    """Ids of the images that were handed to the detector; every batch becomes a part."""
    monkeypatch.setattr(resume, "SECONDS", 0)
    original, ids = ensemble.detect, []

    def detect(model, sources, *more):
        ids.extend(source.id for source in sources)
        yield from original(model, sources, *more)

    monkeypatch.setattr(ensemble, "detect", detect)
    return ids


@pytest.fixture
def interrupt(monkeypatch, seen):
    """Makes the next run call a function once a given number of images is done."""

    def arrange(after, action):
        original = ensemble.detect

        def detect(*arguments):
            for number, image in enumerate(original(*arguments)):
                if number == after:
                    monkeypatch.setattr(ensemble, "detect", original)
                    action()
                yield image

        monkeypatch.setattr(ensemble, "detect", detect)

    return arrange


def fail():
    raise RuntimeError("the device was lost")


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def parts(tmp_path):
    return sorted((tmp_path / "state").glob("*/part-*"))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_merged_shards_equal_the_whole_to_the_byte(infer, merge, whole, tmp_path, count):
    shards = []
    for number in range(1, count + 1):
        code, out = infer("--shard", f"{number}/{count}", out=f"{number}-of-{count}.json")
        assert code == 0
        shards.append(out)
    assert merge("--shards", *shards, "--out", tmp_path / "merged.json") == 0
    assert (tmp_path / "merged.json").read_bytes() == whole
    assert (tmp_path / "merged.json.provenance.json").is_file()


def test_the_same_shard_twice_is_refused(infer, merge, tmp_path, capsys):
    _, out = infer("--shard", "1/2")
    assert merge("--shards", out, out, "--out", tmp_path / "merged.json") == 2
    assert "detections on image 48, as does an earlier shard" in capsys.readouterr().err
    assert not (tmp_path / "merged.json").exists()


def test_with_more_shards_than_images_some_are_empty(infer):
    code, out = infer("--shard", "1/9")
    assert (code, out.read_bytes()) == (0, b"[]")


def test_a_finished_run_is_written_again_from_its_state_unless_anew_is_given(infer, seen, whole):
    assert infer()[0] == 0
    del seen[:]
    code, out = infer()
    assert (code, out.read_bytes(), seen) == (0, whole, [])
    code, out = infer("--anew")
    assert (code, out.read_bytes(), len(seen)) == (0, whole, IMAGES)


def test_anew_does_not_undo_an_unfinished_run(infer, interrupt, seen, whole):
    infer()
    interrupt(4, fail)
    assert infer("--anew")[0] == 1
    del seen[:]
    code, out = infer("--anew")
    assert (code, out.read_bytes(), seen) == (0, whole, [46, 45, 44])


def test_only_the_latest_finished_run_is_kept(infer, tmp_path):
    for iou in ("0.3", "0.4"):
        assert infer("--iou", iou)[0] == 0
    assert len(list((tmp_path / "state").iterdir())) == 1


def test_a_failed_run_resumes_where_it_was(infer, interrupt, seen, whole, tmp_path, capsys):
    interrupt(4, fail)
    code, out = infer()
    assert code == 1
    assert not out.exists()
    assert len(parts(tmp_path)) == 2
    del seen[:]
    assert infer()[0] == 0
    assert seen == [46, 45, 44]
    assert "4 of 7 images have been processed already" in capsys.readouterr().err
    assert out.read_bytes() == whole


def test_a_signal_stops_after_the_batch_and_the_next_run_resumes(
    infer, interrupt, seen, whole, tmp_path, capsys
):
    interrupt(2, terminate)
    code, out = infer()
    assert code == 75
    assert "SIGTERM: 3 of 7 images are left" in capsys.readouterr().err
    assert not out.exists()
    del seen[:]
    assert infer()[0] == 0
    assert seen == [46, 45, 44]
    assert out.read_bytes() == whole


def test_another_number_of_shards_uses_what_is_there(
    infer, interrupt, seen, merge, whole, tmp_path
):
    interrupt(4, fail)
    infer()
    del seen[:]
    shards = [infer("--shard", f"{number}/2", out=f"{number}.json")[1] for number in (1, 2)]
    assert seen == [46, 45, 44]
    assert merge("--shards", *shards, "--out", tmp_path / "merged.json") == 0
    assert (tmp_path / "merged.json").read_bytes() == whole


def test_damaged_parts_are_made_again(infer, interrupt, seen, whole, tmp_path, capsys):
    interrupt(4, fail)
    infer()
    first, _ = parts(tmp_path)
    first.write_bytes(first.read_bytes()[:-1])
    del seen[:]
    _, out = infer()
    assert seen == [50, 49, 46, 45, 44]
    assert f"{first} is damaged" in capsys.readouterr().err
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "change", [("--iou", "0.3"), ("--fuse", "wbf"), ("--weights", "2.pt"), "image"]
)
def test_a_change_that_matters_starts_anew(infer, interrupt, seen, place, tmp_path, change):
    shutil.copytree(place / "images", tmp_path / "images")
    interrupt(4, fail)
    infer(images=tmp_path / "images")
    del seen[:]
    if change == "image":
        os.utime(tmp_path / "images/경기도_6.png", ns=(0, 0))
        change = ()
    elif change[0] == "--weights":
        change = (change[0], place / change[1])
    assert infer(*change, images=tmp_path / "images")[0] == 0
    assert len(seen) == IMAGES


KILLED = """
import os, signal, sys
import infer
from parkdet.command_line import run
from parkdet.inference import resume

resume.SECONDS = 0
replace, left = os.replace, [2]

def kill_at_second_part(*paths):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)

os.replace = kill_at_second_part
run(infer.build_parser(), infer.main, sys.argv[1:])
"""


def test_a_killed_run_resumes(infer, seen, place, whole, tmp_path):
    arguments = [*options(place, tmp_path / "a.json"), "--state-dir", tmp_path / "state"]
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    assert subprocess.run(command, cwd=SCRIPTS).returncode == -signal.SIGKILL
    assert len(parts(tmp_path)) == 1
    code, out = infer()
    assert (code, out.read_bytes()) == (0, whole)
    assert seen == [48, 47, 46, 45, 44]
    assert not list((tmp_path / "state").glob("*/.part-*"))


@pytest.fixture
def damaged(place, tmp_path):
    """The images, of which one is no image and the pixels of another are cut short."""
    folder = tmp_path / "damaged"
    shutil.copytree(place / "images", folder)
    (folder / "경기도_2.png").write_bytes(b"no image")
    path = folder / "경기도_5.png"
    path.write_bytes(path.read_bytes()[:100])
    return folder


def test_unreadable_images_are_skipped_with_a_warning_and_no_other_is_lost(
    infer, place, damaged, whole, tmp_path, capsys
):
    (tmp_path / "whole.json").write_bytes(whole)
    code, out = infer("--on-bad", "skip", images=damaged)
    assert code == 0
    told = capsys.readouterr().err
    for name in ("경기도_2.png", "경기도_5.png"):
        assert f"{damaged / name} is missing or damaged: it gets no detections" in told
    expected = [r for r in read_detections(tmp_path / "whole.json") if r.image_id not in (48, 45)]
    assert read_detections(out) == expected


def test_an_unreadable_image_is_an_error_that_keeps_what_is_finished(
    infer, place, damaged, seen, tmp_path, capsys
):
    shutil.copy(place / "images/경기도_2.png", damaged)
    code, out = infer(images=damaged)
    assert code == 2
    assert not out.exists()
    told = capsys.readouterr().err
    assert "경기도_5.png" in told and "--on-bad skip (infer.on_bad)" in told
    first, stop = map(int, re.findall(r"\d+", parts(tmp_path)[0].stem))
    finished = {50 - place for place in range(first, stop)}
    assert len(finished) >= 2
    del seen[:]
    assert infer("--on-bad", "skip", images=damaged)[0] == 0
    assert 45 in seen and not finished.intersection(seen)
