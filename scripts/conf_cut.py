"""Drops the detections that matter least, so that the submission fits its byte limit."""

import argparse
import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from parkdet.command_line import log, run

if TYPE_CHECKING:
    from parkdet.submission.calibration import Calibration


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--predictions", type=Path, required=True, help="JSON list of detections")
    add("--out", type=Path, required=True, help="JSON list of those that fit")
    add("--stats", type=Path, required=True, help="what was kept and dropped, as JSON")
    add("--max-bytes", type=int, required=True, help="the file is strictly smaller than this")
    add(
        "--method",
        choices=["global", "threshold", "per-class"],
        default="global",
        help="global: as many as fit, by score, compact JSON; threshold: all scores >= the lowest "
        "threshold on the 0.001 grid that fits, json.dump's spacing; per-class: as many as fit, by "
        "their worth to the mean AP, learnt from the val set (default: %(default)s)",
    )
    group = parser.add_argument_group("for --method per-class")
    group.add_argument(
        "--val-predictions", type=Path, help="detections on the val set, made the same way"
    )
    group.add_argument("--val-truth", type=Path, help="COCO JSON of the val set")
    group.add_argument(
        "--ap",
        choices=["50", "75", "50:95"],
        default="50:95",
        help="IoU in percent of the AP that counts (default: %(default)s)",
    )
    return parser


def learn(arguments: argparse.Namespace) -> "list[Calibration]":
    """What the val set says about the detector; nothing for methods that do not use it.

    Raises:
        UserError: the files are not those that the method needs, or cannot be used.
    """
    from parkdet.errors import UserError
    from parkdet.evaluation.coco_metrics import scored
    from parkdet.evaluation.truth import read_truth
    from parkdet.submission.calibration import calibrate
    from parkdet.submission.records import read_detections

    files = (arguments.val_predictions, arguments.val_truth)
    if arguments.method != "per-class" and not any(files):
        return []
    if arguments.method != "per-class" or not all(files):
        raise UserError(
            "--method per-class and both --val-predictions and --val-truth need each other. Give "
            "all three, or none of them."
        )
    truth = read_truth(arguments.val_truth)
    detections = scored(truth, read_detections(arguments.val_predictions))
    calibrations = calibrate(truth, detections, arguments.ap)
    if not any(calibration.recall for calibration in calibrations):
        log.warning("No detection on the val set is right: the cut is by score.")
    return calibrations


def main(arguments: argparse.Namespace) -> None:
    """Cuts, reports and writes the sidecars."""
    from parkdet.files import write_json
    from parkdet.provenance import write_provenances
    from parkdet.submission.cut import cut_file
    from parkdet.submission.cut_report import describe

    started = time.time()
    gc.disable()  # records hold no cycles; looking for some in a million of them takes long
    calibrations = learn(arguments)
    method, limit = arguments.method, arguments.max_bytes
    report = cut_file(arguments.predictions, arguments.out, limit, method, calibrations)
    write_json(arguments.stats, report, indent=2)
    settings, inputs = {"method": method, "max_bytes": limit}, [arguments.predictions]
    if calibrations:
        settings["ap"] = arguments.ap
        inputs += [arguments.val_predictions, arguments.val_truth]
    write_provenances((arguments.out, arguments.stats), inputs, settings, started)
    log.info(describe(report))
    if report.detections.total and not report.detections.kept:
        log.warning("Nothing fits into the limit: the submission is empty.")


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
