"""The pages: links lead somewhere, the Korean README keeps step, commands and targets exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("envs/*.md")])
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    files = [target for target in targets if "://" not in target]
    missing = [target for target in files if not (page.parent / target).exists()]
    assert not missing


def test_the_korean_readme_has_the_same_blocks_pictures_and_parts():
    english = (PROJECT / "README.md").read_text(encoding="utf-8")
    korean = (PROJECT / "README.ko.md").read_text(encoding="utf-8")
    assert BLOCK.findall(korean) == BLOCK.findall(english)
    for pattern in (r"^#+ ", r"!\[.*?\]\((.*?)\)", r"^\|"):
        parts = [re.findall(pattern, text, re.MULTILINE) for text in (korean, english)]
        assert parts[0] == parts[1], pattern


def test_make_targets_that_pages_name_exist():
    makefile = (PROJECT / "Makefile").read_text()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE):
            assert f"\n{target}:" in makefile, f"{page.name}: make {target}"


def test_every_script_is_a_rule_or_named_in_the_makefile():
    rules = "".join(path.read_text() for path in PROJECT.glob("rules/*.smk"))
    makefile = (PROJECT / "Makefile").read_text()
    for script in PROJECT.glob("scripts/*.py"):
        assert script.name in rules or script.name in makefile, script.name
