"""What a case is, and how cases put hostile things into a sound data set."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

OUTCOMES = {
    "left out": "left out and listed in `issues.csv`; refused with `--on-bad fail`",
    "kept": "kept in `test.json` with its id, marked unreadable and listed; refused with "
    "`--on-bad fail`",
    "repaired": "corrected, or used with a remark, and listed in `issues.csv`",
    "used": "used as it is",
    "warned": "used as it is, and the log says so",
    "refused": "nothing is written; exit code 2 and one message",
}


def nothing(_: Any) -> None:
    """For cases whose data set is sound."""


def undisturbed(*_: Path) -> AbstractContextManager:
    """For cases in which nothing happens to the machine."""
    return nullcontext()


class Case(NamedTuple):
    """A data set with one thing wrong with it.

    Attributes:
        what: is wrong, in a few words.
        outcome: a key of `OUTCOMES`.
        says: the problem in issues.csv, or a piece of the message or warning.
        spoil: spoils a sound data set before its JSON files are written.
        after: spoils it afterwards, given its folder.
        around: wraps the run of prepare_dataset.py, given data set and output.
        options: of prepare_dataset.py; {root} stands for the data set's folder.
    """

    what: str
    outcome: str
    says: str = ""
    spoil: Callable[[Any], Any] = nothing
    after: Callable[[Path], Any] = nothing
    around: Callable[[Path, Path], AbstractContextManager] = undisturbed
    options: tuple[str, ...] = ()


def image(make: Callable[[Path], Any], name: str = "bad_1.png") -> Callable[[Any], None]:
    """Lists an image with two boxes whose file is made by ``make``, given its path (maybe none)."""

    def spoil(source: Any) -> None:
        source.add(name, [(3, 1, 1, 5, 5), (7, 2, 2, 6, 6)])
        path = source.root / "train/images" / name
        path.unlink()
        make(path)
        del source.images[-1]["width"], source.images[-1]["height"]

    return spoil


def entry(**values: Any) -> Callable[[Any], None]:
    """Changes values in the first image's entry; None removes the key."""
    return lambda source: _change(source.images[0], values)


def box(**values: Any) -> Callable[[Any], None]:
    """Changes values in the first box's entry; None removes the key."""
    return lambda source: _change(source.annotations[0], values)


def _change(found: dict, values: dict[str, Any]) -> None:
    found.update(values)
    for key, value in values.items():
        if value is None:
            del found[key]
