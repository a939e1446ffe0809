"""Loading alone: milliseconds per image, the installed yolov5's loader against parkdet's.

Both make training images (mosaics, augmented as by yolov5's defaults) from the same files, with and
without decoded images kept in memory, in the main process and in two loader workers, one thread
each. The first epoch, which fills caches, is not counted. There are two sets: the vehicles
photographs, and 1920x1080 PNGs made from them, scaled up and with a little noise, as a parking-lot
camera might produce. Each run has its own process and the sides take turns; ours keeps freed
memory, as train.py does, stock's does not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from common import ROOT, WORK, prepare, read_preset, table, write_record
from stock import made_to_run

from parkdet.data.samplers import EpochBatches, EpochOrder
from parkdet.data.training_set import Recipe, TrainingSet, read_split
from parkdet.hyperparameters import Hyperparameters
from parkdet.memory import keep_freed_memory
from parkdet.training.loader import build_loader, close_loader

SEED, NOISE = 0, 2.0  # standard deviation in grey levels
WIDTH, HEIGHT = 1920, 1080
HYP = Hyperparameters()


class Case(NamedTuple):
    """A set, and how training images are made from it."""

    name: str
    dataset: Path
    imgsz: int
    batch: int


def make_pngs(source: Path, count: int, out: Path) -> Path:
    """Makes ``count`` large PNGs from the first photographs of a set, with their boxes."""
    if (out / "dataset.yaml").exists():
        return out
    for folder in ("images/train", "labels/train"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    truth = json.loads((source / "train.json").read_text())
    generator, lines = np.random.default_rng(SEED), []
    for number, line in enumerate((source / "train.txt").read_text().splitlines()[:count]):
        photograph = cv2.imread(str(source / line))
        height = round(photograph.shape[1] * HEIGHT / WIDTH)
        image = cv2.resize(photograph[:height], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        noisy = image + generator.normal(0, NOISE, image.shape)
        name = f"{number:04d}"
        cv2.imwrite(str(out / f"images/train/{name}.png"), noisy.clip(0, 255).astype(np.uint8))
        labels = source / line.replace("images", "labels", 1)
        text = labels.with_suffix(".txt").read_text()  # misplaced boxes cost the same
        (out / f"labels/train/{name}.txt").write_text(text)
        lines.append(f"./images/train/{name}.png\n")
        truth["images"][number] |= {
            "file_name": f"{name}.png",
            "width": WIDTH,
            "height": HEIGHT,
        }
    truth["images"] = truth["images"][:count]
    (out / "train.txt").write_text("".join(lines))
    (out / "train.json").write_text(json.dumps(truth))
    (out / "dataset.yaml").write_text("train: train.txt\n")
    return out


def our_epochs(case: Case, cached: bool, workers: int) -> Iterator[Iterable]:
    """Our loader, one epoch at a time."""
    split = read_split(case.dataset / "dataset.yaml", "train")
    order = EpochOrder(len(split.images), SEED, "baseline")
    batches = EpochBatches(order, case.batch)
    recipe = Recipe(case.imgsz, HYP, mosaic_epochs=1000, seed=SEED, stage=0)
    dataset = TrainingSet(split, recipe, order, int(2e9) if cached else 0)
    loader = build_loader(dataset, batches, workers, torch.device("cpu"))
    try:
        for epoch in range(1000):
            batches.start_at(epoch)
            yield loader
    finally:
        close_loader(loader)


def stock_epochs(case: Case, cached: bool, workers: int) -> Iterator[Iterable]:
    """yolov5's loader, one epoch at a time."""
    from yolov5.utils.dataloaders import create_dataloader

    loader, _ = create_dataloader(
        str(case.dataset / "train.txt"),
        case.imgsz,
        case.batch,
        32,
        hyp=HYP.model_dump(),
        augment=True,
        cache="ram" if cached else None,
        workers=workers,
        shuffle=True,
    )
    while True:
        yield loader


SIDES = {"stock": stock_epochs, "parkdet": our_epochs}


def milliseconds(epochs: Iterator[Iterable], images: int, counted: int) -> float:
    """Time per image over the ``counted`` epochs after the first."""
    for _ in next(epochs):
        pass
    started = time.perf_counter()
    for _ in range(counted):
        for _ in next(epochs):
            pass
    elapsed = time.perf_counter() - started
    epochs.close()
    return 1000 * elapsed / (images * counted)


def run_here(case: Case, arguments: argparse.Namespace) -> float:
    """Runs one side in this process; returns milliseconds per image."""
    if arguments.side == "parkdet":
        keep_freed_memory()
    made_to_run()
    cv2.setNumThreads(1)
    epochs = SIDES[arguments.side](case, arguments.kept, arguments.workers)
    return milliseconds(epochs, len(image_sizes(case)), arguments.epochs)


def run_apart(number: int, side: str, kept: bool, workers: int, epochs: int) -> float:
    """Runs one side in its own process; returns milliseconds per image."""
    words = [sys.executable, __file__, "--case", number, "--side", side, "--workers", workers]
    words += ["--epochs", epochs, *(["--kept"] if kept else [])]
    done = subprocess.run(
        list(map(str, words)), check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return float(done.stdout.splitlines()[-1])


def image_sizes(case: Case) -> list[int]:
    """The size of each image file in bytes."""
    lines = (case.dataset / "train.txt").read_text().splitlines()
    return [(case.dataset / line).stat().st_size for line in lines]


def measure(number: int, case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Loads a set in all ways; for each, the milliseconds per image of each run."""
    ways = []
    for kept in (False, True):
        for workers in (0, 2):
            spent: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(arguments.rounds):
                for side, found in spent.items():
                    found.append(run_apart(number, side, kept, workers, arguments.epochs))
            ways.append({"kept": kept, "workers": workers, "ms": spent})
            print(f"{case.name}: {ways[-1]}", flush=True)
    kilobytes = round(statistics.mean(image_sizes(case)) / 1000)
    return {"name": case.name, "imgsz": case.imgsz, "mean_kilobytes": kilobytes, "ways": ways}


def report(cases: list[dict[str, Any]]) -> str:
    """The figures as Markdown: medians over the runs."""
    header = ["set", "decoded images", "loader workers", "stock, ms per image"]
    header.append("parkdet, ms per image")
    rows = []
    for case in cases:
        for way in case["ways"]:
            kept = "kept in memory" if way["kept"] else "not kept"
            medians = [f"{statistics.median(found):.1f}" for found in way["ms"].values()]
            rows.append([case["name"], kept, str(way["workers"]), *medians])
    return table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pngs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=2, help="counted per run")
    parser.add_argument("--rounds", type=int, default=3)
    for hidden in ("--case", "--workers"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    photographs = prepare(read_preset())
    pngs = make_pngs(photographs, arguments.pngs, WORK / f"loader/pngs-{arguments.pngs}")
    cases = [
        Case("JPEG 416x416, made 416 px", photographs, 416, 16),
        Case(f"PNG {WIDTH}x{HEIGHT}, made 1280 px", pngs, 1280, 4),
    ]
    if arguments.side:
        print(run_here(cases[arguments.case], arguments))
        return
    found = [measure(number, case, arguments) for number, case in enumerate(cases)]
    write_record("loader", {"cases": found})
    print(report(found))


if __name__ == "__main__":
    main()
