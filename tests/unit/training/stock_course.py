"""Runs the installed yolov5's own train() over recorded batches. A program of test_fidelity.py.

    stock_course.py FOLDER

FOLDER/given.pt holds the batches, labels and sizes, hyperparameters, options and which year's
course to run; the final weights of its model and its average are written to FOLDER/course.pt.
"""

import sys
import types
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from stock import made_to_run, stock_options, without_validation


class Recorded:
    """Stands in for yolov5's loader: each iteration yields the batches of the next epoch."""

    num_workers = 0

    def __init__(self, epochs):
        self._epochs = iter(epochs)
        self._length = len(epochs[0])

    def __len__(self):
        return self._length

    def __iter__(self):
        for images, targets in next(self._epochs):
            yield images, targets, (), ()


def as_in_2022(train):
    """Removes the clipping, and puts the norm group where the warm-up takes it for the biases."""
    build = train.smart_optimizer

    def norm_first(*args, **kwargs):
        optimizer = build(*args, **kwargs)
        optimizer.param_groups.insert(0, optimizer.param_groups.pop())
        return optimizer

    train.smart_optimizer = norm_first
    torch.nn.utils.clip_grad_norm_ = lambda *args, **kwargs: None


def main(folder):
    train = made_to_run()
    given = torch.load(folder / "given.pt")  # made_to_run lets it read paths and arrays
    if given["as_in_2022"]:
        as_in_2022(train)
    without_validation(train)
    dataset = types.SimpleNamespace(labels=given["labels"], shapes=given["sizes"])
    loaders = iter([Recorded(given["epochs"]), None])  # the second is the val set's
    train.create_dataloader = lambda *args, **kwargs: (next(loaders), dataset)
    from yolov5.utils.callbacks import Callbacks

    seen = {}
    average_of = train.ModelEMA
    train.ModelEMA = lambda model: seen.setdefault("average", average_of(model))
    callbacks = Callbacks()
    callbacks.register_action(
        "on_train_batch_end", callback=lambda model, *_: seen.update(model=model)
    )
    opt = stock_options(train, out=folder / "stock", **given["options"])
    train.train(given["hyp"], opt, torch.device("cpu"), callbacks)
    course = {
        "model": seen["model"].state_dict(),
        "average": seen["average"].ema.state_dict(),
        "steps": seen["average"].updates,
    }
    torch.save(course, folder / "course.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
