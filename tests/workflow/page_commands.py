"""The code blocks on the pages, and the commands in them.

A comment before a block says what it needs (``<!-- needs: gpu, long -->``) or the name a reader is
to save it under (``<!-- file: mine.yaml -->``).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from project import SOURCE

# The Korean README has the same blocks; tests/unit/test_pages.py checks that.
PAGES = sorted(
    {*SOURCE.glob("*.md"), *SOURCE.glob("docs/*.md"), *SOURCE.glob("envs/*.md")}
    - {SOURCE / "README.ko.md"}
)
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>needs|file): (?P<value>[^>]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`((?:snakemake|make|python) [^`]+)`")
NEEDS = {
    "network": "a network",
    "gpu": "a GPU",
    "slurm": "a Slurm cluster",
    "cluster": "another cluster",
    "container": "a container engine, or conda",
    "long": "more than 5 minutes, or a run that takes as long, or does not end by itself",
    "ci": "nothing, but is what the tests or CI run anyway",
}


@dataclass(frozen=True)
class Block:
    """A fenced block on a page."""

    page: Path
    line: int
    language: str
    text: str
    needs: frozenset[str]
    file: str | None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page.relative_to(SOURCE)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Its commands, one per line or joined by `&&`."""
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = [line for line in lines if line.strip() and not line.startswith("#")]
        return [part.strip() for line in commands for part in line.split(" && ")]


def blocks(page: Path) -> list[Block]:
    """All blocks on a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        needs = match["value"].split(", ") if match["mark"] == "needs" else []
        found.append(
            Block(
                page,
                text.count("\n", 0, match.start("language")) + 1,
                match["language"],
                match["text"],
                frozenset(needs),
                match["value"] if match["mark"] == "file" else None,
            )
        )
    return found


def inline_commands(page: Path) -> list[str]:
    """Commands in the text and tables of a page."""
    return INLINE.findall(BLOCK.sub("", page.read_text(encoding="utf-8")).replace("\n", " "))
