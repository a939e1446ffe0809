"""The figures of each epoch: a line for people, a CSV file, TensorBoard."""

import csv
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parkdet.files import atomic_write

log = logging.getLogger("parkdet")

COLUMNS = (
    *("epoch", "lr_bias", "lr_decay", "lr_norm", "box_loss", "obj_loss", "cls_loss"),
    *("precision", "recall", "ap50", "ap75", "ap", "fitness", "images_per_s", "seconds"),
)
ROUNDED = {"images_per_s": 2, "seconds": 3}  # decimals; six significant digits for the others


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """Writes one line an epoch; figures of epochs without validation are empty."""
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
    """The figures of an epoch and how long the rest takes, in a line."""
    left = (epochs - row["epoch"]) * row["seconds"]
    scores = ""
    if row.get("ap") is not None:
        scores = f"AP50 {row['ap50']:.3f} AP {row['ap']:.3f}, "
    return (
        f"{stage} {row['epoch']}/{epochs}: "
        f"loss box {row['box_loss']:.4f} obj {row['obj_loss']:.4f} cls {row['cls_loss']:.4f}, "
        f"{scores}lr {row['lr_decay']:.5f}, {row['images_per_s']:.1f} images/s, "
        f"{row['seconds']:.1f} s, {duration(left)} left"
    )


def duration(seconds: float) -> str:
    """Rounded for people: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Board:
    """Figures for TensorBoard; without a folder, or if it cannot be written, it does nothing."""

    def __init__(self, folder: Path | None, epochs_done: int) -> None:
        self._writer = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            with self._told():
                self._writer = SummaryWriter(str(folder), purge_step=epochs_done + 1)

    def close(self) -> None:
        """Writes out what is left."""
        if self._writer is not None:
            with self._told():
                self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Adds an epoch's figures."""
        if self._writer is None:
            return
        with self._told():
            for column in COLUMNS[1:]:
                if row.get(column) is not None:
                    self._writer.add_scalar(column, row[column], row["epoch"])
            self._writer.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """These figures are not worth a training: if they cannot be written, none are any more."""
        try:
            yield
        except OSError as error:
            self._writer = None
            log.warning("no more figures for TensorBoard: %s", error)
