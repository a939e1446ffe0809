import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

from parkdet.command_line import run
from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import load_checkpoint
from parkdet.files import read_json

SCRIPT = Path(__file__).parents[3] / "scripts" / "pretrained.py"


@pytest.fixture(scope="module")
def command():
    spec = importlib.util.spec_from_file_location("pretrained_command", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *options: run(module.build_parser(), module.main, [str(o) for o in options])


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
        (("--source", "yolov5x6"), "put it at weights/yolov5x6.pt"),
        (("--source", "nothing.pt"), "no weights at nothing.pt"),
        (("--source", "none", "--arch", "yolov9"), "choose one of: "),
    ],
)
def test_what_cannot_be_had_is_said(command, options, message, tmp_path, capsys, monkeypatch):
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
