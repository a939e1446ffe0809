"""From options and files to a model with its optimizer, ready for the first step."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from parkdet.data.training_set import Split, read_split
from parkdet.detector.anchors import fit_anchors
from parkdet.detector.build import build_model, largest_stride
from parkdet.detector.checkpoints import load_checkpoint, transfer_weights
from parkdet.detector.norm_silu import fuse_norm_silu
from parkdet.detector.precision import resolve_device, resolve_precision
from parkdet.errors import UserError
from parkdet.training import ranks
from parkdet.training.devices import device_of_rank
from parkdet.training.ema import MovingAverage
from parkdet.training.fingerprint import decisive_settings
from parkdet.training.optimizer import build_optimizer, freeze
from parkdet.training.settings import AUTO, Settings
from parkdet.training.state import TrainingState
from parkdet.training.store import differences

log = logging.getLogger("parkdet")


@dataclass(frozen=True)
class Job:
    """What stays the same during a training.

    Attributes:
        val: None without val images.
        precision: what the requested one resolves to on the device.
        decisive: the settings that decide the result.
    """

    settings: Settings
    train: Split
    val: Split | None
    device: torch.device
    precision: str
    decisive: dict[str, Any]


def read_job(settings: Settings) -> Job:
    """Reads the data set and finds the device.

    Raises:
        UserError: a file or an option cannot be used.
    """
    train, val = read_split(settings.dataset, "train"), read_split(settings.dataset, "val")
    if not any(len(labels) for labels in train.labels):
        raise UserError(f"{train.truth} has no box to learn from. Check the data and its split.")
    _check_batch_size(settings.batch_size)
    asked = device_of_rank(settings.device, ranks.local_rank(), torch.cuda.device_count())
    device = resolve_device(asked if ranks.local_size() > 1 else settings.device)
    precision = ranks.from_main(resolve_precision(settings.precision, device, training=True))
    scored = val if val.images else None
    decisive = decisive_settings(settings, train, scored, precision)
    _check_ranks_agree(decisive)
    return Job(
        settings=settings,
        train=train,
        val=scored,
        device=device,
        precision=precision,
        decisive=decisive,
    )


def _check_ranks_agree(decisive: dict[str, Any]) -> None:
    changes = differences(ranks.from_main(decisive), decisive)
    if changes:
        raise UserError(
            f"Rank {ranks.rank()} differs from rank 0 in its settings or data (rank 0's come "
            f"first): {'; '.join(changes)}. Give all machines the same command and the same "
            "prepared set."
        )


def _check_batch_size(batch_size: int | str) -> None:
    if batch_size != AUTO and batch_size % ranks.size():
        raise UserError(
            f"--batch-size {batch_size} is shared by {ranks.size()} processes, so it must be a "
            f"multiple of {ranks.size()}: try {-(-batch_size // ranks.size()) * ranks.size()}."
        )


def build_state(job: Job) -> TrainingState:
    """The state before the first step: starting weights, fresh average and optimizer.

    Raises:
        UserError: the weights cannot be read, or the image size or the number of frozen layers
            does not suit the model.
    """
    settings = job.settings
    model = _starting_model(job).to(job.device, memory_format=torch.channels_last)
    layers = len(model.model)
    if settings.freeze >= layers:
        raise UserError(
            f"--freeze {settings.freeze} leaves nothing to train: this detector has {layers} "
            f"layers, so freeze must be less than {layers}."
        )
    freeze(model, settings.freeze)
    if job.device.type == "cpu":
        fuse_norm_silu(model)
    optimizer = build_optimizer(
        model, settings.optimizer, settings.hyp, settings.batch_size, settings.nominal_batch
    )
    average = MovingAverage(model)
    return TrainingState(
        model=model,
        average=average,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(job.device.type, enabled=job.precision == "fp16"),
        mean_losses=torch.zeros(3, device=job.device),
        epochs=settings.epochs,
    )


def settle_anchors(job: Job, model: nn.Module) -> None:
    """Fits the anchors if need be and rounds the starting weights to fp16, as yolov5 does.

    The average, made earlier, takes over both with its first updates.
    """
    settings = job.settings
    fit_anchors(
        model,
        job.train.sizes,
        job.train.labels,
        settings.hyp.anchor_t,
        settings.imgsz,
        settings.seed,
    )
    model.half().float()


def _starting_model(job: Job) -> nn.Module:
    settings = job.settings
    checkpoint = load_checkpoint(settings.weights) if settings.weights else None
    model = build_model(
        checkpoint.architecture if checkpoint else settings.arch,
        classes=len(job.train.categories),
        seed=settings.seed,
        anchors_per_layer=round(settings.hyp.anchors) if settings.hyp.anchors else None,
    )
    if checkpoint:
        transfer_weights(model, checkpoint, exclude=("anchor",) if settings.hyp.anchors else ())
    stride = largest_stride(model)
    if settings.imgsz % stride:
        raise UserError(
            f"--imgsz {settings.imgsz} must be a multiple of {stride} for this detector: "
            f"try {settings.imgsz // stride * stride + stride}."
        )
    return model
