"""Checks a data set in the challenge's lay-out, splits it, links its images, writes its labels."""

import argparse
import sys
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options; their values in a workflow come from the `data` part of the config."""
    parser = argparse.ArgumentParser(prog="prepare_dataset.py", description=__doc__)
    add = parser.add_argument
    add("--data-root", type=Path, required=True, help="folder with train/ and maybe test/")
    add("--out", type=Path, required=True, help="folder of the prepared set, replaced as a whole")
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="images of val (default: an eighth of all, at most 3000)",
    )
    add("--split", choices=["auto", "group", "random", "given"], default="auto")
    add("--val-json", type=Path, metavar="FILE", help="COCO file of the val set (--split given)")
    add("--group-pattern", metavar="REGEX", help="its first group is the name of the recording")
    add("--seed", type=int, default=100, help="of the split (%(default)s)")
    add(
        "--backgrounds",
        choices=["keep", "drop"],
        default="keep",
        help="images without boxes, in train and val (%(default)s)",
    )
    add(
        "--link",
        choices=["auto", "symlink", "copy", "hard"],
        default="auto",
        help="how images come in; auto: a symlink, else a copy; hard: shares the source file, so "
        "that a tool that rewrites images would change it",
    )
    add("--names", type=_names, metavar="A,B,...", help="class names, if Train.json has none")
    add(
        "--on-bad",
        choices=["drop", "fail"],
        default="drop",
        help="images and boxes that cannot be used: left out and listed, or an error",
    )
    add(
        "--on-bad-test",
        choices=["skip", "fail"],
        default="skip",
        help="test images that cannot be used: listed and marked, or an error after all test "
        "images were decoded in full",
    )
    add(
        "--verify",
        choices=["header", "full"],
        default="header",
        help="check images by header and end of file, or decode them (%(default)s)",
    )
    add("--hash-cache", type=Path, metavar="FILE", help="remembers unchanged images between runs")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def main(arguments: argparse.Namespace) -> None:
    """Prepares the data set."""
    from parkdet.data.prepare import PrepareSettings, prepare

    options = {name: getattr(arguments, name) for name in PrepareSettings._fields}
    prepare(PrepareSettings(**options))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
