"""Writes the tables of cases into docs/reliability.md: `python -m hostile.page PAGE`."""

import sys
from pathlib import Path

from hostile import boxes, files, images, machine, names
from hostile.case import OUTCOMES, Case

SECTIONS = {
    "Image files": images.CASES,
    "Images of the test set": images.TEST_IMAGES,
    "Values of `file_name`": names.CASES,
    "Ids": boxes.IDS,
    "Boxes": boxes.BOXES,
    "Categories": boxes.CATEGORIES,
    "Annotation files": files.FILES,
    "Sets": files.SETS,
    "Disk and output folder": machine.CASES,
}
CASES: dict[str, Case] = {
    f"{section}: {case.what}": case for section, cases in SECTIONS.items() for case in cases
}
BEGIN, END = (
    "<!-- made by `make docs` from tests/unit/data/hostile -->",
    "<!-- end of the cases -->",
)


def render(page: str) -> str:
    """The page with new tables between their two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """A count, what the outcomes mean, and a table for each kind of input."""
    lines = [f"{sum(map(len, SECTIONS.values()))} cases. Their outcomes:", ""]
    lines += [f"- **{name}**: {meaning}." for name, meaning in OUTCOMES.items()]
    for title, cases in SECTIONS.items():
        lines += [
            "",
            f"### {title}",
            "",
            "| case | outcome | listed problem, or message |",
            "| --- | --- | --- |",
        ]
        lines += [f"| {cell(case.what)} | {case.outcome} | {cell(case.says)} |" for case in cases]
    return "\n".join([*lines, ""])


def cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
