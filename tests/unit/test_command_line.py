"""Exit codes and messages that every command shares."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

import parkdet
from parkdet.command_line import real_number, run, whole_number
from parkdet.errors import StoppedEarly, UserError


def outcome(error: Exception | None, capsys) -> tuple[int, str]:
    def main(_arguments: argparse.Namespace) -> None:
        if error:
            raise error

    code = run(argparse.ArgumentParser(prog="job"), main, [])
    return code, capsys.readouterr().err


def test_success_is_silent(capsys):
    assert outcome(None, capsys) == (0, "")


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("bad file"), 2), (StoppedEarly("bad file"), 75)]
)
def test_what_the_user_can_mend_has_its_code_and_no_traceback(error, code, capsys):
    assert outcome(error, capsys) == (code, "job: bad file\n")


def test_a_fault_of_the_program_shows_its_traceback(capsys):
    code, message = outcome(RuntimeError("oops"), capsys)
    assert code == 1
    assert "Traceback" in message and "oops" in message


def test_too_little_memory_is_no_fault_of_the_program(capsys):
    def main(_arguments: argparse.Namespace) -> None:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 GiB.")

    code = run(argparse.ArgumentParser(prog="job"), main, [], without_memory="Lower --imgsz.")
    said = "job: Memory ran out (CUDA out of memory. Tried to allocate 2 GiB). Lower --imgsz.\n"
    assert (code, capsys.readouterr().err) == (2, said)


def test_messages_reach_the_log_file_too(tmp_path, capsys):
    def main(_arguments: argparse.Namespace) -> None:
        raise UserError("bad file")

    path = tmp_path / "logs/job.log"
    run(argparse.ArgumentParser(prog="job"), main, ["--log", str(path)])
    assert "bad file" in path.read_text()


@pytest.mark.parametrize("log", ["a_file/job.log", "a_folder"])
def test_a_log_that_cannot_be_written_is_one_clear_paragraph(tmp_path, capsys, log):
    (tmp_path / "a_file").touch()
    (tmp_path / "a_folder").mkdir()
    parser = argparse.ArgumentParser(prog="job")
    assert run(parser, lambda _: pytest.fail("ran"), ["--log", str(tmp_path / log)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"job: Cannot write the log {tmp_path / log}: ")
    assert message.count("\n") == 1


WITHOUT_STREAMS = """
import argparse, logging, sys
from parkdet.command_line import run

def main(_arguments):
    with open(sys.argv[1], "w") as file:
        print("to nobody")
        logging.getLogger("parkdet").info("to nobody")
        file.write(str(file.fileno()))

sys.exit(run(argparse.ArgumentParser(), main, []))
"""


def test_it_runs_where_the_standard_streams_are_closed_and_gives_no_file_their_numbers(tmp_path):
    command = [sys.executable, "-c", WITHOUT_STREAMS, str(tmp_path / "number")]
    environment = {"PYTHONPATH": str(Path(parkdet.__file__).parents[1])}
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    assert subprocess.run(closed, env=environment).returncode == 0
    assert int((tmp_path / "number").read_text()) > 2


def test_whole_numbers_have_a_least_value(capsys):
    parser = argparse.ArgumentParser(prog="job")
    parser.add_argument("--workers", type=whole_number(0))
    assert parser.parse_args(["--workers", "0"]).workers == 0
    for text, message in (("-1", "must be at least 0, found -1"), ("1.5", "invalid number value")):
        with pytest.raises(SystemExit):
            parser.parse_args(["--workers", text])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (real_number(least=0), "-0.1", "must be at least 0, found -0.1"),
        (real_number(above=0), "0", "must be more than 0, found 0"),
        (real_number(least=0, most=1), "1.5", "must be at least 0 and at most 1, found 1.5"),
        (real_number(), "nan", "found nan"),
        (real_number(), "inf", "found inf"),
        (real_number(), "many", "invalid number value"),
    ],
)
def test_real_numbers_are_finite_and_within_their_limits(kind, text, message, capsys):
    parser = argparse.ArgumentParser(prog="job")
    parser.add_argument("--share", type=kind)
    assert parser.parse_args(["--share", "0.5"]).share == 0.5
    with pytest.raises(SystemExit):
        parser.parse_args(["--share", text])
    assert message in capsys.readouterr().err


def test_what_commands_a_terminal_is_escaped_and_text_of_any_script_is_not(tmp_path, capsys):
    def main(_arguments: argparse.Namespace) -> None:
        raise UserError("\x1b[2J 맑음.png \udcff.png")

    path = tmp_path / "job.log"
    assert run(argparse.ArgumentParser(prog="job"), main, ["--log", str(path)]) == 2
    assert capsys.readouterr().err == "job: \\x1b[2J 맑음.png \\udcff.png\n"
    assert path.read_text(encoding="utf-8").endswith("\\x1b[2J 맑음.png \\udcff.png\n")


@pytest.mark.parametrize("output", ["--out", "--log"])
@pytest.mark.parametrize("name", ["b.json", "folder/../b.json", "link.json"])
def test_an_output_that_is_an_input_is_refused_and_kept(tmp_path, capsys, output, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "link.json").symlink_to("b.json")
    parser = argparse.ArgumentParser(prog="job")
    parser.add_argument("--val-files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    files = ["--val-files", f"{tmp_path}/a.json", f"{tmp_path}/b.json"]
    code = run(parser, lambda _: pytest.fail("ran"), [*files, output, f"{tmp_path}/{name}"])
    message = capsys.readouterr().err
    assert code == 2 and f"{output} and --val-files are the same file" in message
    assert message.count("\n") == 1
    assert (tmp_path / "b.json").read_text() == "[]"
