"""How fast a CPU computes the convolutions of a training step, beside a plain matrix product.

Each convolution of yolov5n runs alone, in bf16 with channels last, with the shapes that it has in
training: forward, the gradient of its images and that of its weights. The times of all of them are
added. The bound on a step's speed that follows: no kernel of the same arithmetic is faster than
the product, and the rest of the step comes on top.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as train.py sets it

import torch
from common import table, write_record

from parkdet.detector.build import build_model
from parkdet.memory import keep_freed_memory

PASSES = ("forward", "gradient of images", "gradient of weights")
SIDE = 4096  # of the matrices: far from any overhead
ROUNDS = 7


def milliseconds(run: Callable[[], object]) -> float:
    """The median of some runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def convolutions(imgsz: int, batch: int) -> list[tuple[torch.nn.Conv2d, tuple[int, ...]]]:
    """Those of the model, in order, with the shapes of their images."""
    found = []
    model = build_model("yolov5n", classes=4, seed=0).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda module, given, _: found.append((module, tuple(given[0].shape)))
            )
    with torch.no_grad():
        model(torch.zeros(batch, 3, imgsz, imgsz))
    return found


def times(convolution: torch.nn.Conv2d, shape: tuple[int, ...]) -> tuple[int, list[float]]:
    """Floating point operations of a pass, two for a product and its sum, and milliseconds of each.

    The gradient of the model's own images is never computed, so it takes no time.
    """
    weights = convolution.weight.detach().bfloat16().contiguous(memory_format=torch.channels_last)
    images = torch.randn(shape).bfloat16().contiguous(memory_format=torch.channels_last)
    sizes = convolution.stride, convolution.padding, convolution.dilation
    forward = partial(torch.conv2d, images, weights, None, *sizes)
    gradient = torch.randn_like(forward())
    backward = partial(
        torch.ops.aten.convolution_backward,
        *(gradient, images, weights, None, *sizes, False, (0, 0), 1),
    )
    found = [milliseconds(forward)]
    for wanted in ([shape[1] != 3, False, False], [False, True, False]):
        found.append(milliseconds(partial(backward, wanted)) if any(wanted) else 0.0)
    return 2 * gradient.numel() * weights[0].numel(), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imgsz", type=int, default=416)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    keep_freed_memory()
    left, right = (torch.randn(SIDE, SIDE).bfloat16() for _ in range(2))
    product = 2 * SIDE**3 / milliseconds(partial(torch.matmul, left, right)) / 1e6
    cache: dict[tuple, tuple[int, list[float]]] = {}
    sums, operations = [0.0] * len(PASSES), [0] * len(PASSES)
    for convolution, shape in convolutions(arguments.imgsz, arguments.batch_size):
        key = (*shape, *convolution.weight.shape, *convolution.stride)
        if key not in cache:
            cache[key] = times(convolution, shape)
        count, taken = cache[key]
        for place, value in enumerate(taken):
            sums[place] += value / arguments.batch_size
            operations[place] += count // arguments.batch_size if value else 0
    rows = [
        [name, f"{count / 1e9:.2f}", f"{taken:.1f}", f"{count / taken / 1e6:.0f}"]
        for name, count, taken in zip(PASSES, operations, sums, strict=True)
    ]
    rate = sum(operations) / sum(sums) / 1e6
    rows.append(["all", f"{sum(operations) / 1e9:.2f}", f"{sum(sums):.1f}", f"{rate:.0f}"])
    rows.append(["matrix product", "", "", f"{product:.0f}"])
    write_record(
        f"convolutions-{arguments.imgsz}",
        {"operations": operations, "milliseconds": sums, "product_gflops": product},
    )
    print(table(["", "GFLOP an image", "ms an image", "GFLOP/s"], rows))


if __name__ == "__main__":
    main()
