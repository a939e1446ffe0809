"""The threshold search of 2022, reimplemented: each step rewrites the whole file.

The threshold goes up by 0.01 until the file is under the limit, back one step, then up by 0.001
until the file is under the limit again. Thresholds are exact multiples of 0.001.
"""

import argparse
import json
from pathlib import Path


def write_from(records: list[dict], step: int, out: Path) -> int:
    """Writes the records that score at least ``step`` / 1000; returns the file's size in bytes."""
    with out.open("w") as file:
        json.dump([record for record in records if record["score"] >= step / 1000], file)
    return out.stat().st_size


def search(records: list[dict], out: Path, max_bytes: int) -> float:
    """Writes the file for the lowest threshold that fits; returns that threshold."""
    step = 0
    while write_from(records, step, out) >= max_bytes:
        step += 10
    step = max(0, step - 10)
    while write_from(records, step, out) >= max_bytes:
        step += 1
    return step / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-bytes", type=int, required=True)
    arguments = parser.parse_args()
    records = json.loads(arguments.predictions.read_text())
    print(f"threshold {search(records, arguments.out, arguments.max_bytes):g}")


if __name__ == "__main__":
    main()
