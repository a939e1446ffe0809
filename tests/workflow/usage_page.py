"""Reads the tables in docs/usage.md that say what runs."""

import re

from project import SOURCE, rule_names

PAGE = (SOURCE / "docs/usage.md").read_text(encoding="utf-8")
EVERYTHING = frozenset(
    {"prepare_dataset", "pretrained", "train_baseline", "finetune", "infer_val", "evaluate"}
    | {"infer", "conf_cut", "validate_submission", "summary", "report"}
)


def table(first_header: str) -> list[list[str]]:
    """The rows of the table whose first column has this header."""
    _, _, rest = PAGE.partition(f"\n| {first_header} |")
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    assert rows, f"no table of {first_header} in docs/usage.md"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def rules(cell: str) -> set[str]:
    """``everything but `a`, `b``` -> the names of the other rules; unknown names are an error."""
    named = set(re.findall(r"`(\w+)`", cell))
    assert named <= rule_names(), f"no such rule: {named - rule_names()}"
    if cell.startswith("everything"):
        return set(EVERYTHING - named)
    assert named or cell.startswith("nothing"), cell
    return named


def command_after(words: str) -> str:
    """The first command in its own block after these words."""
    return re.search(r"\n```sh\n(.+)\n```\n", PAGE[PAGE.index(words) :])[1]
