"""Draws detections on images and writes these side by side as one image."""

import argparse
import sys
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="COCO JSON of the images, with categories")
    add("--image-dir", type=Path, required=True, help="folder of the images")
    add("--predictions", type=Path, required=True, help="JSON list of detections")
    add("--image-ids", type=int, nargs="+", required=True, metavar="ID", help="which images")
    add("--min-score", type=float, default=0.3, help="lowest score drawn (default: %(default)s)")
    add("--out", type=Path, required=True, help="image to write: .jpg or .png")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Reads, draws and writes."""
    from parkdet.evaluation.drawing import draw_images, write_picture
    from parkdet.files import read_json
    from parkdet.inference.sources import ImageList
    from parkdet.submission.records import read_detections

    detections = [
        detection
        for detection in read_detections(arguments.predictions)
        if detection.score >= arguments.min_score
    ]
    picture = draw_images(
        read_json(arguments.images, ImageList),
        arguments.image_dir,
        detections,
        arguments.image_ids,
    )
    write_picture(arguments.out, picture)


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
