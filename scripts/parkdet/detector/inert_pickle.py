"""Reads a checkpoint's pickle as data: nothing that it names is imported, created or called.

A pickle is a program for a small stack machine. This is such a machine without the parts that
could do harm: a named class or function stays a name, calling it gives a `Record` of the name and
the arguments, and only the instructions that ``torch.save`` writes exist. Each instruction costs
constant time and memory, and their number is limited.

``torch.load(weights_only=True)`` runs no code either, but a file can make it crash the process
(tuples nested a million deep, used as a key) or return a tensor of 10^9 elements over 16 bytes.
"""

import pickletools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

MOST_BYTES, MOST_INSTRUCTIONS = 16_000_000, 1_000_000
"""The pickle of yolov5n's checkpoint has 83 kB and 34,000 instructions; that of a training in
progress, for the largest model, a few tens of times as much."""

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
CONTAINERS = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
LITERALS = frozenset(("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"))


class NotInert(ValueError):
    """The pickle does something that a checkpoint's pickle never does."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle names, such as ``torch.HalfStorage``."""

    text: str


@dataclass
class Record:
    """An object that the pickle creates: its class, its arguments and the state it is given."""

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True)
class Storage:
    """A reference to the bytes of a tensor."""

    kind: str
    member: str
    elements: int


def read_pickle(data: bytes, allowed: Collection[str]) -> Any:
    """The value of a pickle: plain values, `Name`, `Record` and `Storage`; ordered dicts are dicts.

    Args:
        allowed: the names that it may use, such as ``models.yolo.Model``.

    Raises:
        NotInert: another name or instruction, or too many.
        ValueError, IndexError, KeyError: the pickle is damaged.
    """
    if len(data) > MOST_BYTES:
        raise NotInert(f"its pickle has more than {MOST_BYTES} bytes")
    machine = _Machine(allowed)
    for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
        if count == MOST_INSTRUCTIONS:
            raise NotInert(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")
        if instruction.name != "STOP":
            machine.step(instruction.name, argument)
    (value,) = machine.stack
    return value


class _Machine:
    def __init__(self, allowed: Collection[str]) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._allowed = allowed

    def step(self, name: str, argument: Any) -> None:
        """Executes one instruction."""
        if name in LITERALS:
            self.stack.append(_small(argument))
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in CONTAINERS:
            self.stack.append(CONTAINERS[name]())
        elif not self._remember(name, argument) and not self._collect(name):
            self._make(name, argument)

    def _remember(self, name: str, argument: Any) -> bool:
        match name:
            case "PROTO" if argument == 2:
                pass
            case "MARK":
                self._marks.append(len(self.stack))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self._memo[argument])
            case _:
                return False
        return True

    def _collect(self, name: str) -> bool:
        match name:
            case "TUPLE":
                self.stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(self._last(int(name[-1]))))
            case "APPEND":
                _extend(self._last(1), self.stack[-1])
            case "APPENDS":
                _extend(self._since_mark(), self.stack[-1])
            case "SETITEM":
                _set_items(self._last(2), self.stack[-1])
            case "SETITEMS":
                _set_items(self._since_mark(), self.stack[-1])
            case _:
                return False
        return True

    def _make(self, name: str, argument: Any) -> None:
        match name:
            case "GLOBAL":
                self.stack.append(self._named(argument))
            case "REDUCE" | "NEWOBJ":
                self.stack.append(_record(*self._last(2)))
            case "BUILD":
                (state,) = self._last(1)
                _give_state(self.stack[-1], state)
            case "BINPERSID":
                self.stack.append(_storage(self.stack.pop()))
            case _:
                raise NotInert(f"its pickle has a {name} instruction, as torch.save never writes")

    def _named(self, module_and_name: str) -> Name:
        text = module_and_name.replace(" ", ".")
        if text not in self._allowed:
            raise NotInert(
                f"it names {text!a:.100}, which no yolov5 checkpoint needs; nothing of it was run"
            )
        return Name(text)

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("values are missing")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values


def _small(value: Any) -> Any:
    if type(value) is int and abs(value) >= 2**63:
        raise NotInert("it has a number of more than 64 bits")
    return value


def _extend(values: list[Any], target: Any) -> None:
    if type(target) is not list:
        raise NotInert("it appends to something that is not a list")
    target.extend(values)


def _set_items(values: list[Any], target: Any) -> None:
    """Sets alternating keys and values; keys are texts or numbers only, so hashing is harmless."""
    keys = values[::2]
    if type(target) is not dict or not all(type(key) in (str, int) for key in keys):
        raise NotInert("it sets an item of something, or by a key, that a checkpoint has not")
    target.update(zip(keys, values[1::2], strict=True))


def _record(name: Any, arguments: Any) -> Any:
    if type(name) is not Name or type(arguments) is not tuple:
        raise NotInert("it calls something that is not a name")
    if name.text == "collections.OrderedDict" and not arguments:
        return {}
    return Record(name.text, arguments)


def _give_state(target: Any, state: Any) -> None:
    if type(target) is not Record or target.state is not None:
        raise NotInert("it sets the state of something that has none")
    target.state = state


def _storage(identity: Any) -> Storage:
    match identity:
        case ("storage", Name(kind), str(member), str(), int(elements)):
            return Storage(kind, member, elements)
    raise NotInert("it refers to something that is not a storage of numbers")
