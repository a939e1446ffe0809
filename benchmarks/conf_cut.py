"""The cut at the size of the challenge's test set, against the search of 2022.

Detections are drawn from a seed: 50 for each of 19,521 images of 1920x1080, written as json.dump
does. Each method cuts them to 20 MB in its own process; the time includes interpreter start,
reading and writing. The goals for the cut are checked; missing one makes the exit code 1.
"""

import argparse
import filecmp
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import ROOT, WORK, table, write_record

WIDTH, HEIGHT, CLASSES, BOXES = 1920, 1080, 14, 50
FIRST_IMAGE, SEED = 24_651, 0
OBJECTS = 0.1  # share of boxes on an object, which score high
CONFIDENCE = 0.01  # lowest score that the inference keeps
OURS = ("global", "threshold")


class Use(NamedTuple):
    """What a command used: wall-clock seconds and peak resident memory."""

    seconds: float
    megabytes: float


def draw(generator: np.random.Generator, image_id: int) -> list[dict[str, Any]]:
    """The detections of an image, best score first."""
    found = generator.random(BOXES) < OBJECTS
    scores = np.where(found, generator.beta(5, 2, BOXES), generator.beta(0.5, 8, BOXES))
    scores = np.sort(CONFIDENCE + (1 - CONFIDENCE) * scores)[::-1].round(4)
    sides = generator.lognormal(4, 0.8, (BOXES, 2)).clip(5, HEIGHT)
    corners = generator.random((BOXES, 2)) * ((WIDTH, HEIGHT) - sides)
    boxes = np.hstack([corners, sides]).round(1)
    categories = 1 + generator.geometric(0.3, BOXES) % CLASSES
    return [
        {"image_id": image_id, "category_id": c, "bbox": b, "score": s, "segmentation": []}
        for c, b, s in zip(categories.tolist(), boxes.tolist(), scores.tolist(), strict=True)
    ]


def make(path: Path, images: int) -> None:
    """Writes the detections of ``images`` images, one image at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(SEED)
    with path.open("w") as file:
        file.write("[")
        for number in range(images):
            text = json.dumps(draw(generator, FIRST_IMAGE + number))[1:-1]
            file.write(f", {text}" if number else text)
        file.write("]")
        file.flush()
        os.fsync(file.fileno())  # so that no write-back is left for the measurement


def measure(script: str, *options: object) -> Use:
    """Runs a script of the repository in its own process.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    command = [sys.executable, str(ROOT / script), *map(str, options)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return Use(round(seconds, 3), round(usage.ru_maxrss * 1024 / 1e6))


def check(uses: dict[str, list[Use]], medians: dict[str, float], equal: bool) -> dict[str, bool]:
    """The goals, and whether each was met."""
    seconds, ratio = medians["global"], medians["2022"] / medians["global"]
    largest = max(use.megabytes for use in uses["global"])
    return {
        "threshold equals the file of 2022 to the byte": equal,
        f"global is 25 times as fast as the search of 2022 ({ratio:.0f})": ratio >= 25,
        f"global takes less than 2 s (median: {seconds:.2f})": seconds < 2,
        f"global takes less than 700 MB (most: {largest:.0f})": largest < 700,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=19_521, help="with 50 detections each")
    parser.add_argument("--max-bytes", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="of ours; the 2022 search runs once")
    arguments = parser.parse_args()
    folder = WORK / "conf_cut"
    source = folder / f"{arguments.images}.json"
    make(source, arguments.images)
    given = ("--predictions", source, "--max-bytes", arguments.max_bytes, "--out")
    uses: dict[str, list[Use]] = {method: [] for method in OURS}
    for _ in range(arguments.rounds):
        for method in OURS:
            own = (folder / f"{method}.json", "--stats", folder / f"{method}.stats.json")
            uses[method].append(measure("scripts/conf_cut.py", *given, *own, "--method", method))
    uses["2022"] = [measure("benchmarks/search_2022.py", *given, folder / "2022.json")]
    equal = filecmp.cmp(folder / "2022.json", folder / "threshold.json", shallow=False)
    medians = {name: statistics.median(use.seconds for use in runs) for name, runs in uses.items()}
    goals = check(uses, medians, equal)
    record = {
        "detections": arguments.images * BOXES,
        "bytes": source.stat().st_size,
        "max_bytes": arguments.max_bytes,
        "uses": {name: [use._asdict() for use in runs] for name, runs in uses.items()},
        "promises": goals,
    }
    write_record("conf_cut", record)
    print(report(uses, medians))
    for goal, met in goals.items():
        print(f"{'yes' if met else 'NO '}  {goal}")
    return 0 if all(goals.values()) else 1


def report(uses: dict[str, list[Use]], medians: dict[str, float]) -> str:
    """The figures as Markdown."""
    rows = []
    for name, runs in uses.items():
        seconds = sorted(use.seconds for use in runs)
        spread = f"{medians[name]:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
        most = max(use.megabytes for use in runs)
        rows.append([name, spread, f"{most:.0f}", f"{medians['2022'] / medians[name]:.1f}"])
    header = ["method", "seconds: median (range)", "peak memory, MB", "speedup over 2022"]
    return table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
