"""Training speed: the installed yolov5's own train() against parkdet, in turns on the same images.

Each run has its own process: yolov5n, two loader workers, each side's default number of threads.
Whole epochs are timed, from the last batch of one to the last batch of the next; the first, in
which both sides fill their caches, is not counted. The time includes loading, the moving average,
saving and logging, but not validation. By default stock decodes every image at every use, so the
side to beat is stock with its RAM cache; without the cache it runs once.
"""

import argparse
import json
import shutil
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from common import WORK, prepare, read_preset, subset, table, train, train_stock, write_record

from parkdet.config import Config

OPPONENT, WITHOUT_CACHE = "stock, RAM cache", "stock, no cache"
OURS = {"parkdet": "auto", "parkdet, fp32": "fp32"}
SIZES = ((320, 8), (416, 16))  # pixels and images per batch


class Case(NamedTuple):
    """The size of a training that all sides run."""

    imgsz: int
    batch: int
    images: int
    epochs: int

    def config(self, precision: str = "auto") -> Config:
        """The vehicles preset at this size, with validation after the last epoch only."""
        training = {"imgsz": self.imgsz, "batch_size": self.batch, "precision": precision}
        return read_preset(training=training, baseline={"epochs": self.epochs, "val_period": 0})


def images_of(case: Case) -> Path:
    """The folder of the case's images, created if missing."""
    return subset(prepare(case.config()), case.images, WORK / "speed" / f"images-{case.images}")


def run_stock(case: Case, cached: bool, out: Path) -> list[float]:
    """Images per second in each epoch after the first."""
    options = ["--skip-validation", "--workers", 2, *(["--cache", "ram"] if cached else [])]
    train_stock(case.config(), images_of(case), out, *options)
    ends = json.loads((out / "seconds.json").read_text())["trained_after"]
    return [case.images / (after - before) for before, after in pairwise(ends)]


def run_ours(case: Case, precision: str, out: Path) -> list[float]:
    """Images per second in each epoch after the first."""
    config = case.config(precision)
    rows = train(config, images_of(case), out, "--workers", 2)
    return [float(row["images_per_s"]) for row in rows[1:]]


def run(side: str, case: Case, round_: int) -> list[float]:
    """One run of one side, in a fresh folder."""
    name = f"{case.imgsz}-{side.replace(', ', '-').replace(' ', '-')}-{round_}"
    out = WORK / "speed" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if side in OURS:
        speeds = run_ours(case, OURS[side], out)
    else:
        speeds = run_stock(case, side == OPPONENT, out)
    print(f"{name}: {', '.join(f'{speed:.1f}' for speed in speeds)} images/s", flush=True)
    return speeds


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Runs all sides in turns; for each, a list per round of its epochs' images per second."""
    speeds: dict[str, list[list[float]]] = {}
    for round_ in range(rounds):
        for side in (OPPONENT, *OURS):
            speeds.setdefault(side, []).append(run(side, case, round_))
    speeds[WITHOUT_CACHE] = [run(WITHOUT_CACHE, case, 0)]
    medians = {side: median_of(found) for side, found in speeds.items()}
    ratios = {side: medians[side] / medians[OPPONENT] for side in OURS}
    pairs = {
        side: [
            statistics.median(ours) / statistics.median(stock)
            for ours, stock in zip(speeds[side], speeds[OPPONENT], strict=True)
        ]
        for side in OURS
    }
    return {**case._asdict(), "images_per_s": speeds, "ratio": ratios, "ratio_by_round": pairs}


def median_of(rounds: list[list[float]]) -> float:
    """The median over all epochs of all rounds."""
    return statistics.median(speed for epochs in rounds for speed in epochs)


def rows_of(found: dict[str, Any]) -> list[list[str]]:
    """A case's rows in the table."""
    rows = []
    for side, rounds in found["images_per_s"].items():
        every, median = [speed for epochs in rounds for speed in epochs], median_of(rounds)
        ratio = ""
        if side in found["ratio"]:
            pairs = ", ".join(f"{pair:.2f}" for pair in found["ratio_by_round"][side])
            ratio = f"{found['ratio'][side]:.2f} ({pairs})"
        speed = f"{median:.1f} ({min(every):.1f} to {max(every):.1f})"
        seconds = f"{found['images'] / median:.2f}"
        rows.append([f"{found['imgsz']}, {found['batch']}", side, speed, seconds, ratio])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=240, help="images to train on")
    parser.add_argument("--epochs", type=int, default=3, help="the first is not counted")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cases = [
        measure(Case(imgsz, batch, arguments.images, arguments.epochs), arguments.rounds)
        for imgsz, batch in SIZES
    ]
    write_record("train", {"cases": cases})
    header = ["pixels, batch", "side", "images/s: median (range)", "s per epoch"]
    header.append(f"speedup over {OPPONENT} (by round)")
    print(table(header, [row for found in cases for row in rows_of(found)]))


if __name__ == "__main__":
    main()
