"""What happens to the machine or the output folder while prepare_dataset.py runs."""

import errno
import fcntl
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from hostile.case import Case
from hostile.images import image, noise, write

SPACE = 200_000  # bytes: less than the prepared set takes


@contextmanager
def read_only(root: Path, out: Path) -> Iterator[None]:
    """No write permission anywhere in the source; root is watched instead (see `watch`)."""
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    yield
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


@contextmanager
def full_disk(root: Path, out: Path) -> Iterator[None]:
    """The output on a file system with too little space; or, without the right to mount one, a
    limit of that size for each file."""
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "none", str(out)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield
            assert not list(out.iterdir())
        finally:
            subprocess.run(["umount", str(out)], check=True)
            out.rmdir()
        return
    out.rmdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SPACE, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def other_file_system(root: Path, out: Path) -> Iterator[None]:
    """The output folder is a link into a file system in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        if Path(place).stat().st_dev == root.stat().st_dev:
            pytest.skip("the data set is in /dev/shm too")
        out.symlink_to(place)
        yield


@contextmanager
def no_links(root: Path, out: Path) -> Iterator[None]:
    """The output on a file system without symbolic links, such as FAT."""

    with patch("os.symlink", side_effect=OSError(errno.EPERM, os.strerror(errno.EPERM))):
        yield


@contextmanager
def full_at_last(root: Path, out: Path) -> Iterator[None]:
    """A disk that reports that it is full only when data is flushed, as network disks do."""
    with patch("os.fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        yield


@contextmanager
def another_run(root: Path, out: Path) -> Iterator[None]:
    """Another run is using the output folder."""
    out.mkdir()
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
        out.rmdir()


def in_output(name: str):
    """The output folder holds something, which must stay."""

    @contextmanager
    def around(root: Path, out: Path) -> Iterator[None]:
        place = out / name
        place.parent.mkdir(parents=True)
        place.write_text("mine")
        yield
        assert place.read_text() == "mine"

    return around


@contextmanager
def rests(root: Path, out: Path) -> Iterator[None]:
    """A killed run has left its folder behind."""
    left = out / ".parkdet-new-abc/images"
    left.mkdir(parents=True)
    (left / "half.png").write_bytes(b"x")
    yield
    assert not list(out.glob(".parkdet-new-*"))


@contextmanager
def a_file(root: Path, out: Path) -> Iterator[None]:
    """The output folder is a file."""
    out.write_text("mine")
    yield
    assert out.read_text() == "mine"
    out.unlink()


CASES = [
    Case("read-only source", "used", around=read_only),
    Case(
        "disk full while images are copied",
        "refused",
        "Cannot make",
        image(write(noise("png"))),
        around=full_disk,
        options=("--link=copy",),
    ),
    Case(
        "disk full, reported late by the system",
        "refused",
        "Check that the folder is writable and the disk not full",
        around=full_at_last,
    ),
    Case("output on another file system", "used", around=other_file_system),
    Case(
        "output on another file system, with `--link hard`",
        "refused",
        "Use --link auto",
        around=other_file_system,
        options=("--link=hard",),
    ),
    Case("output on a file system without links", "used", around=no_links),
    Case(
        "output on a file system without links, with `--link symlink`",
        "refused",
        "Use --link auto",
        around=no_links,
        options=("--link=symlink",),
    ),
    Case(
        "another run at work in the output folder",
        "refused",
        "Another prepare_dataset.py is writing",
        around=another_run,
    ),
    Case("leftovers of a killed run in the output folder", "used", around=rests),
    Case(
        "a user's file in the output folder",
        "refused",
        "did not write",
        around=in_output("notes.txt"),
    ),
    Case(
        "a user's image in the output folder",
        "refused",
        "did not write",
        around=in_output("images/train/mine.png"),
    ),
    Case("output folder is a file", "refused", "Cannot write", around=a_file),
    Case(
        "output folder among the source images",
        "refused",
        "choose a folder outside it",
        options=("--out={root}/train/images/new",),
    ),
    Case("output folder is the data set's", "refused", "did not write", options=("--out={root}",)),
]
