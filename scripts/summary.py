"""Sums up a run: where the submission is, its size, its detections and its scores."""

import argparse
import sys
import time
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--submission", type=Path, help="the submission file")
    add("--cut", type=Path, help="cut.json of conf_cut.py")
    add("--validation", type=Path, help="validation.json of validate_submission.py")
    add("--val-metrics", type=Path, help="figures of evaluate.py on val")
    add("--test-metrics", type=Path, help="the same on the test truth")
    add("--start-metrics", type=Path, help="the same for the weights before training")
    add("--out", type=Path, required=True, help="the summary as JSON; its text goes to stdout")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Writes the summary and its sidecar and prints it."""
    from parkdet.evaluation.summary import describe, summarize
    from parkdet.files import write_json
    from parkdet.provenance import write_provenance

    started = time.time()
    files = {
        "submission": arguments.submission,
        "cut": arguments.cut,
        "validation": arguments.validation,
        "val": arguments.val_metrics,
        "test": arguments.test_metrics,
        "start": arguments.start_metrics,
    }
    summary = summarize(files)
    write_json(arguments.out, summary, indent=2)
    write_provenance(arguments.out, [path for path in files.values() if path], {}, started)
    print(describe(summary))


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
