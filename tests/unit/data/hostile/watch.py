"""Records every change that this process makes to the file system, wherever it is made."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CHANGES = {  # audit event: indices of (path, descriptor of the folder that it is relative to)
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.link": ((1, 3),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.truncate": ((0, -1),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, -1),),
}
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_changed: list[str] | None = None


@contextmanager
def changed_paths() -> Iterator[list[str]]:
    """Yields a list that collects the real path of everything written, made, moved or removed."""
    global _changed
    _changed = found = []
    try:
        yield found
    finally:
        _changed = None


def _audit(event: str, arguments: tuple) -> None:
    if _changed is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes) and flags & TO_WRITE:
            _changed.append(os.path.realpath(os.fsdecode(path)))
    for place, folder in CHANGES.get(event, ()):
        descriptor = arguments[folder] if folder >= 0 else -1
        _changed.append(_real(arguments[place], descriptor))


def _real(path: str | bytes | int, folder: int) -> str:
    """The path with links resolved except for its last component, which itself is changed."""
    if isinstance(path, int):
        return os.path.realpath(f"/proc/self/fd/{path}")
    start = f"/proc/self/fd/{folder}/" if folder >= 0 else ""
    place, name = os.path.split(f"{start}{os.fsdecode(path)}")
    return f"{os.path.realpath(place)}/{name}"


sys.addaudithook(_audit)
