import hashlib
import re
import shutil
from pathlib import Path

import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import load_checkpoint
from parkdet.files import read_json
from parkdet.releases import find_release


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "foreign.pt"
    torch.save({"model": build_model("yolov5n", 2, seed=1).half()}, path)
    return path


def test_foreign_weights_become_ours(command, foreign, tmp_path):
    out = tmp_path / "out.pt"
    digest = hashlib.sha256(foreign.read_bytes()).hexdigest()
    assert command("--source", foreign, "--sha256", digest.upper(), "--out", out) == 0
    content = torch.load(out, weights_only=True)
    assert content["format"] == "parkdet"
    assert content["names"] == ["0", "1"]
    record = read_json(tmp_path / "out.pt.provenance.json")
    assert record["inputs"] == {str(foreign): digest}


def test_a_release_is_fetched_once_and_kept(command, foreign, tmp_path, monkeypatch):
    """Without the network, which tests/unit/test_download.py covers."""
    digest = hashlib.sha256(foreign.read_bytes()).hexdigest()
    fetched = []

    def fetch(url, place, sha256):
        fetched.append((url, str(place), sha256))
        place.parent.mkdir()
        shutil.copy(foreign, place)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("parkdet.detector.starting_weights.download", fetch)
    options = ("--source", "yolov5x6-v6.1", "--sha256", digest, "--out", tmp_path / "out.pt")
    assert command(*options) == command(*options) == 0
    folder = "https://github.com/ultralytics/yolov5/releases/download/v6.1"
    assert fetched == [(f"{folder}/yolov5x6.pt", "weights/yolov5x6-v6.1.pt", digest)]
    assert read_json(tmp_path / "out.pt.provenance.json")["inputs"] == {fetched[0][1]: digest}


def test_another_file_in_place_of_a_release_is_not_taken_for_it(
    command, foreign, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    shutil.copy(foreign, "weights/yolov5n.pt")
    assert command("--source", "yolov5n", "--out", "out.pt") == 2
    assert "give them as ./weights/yolov5n.pt" in capsys.readouterr().err
    assert command("--source", "./weights/yolov5n.pt", "--out", "out.pt") == 0


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x", "n6", "s6", "m6", "l6", "x6"])
def test_every_release_of_v7_has_a_checksum(size):
    release = find_release(f"yolov5{size}-v7.0")
    assert release == find_release(f"yolov5{size}")
    assert re.fullmatch("[0-9a-f]{64}", release.sha256)
    assert release.place == Path(f"weights/yolov5{size}.pt")


@pytest.mark.parametrize("name", ["yolov5", "yolov5s-v5.0", "yolov5s.pt", "yolov5s\n"])
def test_other_names_are_not_releases(name):
    assert find_release(name) is None


def test_random_weights_follow_the_seed_alone(command, tmp_path):
    files = [tmp_path / f"{name}.pt" for name in "abc"]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        assert command("--source", "none", "--seed", seed, "--out", file) == 0
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third
    assert load_checkpoint(files[0]).has_head


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "yolov5x6-v6.1"), "give its checksum"),
        (("--source", "nothing.pt"), "no weights at nothing.pt"),
        (("--source", "none", "--arch", "yolov9"), "choose one of: "),
    ],
)
def test_unusable_weights_are_explained(command, options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(*options, "--out", tmp_path / "out.pt") == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_other_checksum_is_refused(command, foreign, tmp_path, capsys):
    out = tmp_path / "out.pt"
    assert command("--source", foreign, "--sha256", "0" * 64, "--out", out) == 2
    assert "fetch the file again" in capsys.readouterr().err
    assert not out.exists()


def test_the_head_can_be_left_out(command, foreign, tmp_path):
    whole, headless = tmp_path / "whole.pt", tmp_path / "headless.pt"
    command("--source", foreign, "--out", whole)
    assert command("--source", foreign, "--drop-head", "--out", headless) == 0
    assert load_checkpoint(whole).has_head
    checkpoint = load_checkpoint(headless)
    assert not checkpoint.has_head
    assert checkpoint.state.keys() < load_checkpoint(whole).state.keys()
