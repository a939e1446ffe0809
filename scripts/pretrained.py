"""Writes a training's starting weights: from a file, from a release, or random from a seed."""

import argparse
import sys
import time
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="pretrained.py", description=__doc__)
    parser.add_argument(
        "--source",
        required=True,
        metavar="PATH|RELEASE|none",
        help="weights of parkdet or yolov5 v5 to v7; a release such as yolov5x6 is fetched into "
        "weights/ if it is not there; none: random weights",
    )
    parser.add_argument(
        "--arch", default="yolov5n", metavar="NAME", help="architecture of random weights"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of random weights")
    parser.add_argument("--sha256", metavar="HEX", help="checksum that the file must have")
    parser.add_argument(
        "--drop-head",
        action="store_true",
        help="leave out the detection head, which training adds",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PT")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Reads or builds the weights and writes them in parkdet's format."""
    started = time.time()
    from parkdet.detector.checkpoints import save_checkpoint
    from parkdet.detector.starting_weights import (
        build_weights,
        find_weights,
        read_weights,
        without_head,
    )
    from parkdet.provenance import write_provenance

    if arguments.source == "none":
        inputs, settings = [], {"arch": arguments.arch, "seed": arguments.seed}
        checkpoint = build_weights(arguments.arch, arguments.seed)
    else:
        path = find_weights(arguments.source, arguments.sha256)
        inputs, settings = [path], {"source": arguments.source, "sha256": arguments.sha256}
        checkpoint = read_weights(path)
    if arguments.drop_head:
        checkpoint = without_head(checkpoint)
    save_checkpoint(arguments.out, checkpoint)
    write_provenance(arguments.out, inputs, settings, started)


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
