"""Accuracy at equal time: what parkdet reaches in the time of stock yolov5's 12 epochs.

The number of epochs is 12 times the speedup that `make bench-train` measured at the preset's image
and batch size, rounded down; the schedule spans that number. Stock's figures are those of
`make bench-accuracy`. Finished runs are not repeated; interrupted ones resume.
"""

import argparse
import json

from common import RECORDS, WORK, read_preset, table, train_and_score, write_record


def measured_ratio(imgsz: int, batch: int) -> float:
    """The training speedup over stock with its RAM cache, from train.py's record."""
    cases = json.loads((RECORDS / "train.json").read_text())["cases"]
    speeds = {(case["imgsz"], case["batch"]): case["ratio"]["parkdet"] for case in cases}
    return speeds[imgsz, batch]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ratio", type=float, help="default: as measured by train.py")
    arguments = parser.parse_args()
    preset = read_preset()
    ratio = arguments.ratio
    if ratio is None:
        ratio = measured_ratio(preset.training.imgsz, preset.training.batch_size)
    epochs = int(ratio * preset.baseline.epochs)
    runs = {}
    for seed in arguments.seeds:
        config = read_preset(training={"seed": seed}, baseline={"epochs": epochs})
        runs[seed] = train_and_score(config, WORK / preset.run / f"{epochs}-epochs-seed{seed}")
        print(f"seed {seed}, {epochs} epochs: {runs[seed]}", flush=True)
    write_record("equal-time", {"ratio": ratio, "epochs": epochs, "runs": runs})
    rows = [
        [f"seed {seed}", str(epochs), f"{found['ap50']:.3f}", f"{found['ap']:.3f}"]
        for seed, found in runs.items()
    ]
    print(table(["", "epochs", "AP50", "AP"], rows))


if __name__ == "__main__":
    main()
