import importlib.util
from pathlib import Path

import pytest

from crafted import little_memory
from parkdet.command_line import run

SCRIPT = Path(__file__).parents[3] / "scripts" / "pretrained.py"


@pytest.fixture(scope="session")
def command():
    """pretrained.py, called with its options; gives the exit code."""
    spec = importlib.util.spec_from_file_location("pretrained_command", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *options: run(module.build_parser(), module.main, [str(o) for o in options])


@pytest.fixture
def refusal(command, tmp_path, monkeypatch, capsys):
    """Gives a file to pretrained.py and returns its message, having checked that nothing ran."""
    monkeypatch.chdir(tmp_path)

    def refuse(path):
        before = set(tmp_path.iterdir())
        with little_memory():
            assert command("--source", path, "--out", tmp_path / "out.pt") == 2
        message = capsys.readouterr().err
        assert message.startswith("pretrained.py: ")
        assert message.count("\n") == 1, message
        assert "MemoryError" not in message
        assert set(tmp_path.iterdir()) == before, "the file did something"
        return message

    return refuse
