"""Where the photographs and annotations of a data set lie, in the challenge's lay-out."""

import os
from pathlib import Path
from typing import NamedTuple

from parkdet.errors import UserError

LAYOUT = """
  train/label/Train.json
  train/images/
  Test_Images_Information.json   (only if there is a test set)
  test/images/                   (only if there is a test set)"""


class Sources(NamedTuple):
    """Absolute paths; ``test_json`` is None without a test set."""

    train_json: Path
    train_images: Path
    test_json: Path | None
    test_images: Path

    def annotation_files(self) -> list[Path]:
        """The JSON files that there are."""
        return [self.train_json, *([self.test_json] if self.test_json else [])]


def locate(root: Path) -> Sources:
    """Finds the parts of the data set under ``root``.

    Raises:
        UserError: a part that must be there is not; shows the expected tree.
    """
    root = root.absolute()
    test_json = root / "Test_Images_Information.json"
    sources = Sources(
        root / "train/label/Train.json",
        root / "train/images",
        test_json if os.path.lexists(test_json) else None,
        root / "test/images",
    )
    missing = [
        str(path.relative_to(root))
        for path, found in (
            (sources.train_json, sources.train_json.is_file()),
            (sources.train_images, sources.train_images.is_dir()),
            (sources.test_images, sources.test_images.is_dir() or sources.test_json is None),
        )
        if not found
    ]
    if missing:
        raise UserError(
            f"{root} has no {missing[0]}. Point --data-root (data.root in the config) at a folder "
            f"of this form:{LAYOUT}"
        )
    return sources


def refuse_overlap(sources: Sources, out: Path) -> None:
    """Raises UserError if ``out`` is or lies in a folder of source images."""
    target = out.resolve()
    for folder in (sources.train_images, sources.test_images, sources.train_json.parent):
        if target.is_relative_to(folder.resolve()):
            raise UserError(
                f"--out {out} lies in {folder}, which belongs to the source data: choose a folder "
                "outside of it."
            )
