"""Writes the demo set: synthetic parking scenes with labels, in the challenge's layout."""

import argparse
import os
import sys
import time
from pathlib import Path

from parkdet.command_line import log, run
from parkdet.errors import UserError

SMALLEST = 64  # pixels; on smaller images nothing could be told apart


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Writes a labelled demo set in the challenge's layout. The images are "
        "synthetic: parking scenes drawn from a seed, with no photograph involved. The same "
        "options give the same bytes. An earlier demo set in the folder is replaced; a folder "
        "with other files is refused."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--train-images", type=int, default=360, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--test-images", type=int, default=100, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--size",
        default="640x384",
        metavar="WxH",
        help="image size in pixels; default: %(default)s",
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes; default: all cores"
    )
    return parser


def parse_size(text: str) -> tuple[int, int]:
    """``640x384`` -> (640, 384).

    Raises:
        UserError: not two whole numbers of at least SMALLEST.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UserError(f"--size {text}: give width and height in pixels, such as 640x384.")
    if min(int(width), int(height)) < SMALLEST:
        raise UserError(f"--size {text}: neither side may be below {SMALLEST} pixels.")
    return int(width), int(height)


def main(arguments: argparse.Namespace) -> None:
    """Writes the set and logs what is in it."""
    started = time.time()
    size = parse_size(arguments.size)
    for name in ("train_images", "test_images"):
        if getattr(arguments, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} must be at least 1.")
    if arguments.seed < 0:
        raise UserError("--seed must not be negative.")
    from parkdet.demo.dataset import write_demo_set
    from parkdet.provenance import write_provenance

    workers = arguments.workers or len(os.sched_getaffinity(0))
    numbers = (arguments.seed, arguments.train_images, arguments.test_images)
    counts = write_demo_set(arguments.out, *numbers, size, workers)
    settings = dict(zip(("seed", "train_images", "test_images"), numbers, strict=True))
    settings["size"] = arguments.size
    for name in ("train/label/Train.json", "test_ground_truth.json"):
        write_provenance(arguments.out / name, [], settings, started)
    log.info(
        "Synthetic demo set in %s: %d train and %d test images, %d and %d boxes, %.1f s",
        arguments.out,
        *numbers[1:],
        sum(counts["train"].values()),
        sum(counts["test"].values()),
        time.time() - started,
    )
    for name, number in counts["train"].items():
        log.info("  %-11s %5d train %5d test", name, number, counts["test"][name])


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
