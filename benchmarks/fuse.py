"""Time to fuse the detections of three detectors on one image, 300 boxes each.

The boxes lie at random places on 1920x1080 pixels; all three detectors find each of them, a few
pixels apart. The two methods are timed in turns; the fastest of 20 rounds counts.
"""

import argparse
import time

import numpy
from common import table, write_record

from parkdet.inference.detect import ImageDetections
from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf

BOXES, DETECTORS, ROUNDS = 300, 3, 20
SIZE = (1920, 1080)


def detections(classes: int) -> list[ImageDetections]:
    generator = numpy.random.default_rng(0)
    centres = generator.uniform(0, SIZE, (BOXES, 2))
    halves = generator.uniform(10, 100, (BOXES, 2))
    results = []
    for _ in range(DETECTORS):
        moved = centres + generator.normal(0, 6, centres.shape)
        boxes = numpy.hstack((moved - halves, moved + halves)).clip(0, SIZE * 2)
        scores = generator.uniform(0.01, 1, BOXES).astype(numpy.float32)
        labels = numpy.arange(BOXES) % classes
        results.append(ImageDetections(1, boxes.astype(numpy.float32), scores, labels))
    return results


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    found = {}
    for classes in (1, 14):
        results = detections(classes)
        best = dict.fromkeys((fuse_by_nms, fuse_by_wbf), float("inf"))
        for _ in range(ROUNDS):
            for fuse in best:
                started = time.perf_counter()
                fuse(results, 0.6, BOXES)
                best[fuse] = min(best[fuse], time.perf_counter() - started)
        found[classes] = [round(1e3 * seconds, 2) for seconds in best.values()]
    write_record("fuse", {"milliseconds": found, "boxes": BOXES, "detectors": DETECTORS})
    rows = [[str(classes), *map(str, values)] for classes, values in found.items()]
    print(table(["classes", "nms, ms per image", "wbf, ms per image"], rows))


if __name__ == "__main__":
    main()
