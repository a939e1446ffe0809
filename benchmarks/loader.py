"""Loading alone: milliseconds an image, the installed yolov5's loader against this.

Both make training pictures (mosaics, with the augmentation of yolov5's defaults) from the same
files, with and without keeping decoded images in memory, in the main process and in two loading
processes, one thread each. The first epoch, which fills caches, is not counted. Two sets: the
vehicles' photographs, and PNGs of 1920x1080 pixels made of them, scaled up and with a little
noise, as a camera of parking lots might give.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from common import WORK, prepare, read_preset, table, write_record
from stock import made_to_run

from parkdet.data.samplers import EpochBatches, EpochOrder
from parkdet.data.training_set import Recipe, TrainingSet, read_part
from parkdet.hyperparameters import Hyperparameters
from parkdet.training.loader import build_loader, close_loader

SEED, NOISE = 0, 2.0  # standard deviation in grey levels
WIDTH, HEIGHT = 1920, 1080
HYP = Hyperparameters()


class Case(NamedTuple):
    """A set, and how its pictures are made."""

    name: str
    dataset: Path
    imgsz: int
    batch: int


def make_pngs(source: Path, count: int, out: Path) -> Path:
    """A set of ``count`` large PNGs from the first photographs of another, with their boxes."""
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
        text = labels.with_suffix(".txt").read_text()  # boxes from elsewhere cost the same
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
    """The loader of this, an epoch at a time."""
    part = read_part(case.dataset / "dataset.yaml", "train")
    order = EpochOrder(len(part.images), SEED, "baseline")
    batches = EpochBatches(order, case.batch)
    recipe = Recipe(case.imgsz, HYP, mosaic_epochs=1000, seed=SEED, stage=0)
    dataset = TrainingSet(part, recipe, order, int(2e9) if cached else 0)
    loader = build_loader(dataset, batches, workers, torch.device("cpu"))
    try:
        for epoch in range(1000):
            batches.start_at(epoch)
            yield loader
    finally:
        close_loader(loader)


def stock_epochs(case: Case, cached: bool, workers: int) -> Iterator[Iterable]:
    """The loader of yolov5, an epoch at a time."""
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


def milliseconds(epochs: Iterator[Iterable], images: int, counted: int) -> float:
    """Time an image over some epochs after the first."""
    for _ in next(epochs):
        pass
    started = time.perf_counter()
    for _ in range(counted):
        for _ in next(epochs):
            pass
    elapsed = time.perf_counter() - started
    epochs.close()
    return 1000 * elapsed / (images * counted)


def measure(case: Case, counted: int) -> dict[str, Any]:
    """All ways to load a set."""
    paths = [case.dataset / line for line in (case.dataset / "train.txt").read_text().split("\n")]
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    found = []
    for cached in (False, True):
        for workers in (0, 2):
            for side, epochs in (("stock", stock_epochs), ("parkdet", our_epochs)):
                spent = milliseconds(epochs(case, cached, workers), len(sizes), counted)
                row = {"side": side, "cached": cached, "workers": workers, "ms": spent}
                found.append(row)
                print(f"{case.name}: {row}", flush=True)
    kilobytes = sum(sizes) / len(sizes) / 1000
    return {
        "name": case.name,
        "imgsz": case.imgsz,
        "images": len(sizes),
        "mean_kilobytes": round(kilobytes),
        "ways": found,
    }


def report(cases: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    header = ["set", "decoded images", "loading processes", "stock, ms an image", "parkdet"]
    rows = []
    for case in cases:
        for stock, ours in zip(case["ways"][::2], case["ways"][1::2], strict=True):
            kept = "kept in memory" if stock["cached"] else "not kept"
            processes = str(stock["workers"] or "the main one")
            rows.append([case["name"], kept, processes, f"{stock['ms']:.1f}", f"{ours['ms']:.1f}"])
    return table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pngs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=2, help="that are counted")
    arguments = parser.parse_args()
    made_to_run()
    cv2.setNumThreads(1)
    photographs = prepare(read_preset())
    pngs = make_pngs(photographs, arguments.pngs, WORK / f"loader/pngs-{arguments.pngs}")
    cases = [
        Case("JPEG 416x416, made 416 px", photographs, 416, 16),
        Case(f"PNG {WIDTH}x{HEIGHT}, made 1280 px", pngs, 1280, 4),
    ]
    found = [measure(case, arguments.epochs) for case in cases]
    write_record("loader", {"cases": found})
    print(report(found))


if __name__ == "__main__":
    sys.exit(main())
