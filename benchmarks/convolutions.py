"""How fast a CPU computes the convolutions of a training step, next to a plain matrix product.

Each convolution of yolov5n runs alone, in bf16 and channels last, with the shapes it has in
training: the forward pass, the gradient of its input and the gradient of its weights. The medians
of all layers are added up. A large matrix product shows how fast this arithmetic can be here.
"""

import argparse
import math
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

PASSES = ("forward", "gradient of the input", "gradient of the weights")
SIDE = 4096  # of the matrices: large enough that overhead does not matter
ROUNDS, RUNS = 5, 3  # rounds over all layers, and consecutive runs of a layer in each


def milliseconds(run: Callable[[], object]) -> float:
    """The median over ``RUNS`` runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def convolutions(imgsz: int, batch: int) -> list[tuple[torch.nn.Conv2d, tuple[int, ...]]]:
    """The model's convolutions in order, each with the shape of its input."""
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


def times(convolution: torch.nn.Conv2d, shape: tuple[int, ...]) -> list[float]:
    """Milliseconds per pass; 0 for the gradient of the model's input, which is never computed."""
    weights = convolution.weight.detach().bfloat16().contiguous(memory_format=torch.channels_last)
    images = torch.randn(shape).bfloat16().contiguous(memory_format=torch.channels_last)
    sizes = convolution.stride, convolution.padding, convolution.dilation
    forward = partial(torch.conv2d, images, weights, None, *sizes)
    backward = partial(
        torch.ops.aten.convolution_backward,
        *(torch.randn_like(forward()), images, weights, None, *sizes, False, (0, 0), 1),
    )
    found = [milliseconds(forward)]
    for wanted in ([shape[1] != 3, False, False], [False, True, False]):
        found.append(milliseconds(partial(backward, wanted)) if any(wanted) else 0.0)
    return found


def operations(convolution: torch.nn.Conv2d, shape: tuple[int, ...]) -> int:
    """Floating-point operations of a pass: a multiplication and an addition per product."""
    pixels = shape[0] * math.prod(size // convolution.stride[0] for size in shape[2:])
    return 2 * pixels * convolution.weight.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imgsz", type=int, default=416)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    keep_freed_memory()
    left, right = (torch.randn(SIDE, SIDE).bfloat16() for _ in range(2))
    layers = convolutions(arguments.imgsz, arguments.batch_size)
    rounds, products = [], []
    for _ in range(ROUNDS):
        rounds.append([times(*layer) for layer in layers])
        products.append(milliseconds(partial(torch.matmul, left, right)))
    counts = [operations(*layer) for layer in layers]
    rows, whole = [], {"gigaflop": 0.0, "milliseconds": 0.0}
    for place, name in enumerate(PASSES):
        taken = [statistics.median(r[layer][place] for r in rounds) for layer in range(len(layers))]
        row = {
            "gigaflop": sum(n for n, t in zip(counts, taken, strict=True) if t) / 1e9,
            "milliseconds": sum(taken),
        }
        rows.append((name, row))
        whole = {key: whole[key] + value for key, value in row.items()}
    rows.append(("all", whole))
    product = {"gigaflop": 2 * SIDE**3 / 1e9, "milliseconds": statistics.median(products)}
    batch = arguments.batch_size
    write_record(
        f"convolutions-{arguments.imgsz}", {"batch": batch, **dict(rows), "product": product}
    )
    lines = [
        [name, f"{row['gigaflop'] / batch:.2f}", f"{row['milliseconds'] / batch:.1f}", speed(row)]
        for name, row in rows
    ]
    lines.append([f"matrix product, {SIDE} by {SIDE}", "", "", speed(product)])
    print(table(["", "GFLOP per image", "ms per image", "GFLOP/s"], lines))


def speed(row: dict[str, float]) -> str:
    """Speed in GFLOP/s."""
    return f"{row['gigaflop'] / row['milliseconds'] * 1000:.0f}"


if __name__ == "__main__":
    main()
