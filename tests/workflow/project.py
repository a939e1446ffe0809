"""A copy of the project in its own folder, so that a test may change its files and run it."""

import os
import re
import runpy
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from forked_snakemake import call

SOURCE = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "assets", "rules", "scripts", "presets", "profiles", "envs")


@dataclass
class Project:
    """A copy of the workflow, with methods that call Snakemake in it."""

    folder: Path

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs Snakemake with ``--cores 2``; the result has both streams as text."""
        return call(self.folder, ["--cores", "2", *arguments], {**os.environ, **environment})

    def dry_run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same as a dry run."""
        return self.snakemake("-n", *arguments, **environment)

    def planned(self, *arguments: str, **environment: str) -> set[str]:
        """The rules that a dry run would start."""
        result = self.dry_run(*arguments, **environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return planned_rules(result.stdout + result.stderr)

    def write_config(self, name: str, settings: dict) -> str:
        """Writes a config file and returns its name."""
        (self.folder / name).write_text(yaml.safe_dump(settings, allow_unicode=True))
        return name

    def edit(self, file: str, old: str, new: str) -> None:
        """Replaces text in a file of the copy, once; fails if the text is missing."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))


def planned_rules(output: str) -> set[str]:
    """Rule names in a dry run's job table; empty when there is nothing to do."""
    table = re.search(r"^job\s+count\n[- ]+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output, output
        return set()
    return {line.split()[0] for line in table[1].splitlines() if line.strip()} - {"all"}


def rule_names() -> set[str]:
    """The rules that exist for some config, except `all`."""
    texts = [path.read_text() for path in (SOURCE / "rules").glob("*.smk")]
    pattern = r"^ *(?:use )?rule (?:\w+ as )?(\w+)"
    return set(re.findall(pattern, "".join(texts), re.MULTILINE))


@cache
def _compile() -> None:
    """Compiles what the detector would compile on first use; importing it would take seconds."""
    script = SOURCE / "scripts/parkdet/detector/compiled.py"
    runpy.run_path(str(script))["load_compiled"]("norm_silu")


def copy_project(folder: Path) -> Project:
    """A copy without results or data, but with compiled code, so that no copy must compile it."""
    _compile()
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = SOURCE / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy(source, folder / part)
    return Project(folder)
