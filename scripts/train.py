"""Trains a detector on a prepared set; after an interruption, the same command resumes it."""

import argparse
import os
import sys
from pathlib import Path

from parkdet.command_line import real_number, run, whole_number


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__)
    _add_files(parser)
    _add_course(parser)
    _add_optimization(parser)
    _add_selection(parser)
    _add_machine(parser)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument(
        "--dataset", type=Path, required=True, metavar="YAML", help="dataset.yaml of a prepared set"
    )
    start = files.add_mutually_exclusive_group(required=True)
    start.add_argument("--weights", type=Path, metavar="PT", help="starting weights")
    start.add_argument("--arch", metavar="NAME", help="start from random weights, e.g. yolov5n")
    files.add_argument(
        "--state-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="keeps the state that an interrupted training resumes from",
    )
    files.add_argument(
        "--checkpoint-minutes",
        type=real_number(least=0),
        default=10.0,
        metavar="F",
        help="longest time between two saved states (default 10); 0: at the ends of epochs only",
    )
    files.add_argument("--last", type=Path, required=True, metavar="PT", help="final weights")
    files.add_argument(
        "--best", type=Path, required=True, metavar="PT", help="weights of the best fitness"
    )
    files.add_argument(
        "--metrics", type=Path, required=True, metavar="CSV", help="figures of each epoch"
    )
    files.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="also log figures for TensorBoard"
    )
    files.add_argument(
        "--tracking",
        type=_trackers,
        default=(),
        metavar="mlflow,wandb",
        help="also log them for MLflow or Weights & Biases, in files (see docs/tracking.md)",
    )
    files.add_argument("--tracking-dir", type=Path, metavar="DIR", help="folder for these files")
    files.add_argument("--run-name", default="", metavar="NAME", help="the run's name in trackers")


def _add_course(parser: argparse.ArgumentParser) -> None:
    course = parser.add_argument_group("course")
    course.add_argument(
        "--stage",
        choices=("baseline", "tune"),
        default="baseline",
        help="which of the two trainings this is; it is part of the seeds",
    )
    course.add_argument(
        "--epochs",
        type=whole_number(0),
        required=True,
        metavar="N",
        help="0 writes the starting weights; an upper limit if there is a time budget",
    )
    course.add_argument(
        "--time-budget",
        type=real_number(above=0),
        metavar="H",
        help="hours of training, all attempts together, within which the schedule must end: "
        "the second epoch decides how many fit, at most --epochs; another H is another training",
    )
    course.add_argument(
        "--epoch-parts",
        type=whole_number(1),
        default=1,
        metavar="K",
        help="an epoch draws int(images / K) images",
    )
    course.add_argument(
        "--image-weights", action="store_true", help="draw images with rare classes more often"
    )
    course.add_argument(
        "--imgsz", type=whole_number(32), default=640, metavar="PIXELS", help="side of the images"
    )
    course.add_argument(
        "--batch-size",
        type=_batch_size,
        default=16,
        metavar="N|auto",
        help="default 16; auto: what fits into memory, measured once and kept in the state dir",
    )
    course.add_argument(
        "--close-mosaic",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="number of epochs at the end without mosaics",
    )
    course.add_argument("--seed", type=whole_number(0), default=0, metavar="N")
    course.add_argument(
        "--retrain", action="store_true", help="train again even if the state says it is done"
    )


def _add_optimization(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("optimization")
    group.add_argument(
        "--hyp",
        default="{}",
        metavar="YAML|JSON",
        help="hyperparameters under yolov5's names: a file, or inline {...}",
    )
    group.add_argument("--optimizer", choices=("SGD", "Adam", "AdamW"), default="SGD")
    group.add_argument("--schedule", choices=("linear", "cosine"), default="linear")
    group.add_argument(
        "--nominal-batch",
        type=whole_number(1),
        default=64,
        metavar="N",
        help="images whose gradients are summed for a step (default 64)",
    )
    group.add_argument(
        "--clip-grad-norm",
        type=_limit,
        default=10.0,
        metavar="F|none",
        help="gradient norm limit (default 10)",
    )
    group.add_argument(
        "--warmup-bias-group",
        choices=("bias", "norm"),
        default="bias",
        help="parameters whose warm-up starts at warmup_bias_lr (default bias; 2022: norm)",
    )
    group.add_argument(
        "--freeze",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="number of leading layers not to train",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("validation")
    group.add_argument(
        "--val-period",
        type=whole_number(0),
        default=1,
        metavar="N",
        help="epochs between validations; 0: only after the last",
    )
    group.add_argument(
        "--val-batch-size", type=whole_number(1), metavar="N", help="default: twice the batch size"
    )
    group.add_argument(
        "--fitness",
        choices=("ap50_95", "ap75", "2022"),
        default="ap50_95",
        help="figure that picks --best (default ap50_95; 2022: 0.1 AP50 + 0.9 AP75)",
    )
    group.add_argument(
        "--patience",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="stop after this many epochs without better fitness; 0: never",
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="auto",
        help="arithmetic; auto: what is fast and safe on the device",
    )
    machine.add_argument(
        "--device", default="auto", help="auto, cpu, cuda:0, or cuda:0,1: a process on each GPU"
    )
    machine.add_argument(
        "--processes",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="processes that share each batch, on this machine",
    )
    machine.add_argument(
        "--sync-bn", action="store_true", help="batch norm over the images of all GPUs"
    )
    machine.add_argument(
        "--workers",
        type=whole_number(0),
        default=2,
        metavar="N",
        help="processes that load images, per training process",
    )
    machine.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="threads of the model, shared by the processes",
    )
    machine.add_argument(
        "--no-deterministic",
        dest="deterministic",
        action="store_false",
        help="let a GPU pick its fastest algorithms: runs need not repeat to the bit",
    )
    machine.add_argument(
        "--cache-gb",
        type=real_number(least=0),
        default=2.0,
        metavar="GB",
        help="memory for decoded images (default 2)",
    )


def _trackers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not {*names} <= {"mlflow", "wandb"}:
        raise argparse.ArgumentTypeError(f"must be mlflow, wandb or both, found {text}")
    return names


def _batch_size(text: str) -> int | str:
    return text if text == "auto" else whole_number(1)(text)


def _limit(text: str) -> float | None:
    return None if text == "none" else real_number(above=0)(text)


def main(arguments: argparse.Namespace) -> None:
    """Runs the training."""
    # Before torch is imported: threads waiting for each other go to sleep sooner than by default
    # (300000), since the loader workers (or another job) need the cores that they spin on.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

    from parkdet.gpu_slots import claim_gpus
    from parkdet.memory import keep_freed_memory
    from parkdet.training.devices import count_processes
    from parkdet.training.nodes import read_nodes
    from parkdet.training.rank_process import is_rank, reported_to_launcher
    from parkdet.training.settings import Settings, parse_hyperparameters
    from parkdet.training.tracking import check_trackers

    keep_freed_memory()
    options = vars(arguments) | {"hyp": parse_hyperparameters(arguments.hyp)}
    del options["log"]
    settings = Settings(**options)
    check_trackers(settings.tracking, settings.tracking_dir)
    processes, nodes = count_processes(settings.device, settings.processes), read_nodes()
    if not is_rank():
        claim_gpus(settings.device, processes)
    if not is_rank() and max(processes, nodes.count) > 1:
        from parkdet.training.launch import launch

        launch([sys.executable, *sys.orig_argv[1:]], processes, nodes)
        return
    with reported_to_launcher():
        from parkdet.training.run import train

        train(settings)


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
