"""Detection: the installed yolov5's own val against parkdet, in turns, with the same weights.

Speed: images per second with and without test-time augmentation, with the settings of the 2022 run
(confidence 0.01, IoU 0.7, 50 boxes), each run in its own process. The pass over the images is
timed: decoding, scaling, the detector, suppression and writing. On our side that is all of
scripts/infer.py except its imports.

Accuracy: AP of both on photographs with ground truth. Here stock gets batches of one image, so that
its padding does not depend on an image's neighbours, and no time limit for its suppression. The
files of both are scored after rounding to our format, 0.1 pixels and 4 decimals of the score.
"""

import argparse
import json
import runpy
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from common import ROOT, run_script, table, write_record
from photographs import OUT, SPEED, photographs, truth_of, weights

from parkdet.detector.checkpoints import load_checkpoint
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.files import read_json
from parkdet.submission.records import Detection, detection, read_detections

STOCK = "stock"
OURS = {"parkdet": "auto", "parkdet, fp32": "fp32"}
ACCURACY = {"conf-thres": 0.001, "iou-thres": 0.6, "max-det": 300}
ACCURACY_SETS = [
    ("coco-traffic", "test", 640),
    ("vehicles", "test", 416),
    ("vehicles", "train", 416),
]
"""Nothing is trained here, so the 564 training photographs can serve as a larger test set."""


class Case(NamedTuple):
    """The images that all sides detect on, and the settings."""

    folder: Path
    imgsz: int
    batch: int
    tta: bool


def run(side: str, case: Case, limits: dict[str, float], time_limit: bool = True) -> Path:
    """Detects with one side; returns the folder of its ``seconds.json`` and detections."""
    out = OUT / "run"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if side == STOCK:
        options = [f"--data={case.folder}/dataset.yaml", f"--weights={weights()}", f"--out={out}"]
        options += [f"--imgsz={case.imgsz}", f"--batch-size={case.batch}"]
        options += [f"--{name}={limit}" for name, limit in limits.items()]
        options += ["--augment"] if case.tta else []
        options += [] if time_limit else ["--no-time-limit"]
        run_script("benchmarks/stock_val.py", *options, log=OUT / "log.txt")
        (out / f"{weights().stem}_predictions.json").rename(out / "detections.json")
    else:
        words = [f"--weights={weights()}", f"--images={case.folder}/images.json"]
        words += [f"--image-dir={case.folder}/images", f"--out={out}/detections.json"]
        words += [f"--imgsz={case.imgsz}", f"--batch-size={case.batch}"]
        words += [f"--precision={OURS[side]}", "--device=cpu", *(["--tta"] if case.tta else [])]
        names = ("conf", "iou", "max-det")
        words += [f"--{name}={limit}" for name, limit in zip(names, limits.values(), strict=True)]
        run_script("benchmarks/infer.py", "--here", *words, log=OUT / "log.txt")
    return out


def detect_here(words: list[str]) -> None:
    """Runs our side in this process: scripts/infer.py, timed from reading the weights onwards."""
    program = runpy.run_path(str(ROOT / "scripts/infer.py"))
    options = program["build_parser"]().parse_args(words)
    import parkdet.inference.ensemble  # noqa: F401  its imports are not timed

    started = time.perf_counter()
    program["main"](options)
    record = {"seconds": time.perf_counter() - started}
    (options.out.parent / "seconds.json").write_text(json.dumps(record))


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Runs all sides in turns: images per second in each round, and the speedups over stock."""
    count = len(json.loads((case.folder / "images.json").read_text())["images"])
    speeds: dict[str, list[float]] = {side: [] for side in (STOCK, *OURS)}
    for _ in range(rounds):
        for side, found in speeds.items():
            seconds = json.loads((run(side, case, SPEED) / "seconds.json").read_text())["seconds"]
            found.append(count / seconds)
            print(f"{case.imgsz}, TTA {case.tta}, {side}: {found[-1]:.1f} images/s", flush=True)
    median = {side: statistics.median(found) for side, found in speeds.items()}
    ratios = {side: median[side] / median[STOCK] for side in OURS}
    named = {"imgsz": case.imgsz, "batch": case.batch, "tta": case.tta, "images": count}
    return {**named, "images_per_s": speeds, "ratio": ratios}


def compare(name: str, part: str, imgsz: int, tta: bool) -> dict[str, Any]:
    """AP and AP50 of each side on one part of a set."""
    truth, folder = read_json(truth_of(name, part)), photographs(name, part=part)
    classes = load_checkpoint(weights()).names
    ids = {classes.index(c["name"]): c["id"] for c in truth["categories"] if c["name"] in classes}
    known = {**truth, "categories": [c for c in truth["categories"] if c["id"] in ids.values()]}
    known["annotations"] = [a for a in truth["annotations"] if a["category_id"] in ids.values()]
    scores = {}
    for side in (STOCK, *OURS):
        case = Case(folder, imgsz, 1 if side == STOCK else 16, tta)
        out = run(side, case, ACCURACY, time_limit=False)
        metrics = evaluate(known, translated(read_detections(out / "detections.json"), ids))
        scores[side] = {"ap": metrics.ap, "ap50": metrics.ap50}
        print(f"{name}, {part}, TTA {tta}, {side}: {scores[side]}", flush=True)
    return {"set": name, "part": part, "imgsz": imgsz, "tta": tta, "scores": scores}


def translated(found: list[Detection], ids: dict[int, int]) -> list[Detection]:
    """Detections with the set's category ids, rounded as in our format, without other classes."""
    return [
        detection(each.image_id, ids[each.category_id], (x, y, x + width, y + height), each.score)
        for each in found
        if each.category_id in ids
        for x, y, width, height in [each.bbox]
    ]


def speed_rows(found: dict[str, Any]) -> list[list[str]]:
    """A case's rows in the table of speeds."""
    case = f"{found['imgsz']}, {'with' if found['tta'] else 'without'}"
    return [
        [
            *(
                case,
                side,
                f"{statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f})",
            ),
            f"{found['ratio'][side]:.2f}" if side in found["ratio"] else "",
        ]
        for side, speeds in found["images_per_s"].items()
    ]


def accuracy_rows(found: dict[str, Any]) -> list[list[str]]:
    """A set's rows in the table of AP."""
    case = f"{found['set']}, {found['part']}, {found['imgsz']}"
    case += f", {'with' if found['tta'] else 'without'}"
    stock = found["scores"][STOCK]["ap"]
    return [
        [
            *(case, side, f"{score['ap']:.5f}", f"{score['ap50']:.5f}"),
            f"{100 * (score['ap'] - stock):+.3f}" if side in OURS else "",
        ]
        for side, score in found["scores"].items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 1536], metavar="PIXELS")
    parser.add_argument("--images", type=int, nargs="+", default=[128, 32], help="for each size")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-accuracy", action="store_true")
    if sys.argv[1:2] == ["--here"]:
        detect_here(sys.argv[2:])
        return
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    speeds = [
        measure(
            Case(photographs("coco-traffic", images), imgsz, arguments.batch_size, tta),
            arguments.rounds,
        )
        for imgsz, images in zip(arguments.sizes, arguments.images, strict=True)
        for tta in (False, True)
    ]
    sets = [] if arguments.skip_accuracy else ACCURACY_SETS
    accuracy = [compare(*photos, tta) for photos in sets for tta in (False, True)]
    write_record("infer", {"speed": speeds, "accuracy": accuracy})
    header = ["pixels, TTA", "side", "images/s: median (range)", "speedup over stock"]
    print(table(header, [row for found in speeds for row in speed_rows(found)]))
    header = ["set, part, pixels, TTA", "side", "AP", "AP50", "AP minus stock's, points"]
    print(table(header, [row for found in accuracy for row in accuracy_rows(found)]))


if __name__ == "__main__":
    main()
