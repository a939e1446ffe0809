"""Checks a data set in the challenge's layout, splits it, links its images, writes its labels."""

import argparse
import sys
from pathlib import Path

from parkdet.command_line import run
from parkdet.data.sources import Layout
from parkdet.errors import UserError


def build_parser() -> argparse.ArgumentParser:
    """The options; in a workflow their values come from the config's `data` section."""
    parser = argparse.ArgumentParser(prog="prepare_dataset.py", description=__doc__)
    add = parser.add_argument
    add("--data-root", type=Path, required=True, help="folder with train/ and possibly test/")
    for name, place in Layout()._asdict().items():
        add(f"--{name.replace('_', '-')}", default=place, metavar="PATH", help="(%(default)s)")
    add("--out", type=Path, help="folder of the prepared set, replaced as a whole")
    add(
        "--report-only",
        action="store_true",
        help="only report what is in the data, as JSON to the file --out or to stdout",
    )
    add("--figures", type=Path, metavar="DIR", help="with --report-only: SVG figures as well")
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="images in val (default: an eighth of all, at most 3000)",
    )
    add("--split", choices=["auto", "group", "random", "given"], default="auto")
    add("--val-json", type=Path, metavar="FILE", help="COCO file of the val set (--split given)")
    add("--group-pattern", metavar="REGEX", help="its first group is the name of the recording")
    add("--seed", type=int, default=100, help="seed of the split (%(default)s)")
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
        help="how images get into the set; auto: a symlink, else a copy; hard: shares the source "
        "file, so that a tool that rewrites images would change it",
    )
    add("--names", type=_names, metavar="A,B,...", help="class names, if Train.json has none")
    add("--hash-cache", type=Path, metavar="FILE", help="remembers unchanged images between runs")
    _add_checks(parser)
    return parser


def _add_checks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("checks").add_argument
    add(
        "--on-bad",
        choices=["drop", "fail"],
        default="drop",
        help="images and boxes that cannot be used: dropped and listed, or an error",
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
    add(
        "--near-duplicates",
        action="store_true",
        help="count val images that nearly equal a train image; decodes all images",
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def main(arguments: argparse.Namespace) -> None:
    """Prepares the data set, or reports what is in it."""
    from parkdet.data.overview import write_overview
    from parkdet.data.prepare import PrepareSettings, prepare
    from parkdet.data.sources import locate

    layout = Layout(*(getattr(arguments, name) for name in Layout._fields))
    if arguments.report_only:
        write_overview(
            locate(arguments.data_root, layout),
            arguments.out,
            arguments.figures,
            arguments.names,
            arguments.group_pattern,
            arguments.verify == "full",
        )
        return
    if arguments.out is None:
        raise UserError("--out FOLDER is missing: the folder to write the prepared set to.")
    names = set(PrepareSettings._fields) - {"layout"}
    prepare(PrepareSettings(**{name: getattr(arguments, name) for name in names}, layout=layout))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
