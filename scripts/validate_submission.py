"""Checks that a submission is valid: known images and categories, boxes inside images, its size."""

import argparse
import gc
import sys
import time
from pathlib import Path

from parkdet.command_line import log, run


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--submission", type=Path, required=True, help="JSON list of detections")
    add("--images", type=Path, required=True, help="Test_Images_Information.json")
    add("--train", type=Path, help="Train.json, for the category ids")
    add("--sample", type=Path, help="sample_submission.json, for the keys of a record")
    add("--max-bytes", type=int, help="the file must be strictly smaller than this")
    add("--out", type=Path, help="the result, as JSON; not written for an invalid file")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Checks, then writes the result and its sidecar."""
    from parkdet.files import remove, write_json
    from parkdet.provenance import sidecar, write_provenance
    from parkdet.submission.validation import CHECKS, expectations, validate

    started = time.time()
    gc.disable()  # records hold no cycles; looking for some in a million of them takes seconds
    if arguments.out:  # an earlier result must not pass for this file's
        remove(arguments.out)
        remove(sidecar(arguments.out))
    expected = expectations(
        arguments.images, arguments.train, arguments.sample, arguments.max_bytes
    )
    result = validate(arguments.submission, expected)
    if arguments.out:
        write_json(arguments.out, result, indent=2)
        inputs = (arguments.submission, arguments.images, arguments.train, arguments.sample)
        settings = {"max_bytes": arguments.max_bytes}
        write_provenance(arguments.out, [path for path in inputs if path], settings, started)
    log.info(
        f"{arguments.submission} is valid. Detections: {result.detections:,}; bytes: "
        f"{result.bytes:,}; images without detections: {result.images_without_detections:,} of "
        f"{result.images:,}."
    )
    skipped = [check for check in CHECKS if check not in result.checks]
    if skipped:
        log.info("Not checked, because the data needed are missing: %s.", ", ".join(skipped))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
