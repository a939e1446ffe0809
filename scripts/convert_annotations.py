"""Makes a COCO file for prepare_dataset.py from images with YOLO or Pascal VOC label files."""

import argparse
import sys
from pathlib import Path

from parkdet.command_line import log, run


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="convert_annotations.py", description=__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, metavar="DIR")
    add("--labels", type=Path, metavar="DIR", help="label files; without: images only, a test set")
    add("--form", choices=["yolo", "voc"], default="yolo", help="label format (%(default)s)")
    add("--names", metavar="A,B,...", help="class names in order of their numbers")
    add("--data-yaml", type=Path, metavar="FILE", help="YOLO's data.yaml, for its class names")
    add("--out", type=Path, required=True, metavar="FILE", help="COCO file")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Converts, and logs what was found."""
    from parkdet.data.conversion import convert, names_of_yaml
    from parkdet.files import write_json

    names = [name.strip() for name in arguments.names.split(",")] if arguments.names else None
    if arguments.data_yaml is not None:
        names = names_of_yaml(arguments.data_yaml)
    coco = convert(arguments.images, arguments.labels, arguments.form, names)
    write_json(arguments.out, coco)
    counts = (len(coco[part]) for part in ("images", "annotations", "categories"))
    log.info("%s: %d images, %d boxes, %d classes", arguments.out, *counts)


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
