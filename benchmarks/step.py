"""Where the time of a training step goes on a CPU, and what each of our optimizations gains.

Steps of yolov5n on random pixels, without loading: first as stock yolov5 computes them (fp32,
channels first, memory returned to the system at once), then with one more optimization at a time.
Each side runs in its own process; the sides take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from common import ROOT, table, write_record

ADDED = ("channels last", "bf16", "memory kept", "batch norm and SiLU fused", "fused optimizer")
PHASES = ("forward", "loss", "backward", "step")


def run_steps(chosen: list[str], imgsz: int, batch: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds per image in each phase, one value per step; runs in this process."""
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as train.py sets it
    if "memory kept" in chosen:
        from parkdet.memory import keep_freed_memory

        keep_freed_memory()
    import torch

    from parkdet.detector.build import build_model
    from parkdet.detector.loss import build_loss
    from parkdet.detector.norm_silu import fuse_norm_silu
    from parkdet.detector.precision import autocast, input_type
    from parkdet.hyperparameters import Hyperparameters
    from parkdet.training.ema import MovingAverage
    from parkdet.training.optimizer import build_optimizer

    precision, hyp = "bf16" if "bf16" in chosen else "fp32", Hyperparameters()
    layout = torch.channels_last if "channels last" in chosen else torch.contiguous_format
    model = build_model("yolov5n", classes=4, seed=0).to(memory_format=layout).train()
    if "batch norm and SiLU fused" in chosen:
        fuse_norm_silu(model)
    loss_of, average = build_loss(model, hyp, imgsz, 4), MovingAverage(model)
    optimizer = build_optimizer(model, "SGD", hyp, batch, 64)
    if "fused optimizer" not in chosen:
        optimizer.defaults["fused"] = False
        for group in optimizer.param_groups:
            group["fused"] = group["foreach"] = False
    pixels = torch.randint(0, 256, (batch, 3, imgsz, imgsz), dtype=torch.uint8)
    pixels = pixels.contiguous(memory_format=layout)
    boxes = torch.rand(6 * batch, 6) * 0.3
    boxes[:, 0], boxes[:, 1] = torch.arange(6 * batch) // 6, 0
    found: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for _ in range(steps):
        times = [time.perf_counter()]
        with autocast(precision, torch.device("cpu")):
            outputs = model(pixels.to(input_type(precision)).div_(255))
        times.append(time.perf_counter())
        loss, _ = loss_of([output.float() for output in outputs], boxes)
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(model)
        times.append(time.perf_counter())
        for phase, start, end in zip(PHASES, times, times[1:], strict=False):
            found[phase].append((end - start) * 1000 / batch)
    return found


def measure(count: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Medians of the side with the first ``count`` optimizations, in its own process."""
    words = [sys.executable, __file__, "--side", str(count), "--imgsz", str(arguments.imgsz)]
    words += ["--batch-size", str(arguments.batch_size), "--steps", str(arguments.steps)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    found = json.loads(done.stdout.splitlines()[-1])
    return {phase: statistics.median(values[2:]) for phase, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imgsz", type=int, default=416)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8, help="per run; two are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        sizes = (arguments.imgsz, arguments.batch_size, arguments.steps)
        print(json.dumps(run_steps(list(ADDED[: arguments.side]), *sizes)))
        return
    rounds = [
        [measure(count, arguments) for count in range(len(ADDED) + 1)]
        for _ in range(arguments.rounds)
    ]
    rows = []
    for count, name in enumerate(("as stock", *(f"+ {name}" for name in ADDED))):
        medians = {phase: statistics.median(r[count][phase] for r in rounds) for phase in PHASES}
        gains = [sum(r[0].values()) / sum(r[count].values()) for r in rounds]
        times = [f"{value:.1f}" for value in (*medians.values(), sum(medians.values()))]
        rows.append([name, *times, f"{statistics.median(gains):.2f}"])
    write_record(f"step-{arguments.imgsz}", {"measures": ADDED, "rounds": rounds})
    print(table(["", *PHASES, "all, ms per image", "speedup over stock"], rows))


if __name__ == "__main__":
    main()
