"""Detects with the installed yolov5's own val.run(), unchanged; see stock.py.

Its pass over the images is timed, from the first request for a batch to the written JSON file. Its
next step, scoring the file against a ground truth that is not there, is left out.
"""

import argparse
import json
import time
from pathlib import Path

from stock import made_to_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="dataset.yaml")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--imgsz", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--conf-thres", type=float, required=True)
    parser.add_argument("--iou-thres", type=float, required=True)
    parser.add_argument("--max-det", type=int, required=True)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--no-time-limit", action="store_true", help="of its suppression")
    options = vars(parser.parse_args())
    out, unlimited = options.pop("out"), options.pop("no_time_limit")
    options |= {name: str(options[name]) for name in ("data", "weights")}
    val = made_to_run().validate
    import torch
    from yolov5.utils import general
    from yolov5.utils.callbacks import Callbacks

    if unlimited:
        general.time = argparse.Namespace(time=lambda: 0.0)
    times = []

    def written(*_: object) -> None:
        times.append(time.perf_counter())
        raise RuntimeError("not to be scored here")  # it only logs this

    val.check_requirements = written
    callbacks = Callbacks()
    callbacks.register_action("on_val_start", callback=lambda: times.append(time.perf_counter()))
    val.run(
        **options,
        task="test",
        device="cpu",
        save_json=True,
        plots=False,
        project=str(out.parent),
        name=out.name,
        exist_ok=True,
        callbacks=callbacks,
    )
    record = {"seconds": times[1] - times[0], "threads": torch.get_num_threads()}
    (out / "seconds.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
