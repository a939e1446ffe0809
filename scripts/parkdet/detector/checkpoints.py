"""Checkpoints: tensors and plain values only, so that loading one cannot run code."""

import io
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from yolov5.models.yolo import DetectionModel

from parkdet.detector.archive import Archive, printable
from parkdet.detector.build import build_model
from parkdet.detector.foreign import ALLOWED, foreign_model
from parkdet.detector.inert_pickle import NotInert, read_pickle
from parkdet.detector.plain import plain
from parkdet.detector.stored_tensors import TensorReader
from parkdet.errors import UserError
from parkdet.files import atomic_write

log = logging.getLogger("parkdet")

FORMAT, VERSION = "parkdet", 1


@dataclass(frozen=True)
class Checkpoint:
    """A stored detector."""

    architecture: dict[str, Any]
    """Layers, anchors and multiples as yolov5 describes them."""
    names: list[str]
    """Class names; the position is the class index."""
    category_ids: list[int]
    """The data set's category id of each class; empty if not known."""
    imgsz: int
    """Image size it was trained at, in pixels; 0 if not known."""
    state: dict[str, torch.Tensor]
    """Weights by name; without those of the last layer the detection head is missing."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Plain values such as the epoch and the fitness."""

    @property
    def head_prefix(self) -> str:
        """The prefix of the names of the detection head's weights."""
        last = len(self.architecture["backbone"]) + len(self.architecture["head"]) - 1
        return f"model.{last}."

    @property
    def has_head(self) -> bool:
        """Whether the weights of the detection head are there."""
        return any(name.startswith(self.head_prefix) for name in self.state)


def checkpoint_of(
    model: DetectionModel,
    names: list[str],
    category_ids: list[int],
    imgsz: int,
    meta: dict[str, Any] | None = None,
) -> Checkpoint:
    """The checkpoint of a model in memory; its tensors are the model's own, not copies."""
    return Checkpoint(model.yaml, names, category_ids, imgsz, model.state_dict(), meta or {})


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically, floating-point weights rounded to fp16.

    Equal checkpoints give equal bytes, whatever the file's name.

    Raises:
        UserError: the file cannot be written.
        TypeError: a field holds something that is not a plain value.
    """
    fields = {**vars(checkpoint)}
    state = {name: _rounded(tensor) for name, tensor in fields.pop("state").items()}
    buffer = io.BytesIO()  # given a path, torch.save would write the file's name into it
    torch.save({**plain({"format": FORMAT, "version": VERSION, **fields}), "state": state}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu()
    tensor = tensor.half() if tensor.is_floating_point() else tensor
    return tensor.clone(memory_format=torch.contiguous_format)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint of parkdet, or one of yolov5 v5 to v7; neither can run code.

    Raises:
        UserError: missing, damaged, not a checkpoint, names code that it should not, or a weight is
            not finite: the detector would silently detect nothing.
    """
    with Archive(path) as archive:
        what = "checkpoint"
        try:
            content = read_pickle(archive.read("data.pkl"), ALLOWED)
            tensors = TensorReader(archive)
            if content.get("format") == FORMAT:
                what = "checkpoint of parkdet, a field is missing or wrong"
                checkpoint = _own_checkpoint(content, tensors)
            else:
                what = "yolov5 detector"
                model = foreign_model(content, tensors)
                checkpoint = Checkpoint(
                    model.architecture, model.names, [], model.imgsz, model.state
                )
            if not all(tensor.isfinite().all() for tensor in checkpoint.state.values()):
                raise NotInert("it holds NaN or infinite weights, as a training that diverged does")
            return checkpoint
        except NotInert as error:
            raise archive.refusal(printable(error)) from error
        except UserError:
            raise
        except Exception as error:  # a hostile file can make reading fail in any way
            reason = f"{type(error).__name__}: {printable(error)}"
            raise archive.refusal(f"it does not read as a {what} ({reason})") from error


def _own_checkpoint(content: dict[str, Any], tensors: TensorReader) -> Checkpoint:
    """A checkpoint from the content of a file of parkdet.

    Raises:
        ValueError, KeyError, TypeError: its fields or types are not those of a checkpoint.
    """
    if content.get("version") != VERSION:
        raise NotInert("it was written by another version of parkdet")
    state = {name: tensors.read(described) for name, described in content["state"].items()}
    fields = plain({name: content[name] for name in Checkpoint.__annotations__ if name != "state"})
    checkpoint = Checkpoint(**fields, state=state)
    is_valid = (
        all(isinstance(name, str) for name in (*checkpoint.names, *state))
        and len(checkpoint.category_ids) in (0, len(checkpoint.names))
        and all(isinstance(number, int) for number in checkpoint.category_ids)
        and isinstance(checkpoint.imgsz, int)
        and bool(checkpoint.head_prefix)
    )
    if not is_valid:
        raise TypeError("a field is of the wrong type or length")
    return checkpoint


def transfer_weights(
    model: DetectionModel, checkpoint: Checkpoint, exclude: Collection[str] = ()
) -> tuple[int, int]:
    """Copies the weights that the model has under the same name and in the same shape.

    Args:
        exclude: weights with such a part in their name are not copied, ``anchor`` for example.

    Returns:
        How many tensors were copied, and how many the model has; also logged.
    """
    own = model.state_dict()
    moved = {
        name: tensor
        for name, tensor in checkpoint.state.items()
        if name in own
        and own[name].shape == tensor.shape
        and not any(part in name for part in exclude)
    }
    model.load_state_dict(moved, strict=False)
    log.info("weights: %d of %d tensors taken over", len(moved), len(own))
    return len(moved), len(own)


def model_from_checkpoint(checkpoint: Checkpoint) -> DetectionModel:
    """The detector of a checkpoint: fp32, on the CPU, in eval mode.

    Raises:
        UserError: the head or other weights are missing or do not fit the architecture.
    """
    if not checkpoint.has_head:
        raise UserError(
            "These weights have no detection head: they can only start a training. "
            "Train first, or give the weights of a finished training."
        )
    model = build_model(checkpoint.architecture, len(checkpoint.names))
    moved = {
        name: tensor
        for name, tensor in checkpoint.state.items()
        if not name.endswith(".anchor_grid")  # v5.0 stored this; later versions compute it
    }
    try:
        model.load_state_dict(moved)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise UserError(
            f"The weights do not fit their own architecture: {' '.join(lines[1:3]).strip():.300}"
        ) from error
    return model.eval()
