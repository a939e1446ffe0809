"""Makes the installed yolov5's own train(), unchanged, run so that ours can be compared with it.

What fails with today's packages is fixed from outside: imports by parkdet.detector.compat, and what
only training needs by `made_to_run` below. No step of the training is replaced. The fixes change
global state, so they belong in a separate process.
"""

import argparse
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


def made_to_run() -> types.ModuleType:
    """The module yolov5.train, fixed to import, read its own checkpoints and fetch nothing."""
    import numpy as np
    import torch

    import parkdet.detector.compat  # noqa: F401

    roboflow = types.ModuleType("yolov5.utils.roboflow")
    roboflow.RoboflowConnector = None
    sys.modules.setdefault("yolov5.utils.roboflow", roboflow)
    np.trapz = np.trapezoid  # its metrics use it; removed in numpy 2.4
    trusting_load = torch.load
    torch.load = lambda *args, **kwargs: trusting_load(*args, **{"weights_only": False} | kwargs)
    from yolov5 import train
    from yolov5.models import common, experimental
    from yolov5.utils import general

    general.check_font = lambda *args, **kwargs: None  # would fetch Arial.ttf
    for module in (train, common):  # would ask a model hub
        module.attempt_download_from_hub = lambda *args, **kwargs: None
    train.attempt_download = lambda weights, **kwargs: weights
    experimental.attempt_download = lambda weights, **kwargs: weights
    # its last validation unpickles `models.yolo`, which train.py's sys.path entry provides
    return train


def stock_options(
    train: types.ModuleType, data: Path, weights: Path, out: Path, **changes: object
) -> argparse.Namespace:
    """yolov5's own defaults on a CPU, without plots, with ``changes`` set on top."""
    argv, sys.argv = sys.argv, ["train.py"]
    try:
        opt = train.parse_opt(known=True)
    finally:
        sys.argv = argv
    opt.data, opt.weights, opt.save_dir = (str(path.resolve()) for path in (data, weights, out))
    opt.noplots, opt.device = True, "cpu"
    for name, value in changes.items():
        setattr(opt, name, value)
    return opt


def without_validation(train: types.ModuleType) -> None:
    """Turns off its validation, which does not change the weights; its own --noval fails."""
    train.validate.run = lambda data, **_: ((0.0,) * 7, [0.0] * data["nc"], [0.0] * data["nc"], ())
