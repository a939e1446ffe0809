"""docs/outputs.md as data, and the files that rules declare, taken from a dry run."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from project import SOURCE, Project

PAGE = SOURCE / "docs/outputs.md"
SIDECAR = ".provenance.json"
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.+\n)+)", re.MULTILINE)
MESSAGE = re.compile(r"^ +message:\n(?: +\".*\n)+", re.MULTILINE)


class Row(NamedTuple):
    """A file pattern on the page and the rules that its columns name."""

    pattern: str
    writers: frozenset[str]
    readers: frozenset[str]


class Job(NamedTuple):
    """A job of a dry run; R stands for the results folder."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    logs: frozenset[str]
    benchmarks: frozenset[str]


def declared_rows() -> list[Row]:
    """What the page says about declared outputs."""
    return _rows(PAGE.read_text(encoding="utf-8").partition("## Other files")[0])


def other_rows() -> list[Row]:
    """What the page says about files that Snakemake does not know of."""
    return _rows(PAGE.read_text(encoding="utf-8").partition("## Other files")[2])


def matching(path: str, found: list[Row]) -> list[Row]:
    """The rows whose pattern a file matches."""
    return [row for row in found if _lies_at(path, row.pattern)]


def not_on_the_page(results: Path) -> list[str]:
    """The files of a run that no row covers."""
    page = declared_rows() + other_rows()
    files = (path for path in results.rglob("*") if not path.is_dir())
    names = (f"R/{path.relative_to(results)}".removesuffix(SIDECAR) for path in files)
    return [name for name in names if not matching(name, page)]


def planned_jobs(project: Project, *configs: str) -> Iterator[Job]:
    """The jobs of a dry run except `all`. Removes the rules' messages, which hide the rest."""
    for path in (project.folder / "rules").glob("*.smk"):
        path.write_text(MESSAGE.sub("", path.read_text()))
    result = project.dry_run("--configfile", *configs)
    assert result.returncode == 0, result.stderr
    for rule, lines in JOB.findall(result.stdout):
        if rule != "all":
            fields = dict(line.strip().split(": ", 1) for line in lines.splitlines())
            texts = (fields.get(name, "") for name in ("input", "output", "log", "benchmark"))
            files = (text.replace("results/demo/", "R/").split(", ") for text in texts)
            yield Job(rule, *(frozenset(filter(None, names)) for names in files))


def _lies_at(path: str, pattern: str) -> bool:
    """Whether a file matches a pattern or lies in a folder that does."""
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")


def _rows(text: str) -> list[Row]:
    """A row for each name that the first cell of a line stands for."""
    found = []
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [*line.strip("| ").split(" | "), ""]
            rules = [frozenset(re.findall(r"`(\w+)`", cell)) for cell in cells[2:4]]
            patterns = re.findall(r"`([^`]+)`", cells[0])
            found += [Row(name, *rules) for pattern in patterns for name in _expand(pattern)]
    return found


def _expand(pattern: str) -> list[str]:
    """``a{b,c}`` -> ``ab``, ``ac``."""
    braces = re.search(r"\{([^}]*)\}", pattern)
    if not braces:
        return [pattern]
    start, end = pattern[: braces.start()], pattern[braces.end() :]
    return [name for part in braces[1].split(",") for name in _expand(f"{start}{part}{end}")]
