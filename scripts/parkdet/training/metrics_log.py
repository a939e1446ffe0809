"""The figures of each epoch, as a line for people and as a CSV file."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parkdet.files import atomic_write
from parkdet.progress import duration

if TYPE_CHECKING:
    from parkdet.training.state import TrainingState

COLUMNS = (
    *("epoch", "lr_bias", "lr_decay", "lr_norm", "box_loss", "obj_loss", "cls_loss"),
    *("precision", "recall", "ap50", "ap75", "ap", "fitness", "images_per_s", "seconds"),
)
ROUNDED = {"images_per_s": 2, "seconds": 3}  # decimals; six significant digits for the others


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """Writes one line per epoch; figures that an epoch does not have are left empty."""
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in history:
            writer.writerow([_cell(column, row.get(column)) for column in COLUMNS])


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in ROUNDED:
        return f"{value:.{ROUNDED[column]}f}"
    return f"{value:.6g}"


def describe(row: dict[str, Any], stage: str, epochs: int) -> str:
    """An epoch's figures and the time left, in one line."""
    left = (epochs - row["epoch"]) * row["seconds"]
    losses = _losses(*(row[f"{part}_loss"] for part in ("box", "obj", "cls")))
    scores = f"{_scores(row)}, " if row.get("ap") is not None else ""
    return (
        f"{stage} {row['epoch']}/{epochs}: {losses}, "
        f"{scores}lr {row['lr_decay']:.5f}, {row['images_per_s']:.1f} images/s, "
        f"{row['seconds']:.1f} s, {duration(left)} left"
    )


def describe_course(state: "TrainingState", batches: int) -> str:
    """The time left for the whole training, with the latest losses and scores.

    Args:
        batches: batches per epoch; at least one has been trained.
    """
    done = state.epoch * batches + state.batch
    left = state.seconds * (state.epochs * batches - done) / done
    scored = [row for row in state.history if row.get("ap") is not None]
    scores = f", {_scores(scored[-1])} after epoch {scored[-1]['epoch']}" if scored else ""
    return f"training ends in {duration(left)}, {_losses(*state.mean_losses.tolist())}{scores}"


def _losses(box: float, objectness: float, classes: float) -> str:
    return f"loss box {box:.4f} obj {objectness:.4f} cls {classes:.4f}"


def _scores(row: dict[str, Any]) -> str:
    return f"AP50 {row['ap50']:.3f} AP {row['ap']:.3f}"
