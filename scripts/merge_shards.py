"""Merges the detections of all shards of an inference into one file, as a single run writes it."""

import argparse
import sys
import time
from pathlib import Path

from parkdet.command_line import log, run


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="merge_shards.py", description=__doc__)
    parser.add_argument(
        "--shards",
        type=Path,
        nargs="+",
        required=True,
        metavar="JSON",
        help="all outputs of infer.py --shard I/N, in the order of I",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="detections")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Reads one shard after another and writes their records."""
    started = time.time()
    from parkdet.inference.merge import merged
    from parkdet.provenance import write_provenance
    from parkdet.submission.records import write_detections

    count = write_detections(arguments.out, merged(arguments.shards))
    log.info("%d detections of %d shards in %s", count, len(arguments.shards), arguments.out)
    settings = {"shards": len(arguments.shards)}
    write_provenance(arguments.out, arguments.shards, settings, started)


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
