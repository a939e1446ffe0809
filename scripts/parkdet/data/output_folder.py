"""The output folder: filled completely or not at all; nothing that is not ours is removed."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parkdet.data.threads import map_in_threads
from parkdet.errors import UserError
from parkdet.files import atomic_write, read_bytes

MANIFEST = ".parkdet-files"  # relative paths of what an earlier run wrote, one per line
STAGING = ".parkdet-new-"  # folder that a run fills before it moves the content into place
TOLERATED = {".snakemake_timestamp"}  # Snakemake puts it into output folders


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty staging folder whose content replaces that of ``folder`` on success.

    ``folder`` may be missing, empty, or hold what an earlier run wrote, which is removed; links
    are removed, never followed. If the block raises, ``folder`` stays as it was.

    Raises:
        UserError: the folder holds other files, another run is using it, or it cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    existed = folder.is_dir()
    staging = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _refuse_foreign_files(folder)
            _remove_abandoned(folder)
            staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
            yield staging
            _write_manifest(staging)
            _remove_earlier(folder)
            _move_up(staging, folder)
    except OSError as error:
        raise UserError(
            f"Cannot write {error.filename or folder}: {error.strerror or error}. Check that the "
            "folder is writable and the disk not full."
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        if not existed:
            with suppress(OSError):  # it is not empty: the run succeeded
                folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise UserError(
                    f"Another prepare_dataset.py is writing to {folder}: wait for it, or choose "
                    "another --out."
                ) from error
            # Otherwise the file system has no locks: go on without one.
        yield
    finally:
        os.close(descriptor)


def _files_in(folder: Path) -> list[str]:
    """Relative paths of all files and links below ``folder``, sorted; links are not followed."""

    def walk(prefix: str) -> Iterator[str]:
        with os.scandir(f"{folder}/{prefix}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from walk(f"{prefix}{entry.name}/")
                else:
                    yield f"{prefix}{entry.name}"

    return sorted(walk(""))


def _earlier(folder: Path) -> set[str]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return set()
    return {MANIFEST, *read_bytes(manifest).decode("utf-8", "replace").split("\n")} - {""}


def _refuse_foreign_files(folder: Path) -> None:
    ours = _earlier(folder)
    for path in _files_in(folder):
        known = path in ours or path.startswith(STAGING) or Path(path).name in TOLERATED
        if not known:
            raise UserError(
                f"{folder} holds {path!r}, which prepare_dataset.py did not write. The folder's "
                "content would be replaced: move that file away, or choose another --out."
            )


def _remove_abandoned(folder: Path) -> None:
    """Removes what killed runs left behind; the lock ensures that none is still running."""
    for path in folder.glob(f"{STAGING}*"):
        shutil.rmtree(path)


def _write_manifest(staging: Path) -> None:
    paths = _files_in(staging)
    with atomic_write(staging / MANIFEST, "w") as file:
        file.writelines(f"{path}\n" for path in paths)


def _remove_earlier(folder: Path) -> None:
    """Removes an earlier run's files and the folders that are then empty; the manifest last."""
    paths = sorted(_earlier(folder) - {MANIFEST})
    # In threads: ext4 waits for its journal (2 ms) on each symlink of more than 59 bytes.
    deque(map_in_threads(lambda path: _unlink(f"{folder}/{path}"), paths, "removing"), maxlen=0)
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    for top in folders | {"images", "labels"}:  # Snakemake makes these two in advance
        for place, _, _ in os.walk(folder / top, topdown=False):
            for name in TOLERATED:
                (Path(place) / name).unlink(missing_ok=True)
            Path(place).rmdir()
    (folder / MANIFEST).unlink(missing_ok=True)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _move_up(staging: Path, folder: Path) -> None:
    """Moves the manifest first, so that whatever follows is known to be ours; summary.json last."""

    def order(path: Path) -> tuple[bool, bool, str]:
        return path.name != MANIFEST, path.name.startswith("summary"), path.name

    for path in sorted(staging.iterdir(), key=order):
        path.rename(folder / path.name)
