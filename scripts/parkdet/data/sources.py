"""Where the images and annotations of a data set lie: as in the challenge, or elsewhere."""

import os
from pathlib import Path
from typing import NamedTuple

from parkdet.errors import UserError


class Layout(NamedTuple):
    """Paths of the files and folders, from the data set's root; by default the challenge's."""

    train_json: str = "train/label/Train.json"
    train_images: str = "train/images"
    test_json: str = "Test_Images_Information.json"
    test_images: str = "test/images"

    def tree(self) -> str:
        """The paths, one per line, for messages."""
        return (
            f"\n  {self.train_json}\n  {self.train_images}/"
            f"\n  {self.test_json}   (only if there is a test set)"
            f"\n  {self.test_images}/   (only if there is a test set)"
        )


CHALLENGE = Layout()


class Sources(NamedTuple):
    """Absolute paths; ``test_json`` is None without a test set."""

    train_json: Path
    train_images: Path
    test_json: Path | None
    test_images: Path

    def annotation_files(self) -> list[Path]:
        """The JSON files that exist."""
        return [self.train_json, *([self.test_json] if self.test_json else [])]


def locate(root: Path, layout: Layout = CHALLENGE) -> Sources:
    """Finds the files and folders of the data set under ``root``.

    Raises:
        UserError: one that must be there is missing; shows the expected tree.
    """
    root = root.absolute()
    test_json = root / layout.test_json
    sources = Sources(
        root / layout.train_json,
        root / layout.train_images,
        test_json if os.path.lexists(test_json) else None,
        root / layout.test_images,
    )
    missing = [
        path
        for path, found in (
            (layout.train_json, sources.train_json.is_file()),
            (layout.train_images, sources.train_images.is_dir()),
            (layout.test_images, sources.test_images.is_dir() or sources.test_json is None),
        )
        if not found
    ]
    if missing:
        raise UserError(
            f"{root} has no {missing[0]}. Say where things are with --train-json, --train-images, "
            "--test-json and --test-images (data.train_json and so on), or point --data-root "
            f"(data.root in the config) at a folder of this form:{layout.tree()}"
        )
    return sources


def refuse_overlap(sources: Sources, out: Path) -> None:
    """Raises UserError if ``out`` is, or lies in, a folder of the source data."""
    target, folders = out.resolve(), [sources.train_images, sources.test_images]
    if not sources.train_images.is_relative_to(sources.train_json.parent):
        folders.append(sources.train_json.parent)  # a folder for annotations alone
    for folder in folders:
        if target.is_relative_to(folder.resolve()):
            raise UserError(
                f"--out {out} lies in {folder}, which belongs to the source data: choose a folder "
                "outside it."
            )
