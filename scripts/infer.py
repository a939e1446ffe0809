"""Runs one or several detectors on images and writes a JSON list of detections."""

import argparse
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from parkdet.command_line import real_number, run, whole_number


def build_parser() -> argparse.ArgumentParser:
    """The options; defaults are those of the config, except that --tta is off."""
    parser = argparse.ArgumentParser(prog="infer.py", description=__doc__)
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        required=True,
        metavar="PT",
        help="weights of one or several detectors",
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="JSON|DIR", help="COCO file, or a folder"
    )
    parser.add_argument(
        "--image-dir",
        type=Path,
        metavar="DIR",
        help="folder of the file's images (default: its own)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="detections")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N shards"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keeps finished batches, so that an interrupted run can be resumed",
    )
    parser.add_argument(
        "--anew", action="store_true", help="detect again even if the state says it is done"
    )
    parser.add_argument(
        "--on-bad",
        choices=("fail", "skip"),
        default="fail",
        help="images that cannot be read: an error, or no detections and a warning",
    )
    _add_detection(parser)
    _add_machine(parser)
    return parser


def _add_detection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--imgsz", type=whole_number(1), default=640, metavar="N", help="long side in pixels"
    )
    share = real_number(least=0, most=1)
    group.add_argument("--conf", type=share, default=0.01, metavar="F", help="lowest score kept")
    group.add_argument(
        "--iou",
        type=share,
        default=0.7,
        metavar="F",
        help="overlap above which the weaker box is dropped",
    )
    group.add_argument(
        "--max-det", type=whole_number(1), default=50, metavar="N", help="most detections per image"
    )
    group.add_argument("--tta", action="store_true", help="three scales, one of them mirrored")
    group.add_argument(
        "--fuse",
        choices=("nms", "wbf"),
        default="nms",
        help="how several detectors or views are combined: the best box, or the boxes' mean",
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--batch-size", type=whole_number(1), default=16, metavar="N", help="images per step"
    )
    group.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="fp32")
    group.add_argument("--device", default="auto", help="auto, cpu, or cuda:0 and so on")
    group.add_argument(
        "--threads", type=whole_number(1), metavar="N", help="threads that the model uses"
    )


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"must be like 2/7 (the second of seven), found {text}")
    return int(number), int(count)


def main(arguments: argparse.Namespace) -> None:
    """Reads weights and images, detects, and writes the records."""
    started = time.time()
    from parkdet.gpu_slots import claim_gpus

    claim_gpus(arguments.device)  # before torch looks for GPUs
    # oneDNN compiles each layer for each image shape; by default it keeps 1024 of these.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
    import torch

    from parkdet.detector.precision import resolve_device, resolve_precision
    from parkdet.inference.detect import DetectSettings
    from parkdet.inference.job import Job
    from parkdet.inference.records import write_records
    from parkdet.inference.resume import open_parts, resumed_records
    from parkdet.inference.sources import read_images
    from parkdet.memory import keep_freed_memory
    from parkdet.provenance import write_provenance

    keep_freed_memory()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = resolve_device(arguments.device)
    settings = DetectSettings(
        imgsz=arguments.imgsz,
        confidence=arguments.conf,
        iou=arguments.iou,
        max_detections=arguments.max_det,
        tta=arguments.tta,
        batch_size=arguments.batch_size,
        precision=resolve_precision(arguments.precision, device, training=False),
        fuse=arguments.fuse,
    )
    job = Job(
        weights=arguments.weights,
        images=read_images(arguments.images, arguments.image_dir),
        settings=settings,
        device=device,
        on_bad=arguments.on_bad,
        shard=arguments.shard,
    )
    store = open_parts(job, arguments.state_dir) if arguments.state_dir else None
    if store and arguments.anew:
        store.forget_delivered(job.wanted)
    found = resumed_records(job, store) if store else job.records()
    write_records(arguments.out, found)
    inputs = [*arguments.weights, *([] if arguments.images.is_dir() else [arguments.images])]
    decisive = {**asdict(settings), "shard": arguments.shard}
    write_provenance(arguments.out, inputs, decisive, started, str(device))
    if store:
        store.deliver(job.wanted)


if __name__ == "__main__":
    advice = "Lower --batch-size (infer.batch_size), --imgsz or --threads, or leave --tta out."
    sys.exit(run(build_parser(), main, without_memory=advice))
