"""Names and links of the images in a prepared data set. Source files are never written to."""

import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from parkdet.errors import UserError

LONGEST_NAME = 255  # bytes of a file name


def link_names(names: Iterable[str]) -> dict[str, str]:
    """The name that each image gets in the prepared data set, nearly always its own.

    Two images must not share a label file: of names that differ only in suffix, case or Unicode
    form, all but the first get a number (``a.jpg``, ``a.png`` -> ``a-2.png``). Folders named
    images or labels, by which YOLO tools find labels, or named like a label file are joined into
    the name with ``_``. A name that becomes too long is shortened.
    """
    wanted = {name: _without_special_folders(name) for name in names}
    owners: dict[str, str] = {}
    for name, link in wanted.items():
        owners.setdefault(_label_key(link), name)
    copies: Counter[str] = Counter()
    for name, link in wanted.items():
        key = _label_key(link)
        while owners.setdefault(_label_key(link), name) != name:
            copies[key] += 1
            path = PurePosixPath(wanted[name])
            link = _with_end(path, f"-{copies[key] + 1}{path.suffix}")
        wanted[name] = link
    return wanted


def _without_special_folders(name: str) -> str:
    folders = PurePosixPath(name).parts[:-1]
    if any(folder in ("images", "labels") or folder.lower().endswith(".txt") for folder in folders):
        path = PurePosixPath(name.replace("/", "_"))
        return _with_end(path, path.suffix)
    return name


def _with_end(path: PurePosixPath, end: str) -> str:
    """``path`` with ``end`` in place of its suffix; the stem is cut if the name gets too long."""
    stem = path.stem.encode()[: LONGEST_NAME - len(end.encode())].decode(errors="ignore")
    return str(path.with_name(f"{stem}{end}"))


def _label_key(name: str) -> str:
    """Equal for images whose label files would be the same file on some file system."""
    stem = unicodedata.normalize("NFC", name.rpartition(".")[0])
    return unicodedata.normalize("NFC", stem.casefold())


def label_name(name: str) -> str:
    """``a/b.c.png`` -> ``a/b.c.txt``."""
    return f"{name.rpartition('.')[0]}.txt"


def place(source: str, target: str, how: str) -> str:
    """Puts the image ``source`` at ``target``, which must not exist.

    Args:
        source: absolute path.
        how: symlink, copy, hard, or auto: a symlink if the file system has them, else a copy.

    Returns:
        How it was done: symlink, copy or hard.

    Raises:
        UserError: it cannot be done that way.
    """
    try:
        return _place(source, target, how)
    except OSError as error:
        advice = "Use --link auto (data.link)." if how in ("symlink", "hard") else ""
        raise UserError(
            f"Cannot make {target} from {source} (--link {how}): {error.strerror}. {advice}".strip()
        ) from error


def _place(source: str, target: str, how: str) -> str:
    if how in ("auto", "symlink"):
        try:
            os.symlink(source, target)  # noqa: PTH211 (pathlib takes half as long again)
            return "symlink"
        except OSError:
            if how == "symlink":
                raise
    if how == "hard":
        os.link(os.path.realpath(source), target)
        return "hard"
    shutil.copyfile(source, target)
    return "copy"
