"""Writing files whole or not at all, hashing them, and reading JSON into typed objects."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

import msgspec
import yaml

from parkdet.errors import UserError

T = TypeVar("T")
Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""The id of an image or a category in JSON: what fits into 64 bits."""


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file next to ``path`` and renames it into place on success.

    The data reach the disk before the rename, so a reader sees the old file or the whole new
    one. If the block raises, the temporary file is removed and ``path`` is untouched.

    Raises:
        UserError: the folder cannot be written, the disk is full, or ``path`` is a folder, a
            device or a pipe: root would replace /dev/null with a file.
    """
    path = Path(path)
    encoding = None if "b" in mode else "utf-8"
    temporary = None
    try:
        _refuse_irregular(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror or error}. "
            "Check that the folder is writable and the disk not full."
        ) from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def remove(path: Path) -> None:
    """Removes a file, if there is one.

    Raises:
        UserError: it cannot be removed, or is a folder, a device or a pipe.
    """
    try:
        _refuse_irregular(path)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"Cannot remove {path}: {error.strerror or error}.") from error


def _refuse_irregular(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a regular file and is left alone. Give another name.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Makes a rename in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, indent: int = 0) -> None:
    """Writes structs and plain containers as UTF-8 JSON, atomically; keys keep their order.

    Args:
        indent: spaces per level; 0 is compact.

    Raises:
        UserError: it cannot be written, or contains a file name that is not valid UTF-8.
    """
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise UserError(
            f"Cannot write {path}: the name {error.object!a} is not UTF-8. Rename that file."
        ) from error
    if indent:
        data = msgspec.json.format(data, indent=indent) + b"\n"
    with atomic_write(path) as file:
        file.write(data)


def read_json(path: Path, type: type[T] = dict) -> T:
    """Reads a JSON file into ``type`` (a msgspec struct, a container type or ``dict``).

    Raises:
        UserError: missing, unreadable, not JSON, or not of that type; names the file and where.
    """
    data = read_bytes(path)
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(
            f"Cannot read {path} as JSON: {error}. Check or restore the file."
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file whose top level is a mapping.

    Raises:
        UserError: missing, not YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # dates and numbers raise, too
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold `key: value` lines, found {type(content).__name__}.")
    return content


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UserError: the file is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read in chunks.

    Raises:
        UserError: the file is missing or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
