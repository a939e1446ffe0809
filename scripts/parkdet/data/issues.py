"""The list of everything that is left out or repaired: nothing is dropped silently."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from parkdet.errors import UserError
from parkdet.files import atomic_write

COLUMNS = ("file", "image_id", "annotation_id", "problem", "action")


class Issue(NamedTuple):
    """A row of issues.csv: ``problem`` is one of a few fixed phrases; ``action`` has details."""

    file: str
    image_id: str
    annotation_id: str
    problem: str
    action: str


class Issues:
    """Collects issues in the order in which they are found.

    Args:
        strict: raise an error instead of leaving out what cannot be used.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.rows: list[Issue] = []

    def add(
        self, problem: str, action: str, file: Any, image_id: Any = "", annotation_id: Any = ""
    ) -> None:
        """Lists something that was repaired, or left out on request."""
        places = (printable(value) for value in (file, image_id, annotation_id))
        self.rows.append(Issue(*places, problem, printable(action)))

    def left_out(
        self,
        problem: str,
        file: Any,
        image_id: Any = "",
        annotation_id: Any = "",
        action: str = "left out",
    ) -> None:
        """Lists something that cannot be used.

        Raises:
            UserError: in strict mode; names the file, the ids and the problem.
        """
        self.add(problem, action, file, image_id, annotation_id)
        if self.strict:
            row = self.rows[-1]
            box = f", annotation {row.annotation_id}" if row.annotation_id else ""
            raise UserError(
                f"{row.file or 'No file'} (image {row.image_id}{box}): {problem}. Correct it, or "
                "have such images and boxes left out and listed: --on-bad drop (data.on_bad)."
            )

    def counts(self) -> dict[str, int]:
        """How often each problem occurred, in alphabetical order."""
        return dict(sorted(Counter(row.problem for row in self.rows).items()))

    def write(self, path: Path) -> None:
        """Writes issues.csv (UTF-8, a header line, one issue per line)."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self.rows)
        with atomic_write(path, "w") as file:
            file.write(text.getvalue())


def printable(value: Any) -> str:
    """``value`` as one line of at most 300 characters; control characters are escaped."""
    text = "" if value is None else str(value)
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else ascii(character)[1:-1] for character in text
        )
    return text if len(text) <= 300 else f"{text[:297]}..."
