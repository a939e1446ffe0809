"""Makes a submission fit its byte limit by leaving out the boxes of the lowest scores.

Both methods go through the detections once, best score first (of equal scores the earlier in the
file), and count the bytes of their text until the file would reach the limit. They write what they
keep in the order of the input.

- ``global`` keeps that first run whole, in compact JSON: no further detection fits.
- ``threshold`` keeps all scores >= t for the smallest t on the grid 0, 0.001, 0.002, ... that fits,
  in the text that Python's ``json.dump`` gives: the result of raising t step by step and writing
  the file anew each time. The grid is of exact multiples (k / 1000), not of sums of 0.001, whose
  rounding would decide what becomes of scores that lie on the grid.
"""

import math
from pathlib import Path

import numpy as np

from parkdet.errors import UserError
from parkdet.files import atomic_write
from parkdet.submission.candidates import (
    COMPACT,
    EMPTY,
    JSON_DUMP,
    joined,
    read_candidates,
    texts_that_fit,
)
from parkdet.submission.report import Counts, CutReport, Method, count_classes

GRID = 1000  # steps of the threshold from 0 to 1


def cut_file(predictions: Path, out: Path, max_bytes: int, method: Method) -> CutReport:
    """Writes the detections of ``predictions`` that fit to ``out``.

    Args:
        max_bytes: the file written is strictly smaller.

    Raises:
        UserError: the limit leaves no room for an empty list, or the file cannot be read.
    """
    if max_bytes <= EMPTY:
        raise UserError(
            f"A limit of {max_bytes} bytes has no room for any file: the empty list takes {EMPTY} "
            f"and the file must be smaller than the limit. Give --max-bytes {EMPTY + 1} or more."
        )
    candidates = read_candidates(predictions)
    style = JSON_DUMP if method == "threshold" else COMPACT
    order = np.argsort(-candidates.scores, kind="stable")
    texts = texts_that_fit(candidates, order, style, max_bytes)
    if method == "threshold":
        threshold, kept = _on_grid(candidates.scores[order], len(texts))
    else:
        threshold, kept = _least(candidates.scores[order[: len(texts)]]), len(texts)
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[:kept]] = True
    content = joined(texts[:kept], order[:kept], style)
    with atomic_write(out) as file:
        file.write(content)
    least = candidates.scores[chosen].min(initial=np.inf)
    return CutReport(
        method=method,
        max_bytes=max_bytes,
        bytes=len(content),
        threshold=threshold,
        ties_dropped=int((candidates.scores[~chosen] == least).sum()),
        detections=Counts(len(order), kept, len(order) - kept),
        per_class=count_classes(candidates.categories, chosen),
    )


def _on_grid(scores: np.ndarray, fitting: int) -> tuple[float, int]:
    """The least t = k / 1000 that at most ``fitting`` of the falling scores reach, and how many."""
    step = 0
    if fitting < len(scores):
        step = math.floor(scores[fitting] * GRID)
        while step / GRID <= scores[fitting]:
            step += 1
    threshold = step / GRID
    return threshold, int(np.searchsorted(-scores, -threshold, side="right"))


def _least(scores: np.ndarray) -> float | None:
    return float(scores[-1]) if scores.size else None
