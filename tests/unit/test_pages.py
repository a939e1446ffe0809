"""The pages: links lead somewhere, the Korean README keeps step, targets and figures exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("envs/*.md")])
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r" *#.*$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TABLE_ROW = re.compile(r"^(\|.*\|).*\]\((docs/(?:benchmarks|results)\.md)#.*\|$", re.MULTILINE)
README, KOREAN = PROJECT / "README.md", PROJECT / "README.ko.md"


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names under which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", read(page)), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_headings(page):
    for target in LINK.findall(BLOCK.sub("", read(page))):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize(
    "pattern",
    [r"^#+ ", r"!\[.*?\]\((.*?)\)", r"^\|", r"^- \*\*", r"^<!--.*", r"`(snakemake [^`]*)`"],
    ids=["headings", "pictures", "table rows", "items", "marks", "commands in the text"],
)
def test_the_korean_readme_has_the_same_parts_in_the_same_order(pattern):
    of_page = [re.findall(pattern, read(page), re.MULTILINE) for page in (KOREAN, README)]
    assert of_page[0] == of_page[1] != []


def test_the_korean_readme_has_the_same_blocks_but_for_comments():
    korean, english = (COMMENT.sub("", "".join(BLOCK.findall(read(p)))) for p in (KOREAN, README))
    assert korean == english


def test_both_readmes_link_to_every_page():
    for readme, other in ((README, KOREAN), (KOREAN, README)):
        linked = {(PROJECT / target.partition("#")[0]) for target in LINK.findall(read(readme))}
        assert {*PROJECT.glob("docs/*.md"), other} <= linked, readme.name


@pytest.mark.parametrize("readme", [README, KOREAN], ids=lambda page: page.name)
def test_figures_of_the_readme_stand_in_the_pages_that_it_links_to(readme):
    rows = [
        (re.findall(r"\d+\.\d+", text), read(PROJECT / page))
        for text, page in TABLE_ROW.findall(read(readme))
    ]
    assert sum(bool(figures) for figures, _ in rows) == 5
    for figures, page in rows:
        absent = [n for n in figures if not re.search(rf"(?<![\d.]){re.escape(n)}(?!\d)", page)]
        assert not absent


def test_make_targets_that_pages_name_exist():
    makefile = (PROJECT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", read(page), re.MULTILINE):
            assert f"\n{target}:" in makefile, f"{page.name}: make {target}"


def test_every_script_is_a_rule_or_named_in_the_makefile():
    rules = "".join(path.read_text() for path in PROJECT.glob("rules/*.smk"))
    makefile = (PROJECT / "Makefile").read_text()
    for script in PROJECT.glob("scripts/*.py"):
        assert script.name in rules or script.name in makefile, script.name
