"""The folder in which a training's state survives interruptions."""

import hashlib
import io
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_json, write_json

log = logging.getLogger("parkdet")

FORMAT = 2  # version of what a state file holds
KEPT = 2  # newest intact states
CHECKSUM_BYTES = 32
ABSENT = "not there"
NAMES = "epoch-*-batch-*.pt"  # sorted, they are in order of progress


class StateStore:
    """The states of one fingerprint: torch files that end with the SHA-256 of what precedes it.

    ``{folder}/epoch-000012-batch-000345.pt`` is the state after 12 epochs and 345 batches.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unusable: set[Path] = set()

    def save(self, state: dict[str, Any], epoch: int, batch: int = 0) -> Path:
        """Writes a state, whole or not at all, and removes all but the newest two.

        Returns:
            Its file.

        Raises:
            UserError: it cannot be written; earlier states are untouched.
        """
        path = self.folder / f"epoch-{epoch:06d}-batch-{batch:06d}.pt"
        try:
            with atomic_write(path) as file:
                _write({"format": FORMAT, **state}, file)
        except UserError as error:
            raise UserError(
                f"{error} Earlier states are untouched: run again to continue."
            ) from error
        self._unusable.discard(path)
        sound = [file for file in self.files() if file not in self._unusable]
        for old in [*sound[KEPT:], *self._unusable]:
            old.unlink(missing_ok=True)
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest intact state; None if there is none. Warns about each one passed over.

        Damaged ones stay until the next state is saved.

        Raises:
            UserError: a state is intact, but this version cannot load it.
        """
        paths = self.files()
        for path in paths:
            try:
                return _read(path)
            except ValueError as error:
                log.warning("state %s is damaged (%s): it is passed over", path, error)
                self._unusable.add(path)
            except OSError as error:
                log.warning("state %s cannot be read (%s): it is passed over", path, error)
        if paths:
            log.warning("no state in %s can be used: the training starts anew", self.folder)
        return None

    def files(self) -> list[Path]:
        """The saved states, newest first."""
        return sorted(self.folder.glob(NAMES), reverse=True)

    def clear(self) -> None:
        """Removes all states."""
        for path in self.files():
            path.unlink()
        self._delivered.unlink(missing_ok=True)
        self._identity.unlink(missing_ok=True)

    def identity(self) -> str:
        """32 hexadecimal digits that identify this training until it is cleared."""
        try:
            return read_json(self._identity, str)
        except UserError:  # not there yet, or damaged, which is no reason to end a training
            identity = uuid.uuid4().hex
            write_json(self._identity, identity)
            return identity

    @property
    def _identity(self) -> Path:
        return self.folder / "identity.json"

    @property
    def _delivered(self) -> Path:
        return self.folder / "delivered"

    def delivered(self) -> bool:
        """Whether the outputs of the finished training were written."""
        return self._delivered.exists()

    def mark_delivered(self) -> None:
        """Notes that the outputs were written."""
        self._delivered.touch()

    def tidy(self) -> None:
        """Removes what killed saves left behind; only the holder of the lock may do this."""
        for name in (NAMES, "owner.json", "identity.json"):
            for path in self.folder.glob(f".{name}.*"):
                path.unlink(missing_ok=True)


def _write(content: dict[str, Any], file: IO[bytes]) -> None:
    hashing = _HashingWriter(file)
    try:
        torch.save(content, hashing)
    except RuntimeError:
        if hashing.error is not None:
            raise hashing.error from None  # torch hides that the disk is full
        raise
    file.write(hashing.digest())


def _read(path: Path) -> dict[str, Any]:
    """Reads a state.

    Raises:
        ValueError: it is damaged.
        OSError: the file cannot be read.
        UserError: it is intact, but not as :meth:`StateStore.save` writes it.
    """
    content = memoryview(path.read_bytes())
    payload, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
    if hashlib.sha256(payload).digest() != checksum:
        raise ValueError("its checksum differs")
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise whatever they stumble over
        raise _of_other_version(path, f"torch cannot load it: {type(error).__name__}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise _of_other_version(path, f"its format is not {FORMAT}")
    return state


def _of_other_version(path: Path, reason: str) -> UserError:
    return UserError(
        f"The state {path} is intact, but this version of the program cannot use it ({reason}): "
        f"continue with the version that saved it, or remove {path.parent} to train anew."
    )


class _HashingWriter:
    """Passes on what is written and hashes it on the way; remembers why a write failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        return self._hash.digest()


def open_store(
    state_dir: Path, fingerprint: str, decisive: dict[str, Any], automatic: Sequence[str] = ()
) -> StateStore:
    """The store for a fingerprint, with the settings behind it in ``settings.json``.

    If the folder is new and states of other settings exist, a warning says which settings differ.

    Args:
        automatic: settings that this machine decided.
    """
    folder = state_dir / fingerprint
    path = folder / "settings.json"
    if not path.exists():
        for other in sorted(state_dir.glob("*/settings.json")):
            _warn_of_differences(other, decisive, automatic)
        write_json(path, decisive, indent=2)
    return StateStore(folder)


def _warn_of_differences(other: Path, decisive: dict[str, Any], automatic: Sequence[str]) -> None:
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
    """What changed, one phrase per key."""
    return [
        f"{key} was {was}, is {is_now}{' (auto here)' * (key in automatic)}"
        for key in sorted(old.keys() | new.keys())
        if (was := old.get(key, ABSENT)) != (is_now := new.get(key, ABSENT))
    ]
