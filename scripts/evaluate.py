"""Scores detections against a COCO truth: AP, AR, and precision and recall at the best F1.

As in COCO, at most 100 detections per image and class count.
"""

import argparse
import sys
import time
from pathlib import Path

from parkdet.command_line import log, run


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--truth", type=Path, required=True, help="COCO JSON: images, annotations, categories")
    add("--predictions", type=Path, required=True, help="JSON list of detections")
    add("--out", type=Path, required=True, help="the figures, as JSON")
    add("--analysis", type=Path, required=True, help="kinds of errors, confusions, ..., as JSON")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Scores and writes the figures, the analysis and their sidecars."""
    from parkdet.evaluation.analysis import IOU, analyse
    from parkdet.evaluation.coco_metrics import evaluate, scored
    from parkdet.evaluation.matching import match
    from parkdet.evaluation.metrics_report import as_record, table
    from parkdet.evaluation.table import tabulate
    from parkdet.evaluation.truth import read_truth
    from parkdet.files import write_json
    from parkdet.provenance import write_provenance
    from parkdet.submission.records import read_detections

    started = time.time()
    truth = read_truth(arguments.truth)
    read = read_detections(arguments.predictions)
    detections = scored(truth, read)
    if len(detections) < len(read):
        log.warning(
            f"{len(read) - len(detections):,} of {len(read):,} detections do not count: their "
            f"categories are not listed in {arguments.truth}."
        )
    matches = match(truth, detections, IOU)
    metrics = evaluate(truth, detections, matches)
    analysis = analyse(truth, tabulate(truth, detections, matches), metrics)
    write_json(arguments.out, as_record(metrics, truth, len(detections)), indent=2)
    write_json(arguments.analysis, analysis, indent=2)
    for out in (arguments.out, arguments.analysis):
        write_provenance(out, [arguments.truth, arguments.predictions], {}, started)
    log.info(table(metrics))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
