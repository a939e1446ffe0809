"""Runs the installed yolov5's own train(), unchanged, so that ours can be measured against it.

What stands in its way beside today's packages is put right from outside: parkdet.detector.compat
for the imports, and `made_to_run` below for what only its training needs. No step of the training
is replaced.
"""

import argparse
import json
import sys
import time
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


def made_to_run() -> types.ModuleType:
    """The module yolov5.train, importable, reading its own checkpoints and fetching nothing."""
    import numpy as np
    import torch

    import parkdet.detector.compat  # noqa: F401

    roboflow = types.ModuleType("yolov5.utils.roboflow")
    roboflow.RoboflowConnector = None
    sys.modules.setdefault("yolov5.utils.roboflow", roboflow)
    np.trapz = np.trapezoid  # gone from numpy 2.4, used by its metrics
    trusting_load = torch.load
    torch.load = lambda *args, **kwargs: trusting_load(*args, **{"weights_only": False} | kwargs)
    from yolov5 import train
    from yolov5.models import experimental
    from yolov5.utils import general

    general.check_font = lambda *args, **kwargs: None  # would fetch Arial.ttf
    train.attempt_download_from_hub = lambda *args, **kwargs: None  # would ask a model hub
    train.attempt_download = lambda weights, **kwargs: weights
    experimental.attempt_download = lambda weights, **kwargs: weights
    # its last validation unpickles `models.yolo`, which train.py's sys.path entry provides
    return train


def options(arguments: argparse.Namespace, train: types.ModuleType) -> argparse.Namespace:
    """yolov5's own defaults with what is compared set on top."""
    argv, sys.argv = sys.argv, ["train.py"]
    try:
        opt = train.parse_opt(known=True)
    finally:
        sys.argv = argv
    ours = vars(arguments)
    for name in ("epochs", "batch_size", "imgsz", "workers", "seed"):
        setattr(opt, name, ours[name])
    opt.weights, opt.data = str(arguments.weights.resolve()), str(arguments.data.resolve())
    opt.save_dir = str(arguments.out.resolve())
    opt.noplots, opt.device, opt.cache = True, "cpu", arguments.cache  # its noval fails
    return opt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="dataset.yaml")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--hyp", type=Path, help="hyperparameters; default: yolov5's own")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--imgsz", type=int, default=416)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", choices=["ram", "disk"])
    arguments = parser.parse_args()
    train = made_to_run()
    import torch
    from yolov5.utils.callbacks import Callbacks

    opt = options(arguments, train)
    if arguments.hyp:
        opt.hyp = str(arguments.hyp)
    started = time.perf_counter()
    train.train(str(opt.hyp), opt, torch.device("cpu"), Callbacks())
    seconds = time.perf_counter() - started
    (arguments.out / "seconds.json").write_text(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
