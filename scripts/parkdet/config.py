"""The settings of a run: the only source of their defaults, JSON schema and documentation page."""

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from parkdet.config_data import Data
from parkdet.config_mistakes import explain
from parkdet.config_values import BatchSize, Device, Devices, ImageSize, Precision, Section
from parkdet.errors import UserError
from parkdet.files import read_yaml
from parkdet.hyperparameters import FinetuneHyperparameters, Hyperparameters
from parkdet.releases import find_release
from parkdet.training.devices import count_processes


class Training(Section):
    """What both training stages share."""

    arch: str = Field(
        "yolov5n",
        pattern=r"^\w[\w.-]*$",
        description="Architecture when pretrained is null: yolov5n, s, m, l, x or n6 to x6.",
    )
    pretrained: str | None = Field(
        None,
        description="Starting weights: a path, null (random), or a yolov5 release, which is "
        "downloaded to weights/ if it is not there: yolov5n, s, m, l, x or n6 to x6 for v7.0; "
        "yolov5x6-v6.1 and so on for v6.0 to v6.2, which need pretrained_sha256.",
    )
    pretrained_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="SHA-256 that the starting weights must have."
    )
    imgsz: ImageSize = Field(640, description="Image size in pixels, a multiple of 32.")
    batch_size: BatchSize = Field(
        16,
        description="Images per batch, over all processes; auto: as many as fit into memory, at "
        "most nominal_batch, measured once and kept with the state.",
    )
    seed: int = Field(0, ge=0, description="Seed for initial weights, order and augmentation.")
    precision: Precision = Field(
        "auto",
        description="Numeric precision; auto: what is fast and safe on the device; the log says "
        "which.",
    )
    device: Devices = Field(
        "auto", description="auto, cpu or cuda:0; cuda:0,1 runs one process on each GPU."
    )
    processes: int = Field(1, ge=1, description="Processes that share each batch, on one machine.")
    sync_bn: bool = Field(False, description="Compute batch norm over the images of all GPUs.")
    total_hours: float | None = Field(
        None,
        gt=0,
        description="Hours for both training stages together, shared in proportion to epochs / "
        "epoch_parts; epochs is then an upper limit, and as many are trained as fit. Changing the "
        "limit or a stage's share means training anew. null: no limit.",
    )
    workers: int = Field(2, ge=0, description="Loader workers per training process.")
    deterministic: bool = Field(
        True, description="Results repeat bit for bit; false: a GPU picks its fastest algorithms."
    )
    checkpoint_minutes: float = Field(
        10.0,
        ge=0,
        description="Maximum minutes between two saved states; 0: save only at the end of epochs.",
    )
    tracking: list[Literal["mlflow", "wandb"]] = Field(
        [],
        description="Trackers besides TensorBoard, whose files are always written; these, too, "
        "write to the run's folder, see docs/tracking.md.",
    )
    nominal_batch: int = Field(
        64, ge=1, description="Images over which gradients are accumulated per optimizer step."
    )
    clip_grad_norm: float | None = Field(
        10.0, gt=0, description="Maximum gradient norm; null: no clipping."
    )
    warmup_bias_group: Literal["bias", "norm"] = Field(
        "bias", description="Parameter group that starts at warmup_bias_lr; in 2022: norm."
    )
    fitness: Literal["ap50_95", "ap75", "2022"] = Field(
        "ap50_95", description="Score that picks the `best` epoch; 2022: 0.1 AP50 + 0.9 AP75."
    )
    val_batch_size: int | None = Field(
        None, ge=1, description="Images per validation batch; null: twice batch_size."
    )

    @model_validator(mode="after")
    def _processes_share_the_batch(self) -> "Training":
        if self.batch_size != "auto" and self.batch_size % self.world_size:
            raise ValueError(f"batch_size must be a multiple of the {self.world_size} processes")
        return self

    @model_validator(mode="after")
    def _released_weights_have_a_checksum(self) -> "Training":
        release = find_release(self.pretrained or "")
        if release and not (release.sha256 or self.pretrained_sha256):
            raise ValueError(
                f"the sha256 of {self.pretrained} is not known here: give it as pretrained_sha256, "
                f"or use {release.model}, whose sha256 is known"
            )
        return self

    @property
    def world_size(self) -> int:
        """Number of processes in a training on one machine."""
        return count_processes(self.device, self.processes)


class Stage(Section):
    """The first training stage."""

    epochs: int = Field(50, ge=1, description="Number of epochs.")
    epoch_parts: int = Field(
        1, ge=1, description="An epoch draws int(images / epoch_parts) images."
    )
    image_weights: bool = Field(
        False, description="Draw images more often the rarer their classes are."
    )
    optimizer: Literal["SGD", "Adam", "AdamW"] = Field("SGD", description="Optimizer.")
    schedule: Literal["linear", "cosine"] = Field("linear", description="Learning rate schedule.")
    val_period: int = Field(
        1, ge=0, description="Epochs between validations; 0: only after the last epoch."
    )
    patience: int = Field(
        0, ge=0, description="Stop after this many epochs without better fitness; 0: never."
    )
    close_mosaic: int = Field(0, ge=0, description="Number of final epochs without mosaics.")
    freeze: int = Field(
        0, ge=0, description="Number of initial layers to freeze (10: the backbone)."
    )
    hyp: Hyperparameters = Field(
        default_factory=Hyperparameters,
        description="Hyperparameters under yolov5's names, or the path of a YAML file with them.",
    )

    @field_validator("hyp", mode="before")
    @classmethod
    def _read_hyp_file(cls, value: Any) -> Any:
        try:
            return read_yaml(_found(Path(value))) if isinstance(value, str) else value
        except UserError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _patience_needs_validation(self) -> "Stage":
        if self.patience and not self.val_period:
            raise ValueError("patience needs a val_period of 1 or more")
        return self


class Finetune(Stage):
    """The second training stage, from baseline_last.pt."""

    epochs: int = Field(15, ge=1, description="Number of epochs.")
    hyp: FinetuneHyperparameters = Field(
        default_factory=FinetuneHyperparameters,
        description="Hyperparameters under yolov5's names, or the path of a YAML file with them.",
    )


class Inference(Section):
    """How detections are made."""

    weights: list[str] = Field(
        [],
        description="Weights to detect with, one or more files; nothing is then trained. "
        "Empty: tune_best.pt.",
    )
    imgsz: ImageSize = Field(640, description="Long side in pixels, a multiple of 32.")
    batch_size: int = Field(
        16, ge=1, description="Images per batch on a GPU; on a CPU one per core, at most this many."
    )
    confidence: float = Field(0.01, ge=0, le=1, description="Minimum confidence of a detection.")
    iou: float = Field(0.7, ge=0, le=1, description="IoU above which the weaker box is suppressed.")
    max_detections: int = Field(50, ge=1, description="Maximum detections per image.")
    tta: bool = Field(True, description="Test-time augmentation: three scales, one flipped.")
    fuse: Literal["nms", "wbf"] = Field(
        "nms",
        description="How several weights or views are combined: the best of the overlapping boxes, "
        "or weighted boxes fusion.",
    )
    precision: Precision = Field("fp32", description="Numeric precision of the forward pass.")
    device: Device = Field("auto", description="auto, cpu, or cuda:0 and so on.")
    shards: int = Field(1, ge=1, description="Jobs that share the test images, on a cluster.")
    on_bad: Literal["fail", "skip"] = Field(
        "fail",
        description="What to do with test images that cannot be read: stop at once, or give them "
        "no detections.",
    )

    @model_validator(mode="after")
    def _wbf_needs_several(self) -> "Inference":
        if self.fuse == "wbf" and len(self.weights) < 2 and not self.tta:
            raise ValueError("`fuse: wbf` needs two or more weights, or `tta: true`")
        return self


class Cut(Section):
    """How the submission is made to fit."""

    method: Literal["per-class", "global", "threshold"] = Field(
        "per-class",
        description="Which detections are kept: those worth most to the mean AP, as learnt from "
        "the val set; those with the highest scores; or those at or above a threshold, as in 2022.",
    )
    ap: Literal[50, 75, "50:95"] = Field(
        "50:95",
        description="IoU, in percent, of the AP that per-class maximises; the challenge used 75.",
    )
    max_bytes: int = Field(
        20_000_000, ge=3, description="The file is strictly smaller than this many bytes."
    )


class Evaluation(Section):
    """What is scored."""

    test_truth: str | None = Field(
        None,
        description="COCO file with the test set's ground truth, for scoring only; null: none.",
    )
    start_weights: bool = Field(
        False,
        description="Also score the starting weights on test_truth, to show what training gains.",
    )


class Config(Section):
    """All settings of a run."""

    run: str = Field(
        pattern=r"^[\w][\w.-]*$", description="Name of the run: results go to results/{run}."
    )
    data: Data = Field(description=Data.__doc__)
    training: Training = Field(default_factory=Training, description=Training.__doc__)
    baseline: Stage = Field(default_factory=Stage, description=Stage.__doc__)
    finetune: Finetune = Field(default_factory=Finetune, description=Finetune.__doc__)
    infer: Inference = Field(default_factory=Inference, description=Inference.__doc__)
    cut: Cut = Field(default_factory=Cut, description=Cut.__doc__)
    evaluate: Evaluation = Field(default_factory=Evaluation, description=Evaluation.__doc__)


def _found(path: Path) -> Path:
    """A path in the config: from the working folder or, for presets, from the project's root."""
    beside_project = Path(__file__).parents[2] / path
    return path if path.is_file() or not beside_project.is_file() else beside_project


def validate(settings: dict[str, Any]) -> Config:
    """Checks a config and fills in the defaults.

    Raises:
        UserError: one line for each unknown key and wrong value, with the key's path and what is
            allowed there.
    """
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        lines = [explain(problem, Config) for problem in error.errors()]
        raise UserError("The config cannot be used:\n" + "\n".join(lines)) from None
