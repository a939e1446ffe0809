"""Every command on the pages is run, or only parsed where its mark says what it needs.

Snakemake commands that need more than the test has become dry runs.
"""

import re
import runpy
import shlex
import shutil
import subprocess
import tomllib

import pytest
import yaml
from snakemake.cli import get_argument_parser

from forked_snakemake import call
from page_commands import NEEDS, PAGES, Block, blocks, inline_commands
from page_world import environment, make_world
from parkdet.config import validate
from project import SOURCE, rule_names

LANGUAGES = {"sh", "text", "yaml"}
COMMAND = re.compile(r"^(snakemake|make|python|git|pip|cd) ", re.MULTILINE)
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("pages") / "parkdet")


@by_name
def test_blocks_say_what_they_are_and_what_they_need(page):
    found = blocks(page)
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(found)
    marked = [block for block in found if block.needs or block.file]
    assert len(re.findall(r"^<!-- (?:needs|file):", text, re.MULTILINE)) == len(marked)
    for block in found:
        assert block.language in LANGUAGES, block.place
        assert block.needs <= NEEDS.keys(), block.place
        assert block.language == "sh" or not COMMAND.search(block.text), block.place


def test_every_mark_is_explained_to_contributors():
    page = (SOURCE / "docs/contributing.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `<!-- needs: (\w+) -->`", page, re.MULTILINE) == [*NEEDS]


@by_name
def test_settings_in_blocks_are_valid(page):
    for block in blocks(page):
        if block.language == "yaml":
            settings = yaml.safe_load(block.text)
            validate({"run": "a", **settings, "data": {"root": "a", **settings.get("data", {})}})


@by_name
def test_commands_in_blocks_run_or_parse(page, world, tmp_path, only_parsed):
    found = blocks(page)
    if not any(block.language == "sh" for block in found):
        return
    folder = tmp_path / "parkdet"
    shutil.copytree(world, folder, symlinks=True)
    for block in found:
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.language == "sh":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
            for command in block.commands:
                if block.needs:
                    needs = ", ".join(sorted(block.needs))
                    only_parsed(f"{block.place} ({needs}): {_without_comment(command)}")
                    _check(command, block, folder)
                else:
                    _run(command, folder)


@by_name
def test_commands_in_the_text_parse(page, only_parsed):
    commands = inline_commands(page)
    if commands:
        named = "; ".join(dict.fromkeys(commands))
        only_parsed(f"{page.relative_to(SOURCE)}, in the text: {named}")
    for command in commands:
        _parse(_words(command))


def _without_comment(command: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r" # .*", "", command)).strip()


def _words(command: str) -> list[str]:
    """The words of a command, without comments and leading variable assignments."""
    words = shlex.split(command, comments=True)
    while re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    return words


def _run(command: str, folder) -> None:
    words = _words(command)
    if words[0] == "snakemake":
        result = call(folder, words[1:], environment(folder))
    else:
        command = re.sub(r"^make ", "make -o .venv/installed ", command)
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def _check(command: str, block: Block, folder) -> None:
    """Checks what can be checked of a command without what it needs."""
    words = _words(command)
    if "ci" in block.needs:
        _check_that_it_is_run_anyway(words)
    elif words[0] == "snakemake" and not {"--report", "--sdm"} & {*words}:
        result = call(folder, ["-n", *words[1:]], environment(folder))
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    else:
        _parse(words)


def _check_that_it_is_run_anyway(words: list[str]) -> None:
    if words[0] == "make":
        assert " ".join(words) in (SOURCE / ".ci/run").read_text().splitlines()
    else:
        assert words[:3] == ["python", "-m", "pytest"]
        suites = tomllib.loads((SOURCE / "pyproject.toml").read_text())["tool"]["pytest"]
        for path in words[3:]:
            assert (SOURCE / path).exists()
            assert path.startswith(tuple(suites["ini_options"]["testpaths"]))


def _parse(words: list[str]) -> None:
    """Checks a command's options against its program."""
    match words:
        case [_, *options] if "--help" in options:
            assert words[0] == "snakemake" or (SOURCE / words[1]).is_file()
        case ["snakemake", *options]:
            targets = get_argument_parser().parse_args(options).targets
            assert {target for target in targets if "/" not in target} <= rule_names()
        case ["make", *targets]:
            makefile = (SOURCE / "Makefile").read_text()
            assert all(f"\n{target}:" in makefile for target in targets if "=" not in target)
        case ["python", script, *options] if script.startswith("benchmarks/"):
            text = (SOURCE / script).read_text()
            assert all(f'"{name}"' in text for name in options if name.startswith("--"))
        case ["python", script, *options]:
            runpy.run_path(str(SOURCE / script))["build_parser"]().parse_args(options)
