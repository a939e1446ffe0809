"""Cuts a submission to its byte limit by leaving out the detections that matter least.

All methods go through the detections once, best first (of equals, the earlier in the file), and
count the bytes of their text until the file would reach the limit. What they keep is written in the
order of the input.

- ``global`` ranks by score and keeps all detections up to that point, in compact JSON: no further
  detection fits.
- ``per-class`` does the same, but ranks by worth to the mean AP (``worth``).
- ``threshold`` keeps all scores >= t for the smallest t on the grid 0, 0.001, 0.002, ... that fits,
  in the text that Python's ``json.dump`` gives: the result of raising t step by step and writing
  the file again each time. The grid has exact multiples (k / 1000), not sums of 0.001, whose
  rounding would decide what becomes of scores on the grid.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from parkdet.errors import UserError
from parkdet.files import atomic_write
from parkdet.submission.calibration import Calibration
from parkdet.submission.candidates import (
    COMPACT,
    EMPTY,
    JSON_DUMP,
    joined,
    read_candidates,
    texts_that_fit,
)
from parkdet.submission.cut_report import Counts, CutReport, Method, count_classes
from parkdet.submission.worth import worth

GRID = 1000  # steps of the threshold from 0 to 1


def cut_file(
    predictions: Path,
    out: Path,
    max_bytes: int,
    method: Method,
    calibrations: Sequence[Calibration] = (),
) -> CutReport:
    """Writes to ``out`` those detections of ``predictions`` that fit.

    Args:
        max_bytes: the file written is strictly smaller than this.
        calibrations: for per-class, what is known about the detector.

    Raises:
        UserError: the limit leaves no room for an empty list, or the file cannot be read.
    """
    if max_bytes <= EMPTY:
        raise UserError(
            f"A limit of {max_bytes} bytes leaves no room for any file: the empty list takes "
            f"{EMPTY} and the file must be smaller than the limit. Give --max-bytes {EMPTY + 1} or "
            "more."
        )
    candidates = read_candidates(predictions)
    scores, categories = candidates.scores, candidates.categories
    style = JSON_DUMP if method == "threshold" else COMPACT
    rank = worth(scores, categories, calibrations) if method == "per-class" else scores
    order = np.argsort(-scores, kind="stable")
    order = order[np.argsort(-rank[order], kind="stable")] if method == "per-class" else order
    texts = texts_that_fit(candidates, order, style, max_bytes)
    threshold, kept = None, len(texts)
    if method == "threshold":
        threshold, kept = _on_grid(scores[order], kept)
    elif method == "global" and kept:
        threshold = float(scores[order[kept - 1]])
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[:kept]] = True
    content = joined(texts[:kept], order[:kept], style)
    with atomic_write(out) as file:
        file.write(content)
    return CutReport(
        method=method,
        max_bytes=max_bytes,
        bytes=len(content),
        threshold=threshold,
        ties_dropped=int((rank[~chosen] == rank[chosen].min(initial=np.inf)).sum()),
        detections=Counts(len(order), kept, len(order) - kept),
        per_class=count_classes(categories, scores, chosen),
        calibrations=[*calibrations],
    )


def _on_grid(scores: np.ndarray, fitting: int) -> tuple[float, int]:
    """The least t = k / 1000 reached by at most ``fitting`` of the scores; how many reach it.

    Args:
        scores: in descending order.
    """
    step = 0
    if fitting < len(scores):
        step = math.floor(scores[fitting] * GRID)
        while step / GRID <= scores[fitting]:
            step += 1
    threshold = step / GRID
    return threshold, int(np.searchsorted(-scores, -threshold, side="right"))
