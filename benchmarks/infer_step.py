"""Where the time of a detection goes: milliseconds per image in each phase, on one thread.

The total is measured too: the same images on as many threads as there are cores, each thread
running all phases of an image (`detect`), and the layers alone on the same threads.
"""

import argparse
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path

os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "8192"  # as infer.py sets it

import torch
from common import table, write_record
from photographs import SPEED, photographs, weights

from parkdet.detector.checkpoints import load_checkpoint, model_from_checkpoint
from parkdet.detector.fast import FastDetector
from parkdet.detector.suppression import non_max_suppression
from parkdet.inference.detect import DetectSettings, detect
from parkdet.inference.letterbox import image_size, load_picture, padded_shape
from parkdet.inference.sources import read_images
from parkdet.inference.streams import start_streams
from parkdet.memory import keep_freed_memory

CPU = torch.device("cpu")
PHASES = ("header", "decoding, scaling", "to floats", "layers", "boxes", "suppression")
CONFIDENCE, IOU, MOST = SPEED.values()


@torch.inference_mode()
def phases(path: Path, detector: FastDetector, imgsz: int) -> tuple[list[float], torch.Tensor]:
    """Milliseconds per phase, and the image as the layers get it."""
    times = [time.perf_counter()]
    shape = padded_shape(*image_size(path), imgsz, 32)
    times.append(time.perf_counter())
    picture = load_picture(path, imgsz, shape)
    times.append(time.perf_counter())
    image = torch.from_numpy(picture.pixels[None]).permute(0, 3, 1, 2).float().div_(255)
    times.append(time.perf_counter())
    features = detector.body(image)
    times.append(time.perf_counter())
    candidates = detector.head.candidates(features, CONFIDENCE, slice(None))
    times.append(time.perf_counter())
    non_max_suppression(candidates, CONFIDENCE, IOU, MOST)
    times.append(time.perf_counter())
    return [(b - a) * 1000 for a, b in pairwise(times)], image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    arguments = parser.parse_args()
    keep_freed_memory()
    folder = photographs("coco-traffic", arguments.images)
    sources = read_images(folder / "images.json", folder / "images").sources
    model = model_from_checkpoint(load_checkpoint(weights()))
    detector = FastDetector(model, arguments.precision, CPU)
    settings = DetectSettings(arguments.imgsz, CONFIDENCE, IOU, MOST, False, 16)
    list(detect(detector, sources, settings, CPU))  # compiles the layers for each shape
    started = time.perf_counter()
    list(detect(detector, sources, settings, CPU))
    whole = (time.perf_counter() - started) * 1000 / len(sources)
    threads = torch.get_num_threads()
    with start_streams(threads) as pool:
        found = [pool.submit(phases, s.path, detector, arguments.imgsz).result() for s in sources]
        started = time.perf_counter()
        compute = torch.inference_mode()(detector.body)
        list(pool.map(compute, [image for _, image in found]))
        layers = (time.perf_counter() - started) * 1000 / len(sources)
    medians = [
        statistics.median(times) for times in zip(*(times for times, _ in found), strict=True)
    ]
    names = [*PHASES, f"layers alone, {threads} threads", f"all, {threads} threads"]
    rows = dict(zip(names, [*medians, layers, whole], strict=True))
    write_record(f"infer-step-{arguments.imgsz}", {"precision": arguments.precision, "ms": rows})
    cells = [[name, f"{value:.1f}"] for name, value in rows.items()]
    print(table(["phase", "ms per image"], cells))


if __name__ == "__main__":
    main()
