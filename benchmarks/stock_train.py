"""Trains with the installed yolov5's own train(), unchanged; see stock.py."""

import argparse
import json
import time
from pathlib import Path

from stock import made_to_run, stock_options, without_validation


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
    parser.add_argument("--skip-validation", action="store_true", help="its own --noval fails")
    options = vars(parser.parse_args())
    out, hyp = options["out"], options.pop("hyp")
    train = made_to_run()
    if options.pop("skip_validation"):
        without_validation(train)
    import torch
    from yolov5.utils.callbacks import Callbacks

    opt = stock_options(train, **options)
    if hyp:
        opt.hyp = str(hyp)
    callbacks, ends = Callbacks(), []
    callbacks.register_action(
        "on_train_epoch_end", callback=lambda epoch: ends.append(time.perf_counter())
    )
    started = time.perf_counter()
    train.train(str(opt.hyp), opt, torch.device("cpu"), callbacks)
    record = {
        "seconds": time.perf_counter() - started,
        "trained_after": [end - started for end in ends],  # each epoch's last batch
    }
    (out / "seconds.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
