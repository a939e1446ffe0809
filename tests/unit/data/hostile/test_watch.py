"""The watch over the file system sees what the tests rely on."""

import os
import shutil
from pathlib import Path

from hostile.watch import changed_paths


def test_every_kind_of_change_is_seen_where_it_is_made(tmp_path):
    folder = Path(os.path.realpath(tmp_path))
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    with changed_paths() as changed:
        (folder / "link/new.txt").write_text("x")
        (folder / "file-link").symlink_to("real/new.txt")
        with open(folder / "file-link", "a"):
            pass
        (folder / "real/new.txt").rename(folder / "moved.txt")
        shutil.copyfile(folder / "moved.txt", folder / "copied.txt")
        os.link(folder / "moved.txt", folder / "hard.txt")
        (folder / "made").mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        os.rmdir("made", dir_fd=descriptor)
        os.close(descriptor)
        (folder / "hard.txt").chmod(0o600)
    names = ["real/new.txt", "file-link", "real/new.txt", "real/new.txt", "moved.txt"]
    names += ["copied.txt", "hard.txt", "made", "made", "hard.txt"]
    assert changed == [str(folder / name) for name in names]


def test_reading_is_no_change(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with changed_paths() as changed:
        (tmp_path / "a.txt").read_bytes()
        list(tmp_path.iterdir())
    assert changed == []
