"""The folder in which the state of a training outlives interruptions."""

import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_bytes, read_json, write_json

log = logging.getLogger("parkdet")

KEPT = 2  # newest states
CHECKSUM_BYTES = 32


class StateStore:
    """States of one fingerprint, ``{folder}/epoch-000012.pt``: a torch file and its SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: dict[str, Any], epoch: int) -> None:
        """Writes a state, complete or not at all, and removes all but the newest two."""
        with atomic_write(self.folder / f"epoch-{epoch:06d}.pt") as file:
            hashing = _HashingWriter(file)
            torch.save(state, hashing)
            file.write(hashing.digest())
        for old in self.files()[KEPT:]:
            old.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The newest state that is sound; None if there is none. Damaged ones are warned about."""
        for path in self.files():
            content = read_bytes(path)
            payload, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
            if hashlib.sha256(payload).digest() == checksum:
                return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            log.warning("state %s is damaged (its checksum differs): it is passed over", path)
        return None

    def files(self) -> list[Path]:
        """The saved states, newest first."""
        return sorted(self.folder.glob("epoch-*.pt"), reverse=True)

    def clear(self) -> None:
        """Removes all states."""
        for path in self.files():
            path.unlink()


class _HashingWriter:
    """Passes on what is written and hashes it on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        return self._hash.digest()


def open_store(
    state_dir: Path, fingerprint: str, decisive: dict[str, Any], automatic: Sequence[str] = ()
) -> StateStore:
    """The store of a fingerprint, with the settings behind it in ``settings.json``.

    If the folder is new and states of other settings exist, a warning says which settings differ.

    Args:
        automatic: those of the settings that this machine decided.
    """
    folder = state_dir / fingerprint
    path = folder / "settings.json"
    if not path.exists():
        for other in sorted(state_dir.glob("*/settings.json")):
            _tell_differences(other, decisive, automatic)
        write_json(path, decisive, indent=2)
    return StateStore(folder)


def _tell_differences(other: Path, decisive: dict[str, Any], automatic: Sequence[str]) -> None:
    try:
        old = read_json(other)
    except UserError as error:
        log.warning("%s", error)
        return
    changes = differences(old, decisive, automatic)
    log.warning("%s holds a training with other settings: %s", other.parent, "; ".join(changes))


def differences(
    old: dict[str, Any], new: dict[str, Any], automatic: Sequence[str] = ()
) -> list[str]:
    """What changed, a phrase a key."""
    return [
        f"{key} was {old.get(key)}, is {new.get(key)}{' (auto here)' * (key in automatic)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
