"""Leaves out the detections of the lowest scores, so that the submission fits its byte limit."""

import argparse
import logging
import sys
import time
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--predictions", type=Path, required=True, help="JSON list of detections")
    add("--out", type=Path, required=True, help="JSON list of those that fit")
    add("--stats", type=Path, required=True, help="what was kept and left out, as JSON")
    add("--max-bytes", type=int, required=True, help="the file is strictly smaller than this")
    add(
        "--method",
        choices=["global", "threshold"],
        default="global",
        help="global: as many by score as fit, compact JSON; threshold: all scores >= the least "
        "threshold on the 0.001 grid that fits, json.dump's spacing (default: %(default)s)",
    )
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Cuts, reports and writes the sidecars."""
    from parkdet.files import write_json
    from parkdet.provenance import write_provenances
    from parkdet.submission.cut import cut_file
    from parkdet.submission.report import describe

    started = time.time()
    report = cut_file(arguments.predictions, arguments.out, arguments.max_bytes, arguments.method)
    write_json(arguments.stats, report, indent=2)
    settings = {"method": arguments.method, "max_bytes": arguments.max_bytes}
    outputs = (arguments.out, arguments.stats)
    write_provenances(outputs, [arguments.predictions], settings, started)
    log = logging.getLogger("parkdet")
    log.info(describe(report))
    if report.detections.total and not report.detections.kept:
        log.warning("Nothing fits into the limit: the submission is empty.")


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
