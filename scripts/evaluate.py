"""Scores detections against a COCO truth: AP, AR, and precision and recall at the best F1.

As COCO does, up to 100 detections of an image and class count.
"""

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
    add("--truth", type=Path, required=True, help="COCO JSON: images, annotations, categories")
    add("--predictions", type=Path, required=True, help="JSON list of detections")
    add("--out", type=Path, required=True, help="the figures, as JSON")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Scores and writes the figures and their sidecar."""
    from parkdet.evaluation.coco_metrics import evaluate
    from parkdet.evaluation.report import as_record, table
    from parkdet.evaluation.truth import read_truth
    from parkdet.files import write_json
    from parkdet.provenance import write_provenance
    from parkdet.submission.records import read_detections

    log = logging.getLogger("parkdet")
    started = time.time()
    truth = read_truth(arguments.truth)
    detections = read_detections(arguments.predictions)
    metrics = evaluate(truth, detections)
    scored = sum(row.detections for row in metrics.per_class)
    if scored < len(detections):
        log.warning(
            f"{len(detections) - scored:,} of {len(detections):,} detections are of categories "
            f"that {arguments.truth} does not list and do not count."
        )
    write_json(arguments.out, as_record(metrics, truth, scored), indent=2)
    write_provenance(arguments.out, [arguments.truth, arguments.predictions], {}, started)
    log.info(table(metrics))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
