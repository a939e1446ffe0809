"""The options of a training, and which of them decide its result."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from parkdet.errors import UserError
from parkdet.files import read_yaml
from parkdet.hyperparameters import Hyperparameters

STAGES = ("baseline", "tune")
AUTO = "auto"

# Where things are and how they are computed. `dataset` and `weights` count by their content
# instead, and `precision` by what it resolves to on the device.
NOT_DECISIVE = frozenset(
    {"dataset", "weights", "state_dir", "last", "best", "metrics", "tensorboard"}
    | {"precision", "device", "workers", "threads", "cache_gb", "retrain"}
    | {"checkpoint_minutes", "deterministic", "tracking", "tracking_dir", "run_name"}
)


@dataclass(frozen=True)
class Settings:
    """The options of train.py; its help explains them."""

    dataset: Path
    weights: Path | None
    arch: str | None
    hyp: Hyperparameters
    state_dir: Path
    last: Path
    best: Path
    metrics: Path
    epochs: int
    epoch_parts: int = 1
    time_budget: float | None = None
    image_weights: bool = False
    imgsz: int = 640
    batch_size: int | str = 16  # or AUTO, until it is settled
    seed: int = 0
    stage: str = "baseline"
    optimizer: str = "SGD"
    schedule: str = "linear"
    val_period: int = 1
    patience: int = 0
    close_mosaic: int = 0
    freeze: int = 0
    nominal_batch: int = 64
    clip_grad_norm: float | None = 10.0
    warmup_bias_group: str = "bias"
    fitness: str = "ap50_95"
    val_batch_size: int | None = None
    precision: str = "auto"
    device: str = "auto"
    processes: int = 1
    sync_bn: bool = False
    workers: int = 2
    threads: int | None = None
    cache_gb: float = 2.0
    checkpoint_minutes: float = 10.0
    deterministic: bool = True
    tensorboard: Path | None = None
    tracking: tuple[str, ...] = ()
    tracking_dir: Path | None = None
    run_name: str = ""
    retrain: bool = False

    def decisive(self) -> dict[str, Any]:
        """The options that decide the result, as plain values with flat keys."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in NOT_DECISIVE
        }
        hyp = values.pop("hyp").model_dump()
        return values | {f"hyp.{name}": value for name, value in hyp.items()}


def parse_hyperparameters(text: str) -> Hyperparameters:
    """Reads hyperparameters from inline JSON or, if ``text`` is not ``{...}``, a YAML file.

    Keys that are not given have yolov5's defaults.

    Raises:
        UserError: it is unreadable, or has unknown keys or wrong values; names each.
    """
    if text.lstrip().startswith("{"):
        source, values = "--hyp", _parse_json(text)
    else:
        source, values = text, read_yaml(Path(text))
    try:
        return Hyperparameters.model_validate(values)
    except ValidationError as error:
        raise UserError(
            f"Wrong hyperparameters in {source}: "
            + "; ".join(_explain(problem) for problem in error.errors())
        ) from None


def _parse_json(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError as error:
        raise UserError(f"--hyp is neither a file nor a JSON object: {error}.") from None


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{key}` (allowed: {', '.join(Hyperparameters.model_fields)})"
    return f"`{key}`: {problem['msg']}, found {problem['input']!r}"
