"""Plain values: what a checkpoint may hold besides tensors."""

import sys
from typing import Any

MOST_VALUES = 100_000


def plain(value: Any) -> Any:
    """A copy of nested lists, tuples and dicts of texts, numbers, booleans and None.

    The copy shares no container and interns its texts, so that equal values also pickle to
    equal bytes. Tuples become lists.

    Raises:
        TypeError: it holds anything else.
        ValueError: more than 100,000 values; a small pickle can expand into a huge structure.
    """
    return _Copier().copy(value)


class _Copier:
    def __init__(self) -> None:
        self.values = 0

    def copy(self, value: Any) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")
        if isinstance(value, dict):
            return {self.copy(key): self.copy(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.copy(part) for part in value]
        if type(value) is str:
            return sys.intern(value)
        if value is None or type(value) in (bool, int, float):
            return value
        raise TypeError(f"a value of type {type(value).__name__}")
