"""Files that tools beside the workflow read: citation, changelog, hooks, the workflow catalog."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from parkdet import __version__

PROJECT = Path(__file__).parents[2]
RULES = "".join(path.read_text() for path in sorted(PROJECT.glob("rules/*.smk")))
# https://github.com/citation-file-format/citation-file-format, schema 1.2.0
CFF_REQUIRED = {"cff-version", "message", "title", "authors"}
CFF_KEYS = CFF_REQUIRED | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "preferred-citation", "references", "repository"),
    *("repository-artifact", "repository-code", "type", "url", "version"),
}


def read(name: str) -> dict:
    return yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))


HOOKS = read(".pre-commit-config.yaml")["repos"][0]["hooks"]


def test_the_citation_has_what_the_format_requires_and_nothing_else():
    citation = read("CITATION.cff")
    assert CFF_REQUIRED <= citation.keys() <= CFF_KEYS
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    for work in (citation, *citation["references"]):
        assert work["title"]
        assert {"type", "title", "authors"} <= work.keys()
        for author in work["authors"]:
            assert "name" in author or {"family-names", "given-names"} <= author.keys()
        assert all(isinstance(work[key], str) for key in ("title", "version", "license"))


def test_the_citation_agrees_with_the_project():
    citation = read("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == "AGPL-3.0-or-later"
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in (PROJECT / "LICENSE").read_text()
    assert citation["license"] in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_changelog_has_the_parts_of_keep_a_changelog():
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "[Unreleased]"
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert len(kinds) == len(set(kinds))


def test_hooks_are_the_lines_of_make_lint():
    makefile = (PROJECT / "Makefile").read_text()
    lines = re.search(r"^lint: setup\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1].splitlines()
    lint = [line.strip().replace("$(BIN)", ".venv/bin") for line in lines]
    assert all(line.startswith(hook["entry"]) for line, hook in zip(lint, HOOKS, strict=True))
    assert {hook["language"] for hook in HOOKS} == {"system"}


@pytest.mark.parametrize(
    ("hook", "file"),
    [*zip(HOOKS, [*["scripts/train.py"] * 2, "Snakefile", "envs/Containerfile"], strict=False)],
    ids=lambda value: value if isinstance(value, str) else value["id"],
)
def test_hooks_pass_on_a_file_of_their_kind(hook, file):
    assert "python" in hook.get("types_or", ()) or re.search(hook["files"], file)
    command = [*hook["entry"].split(), file]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_hook_is_local():
    assert [entry["repo"] for entry in read(".pre-commit-config.yaml")["repos"]] == ["local"]


def test_the_catalog_claims_what_the_rules_have():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment"}
    flags = usage["mandatory-flags"]
    assert flags["desc"]
    assert flags["flags"] == []  # `snakemake --cores all` alone runs the demo
    deployment = usage["software-stack-deployment"]
    shells = len(re.findall(r"^ *shell:", RULES, re.MULTILINE))
    environments = len(re.findall(r"^ *conda:", RULES, re.MULTILINE))
    image = re.search(r"^container: ", (PROJECT / "Snakefile").read_text(), re.MULTILINE)
    assert deployment == {
        "conda": shells == environments > 0,
        "apptainer": image is not None,  # with everything in it
        "apptainer+conda": False,
        "report": "report(" in RULES,
    }
