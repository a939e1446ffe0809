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

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_bytes
from parkdet.submission.records import Detection

Method = Literal["global", "threshold"]
GRID = 1000  # steps of the threshold from 0 to 1
EMPTY = len("[]")


class Candidates(NamedTuple):
    """The detections of a file, undecoded but for what the choice needs.

    Attributes:
        path: the file, for messages.
        texts: JSON text of each.
        scores: (n,) confidence, 0 to 1.
        categories: (n,) category id.
    """

    path: Path
    texts: list[msgspec.Raw]
    scores: np.ndarray
    categories: np.ndarray


class Style(NamedTuple):
    """How a record is written: its text from its JSON text, and what stands between two."""

    encode: Callable[[msgspec.Raw], bytes]
    separator: bytes


class Counts(msgspec.Struct):
    """Detections before and after the cut."""

    total: int
    kept: int
    left_out: int


class ClassCounts(msgspec.Struct):
    """Detections of one category before and after the cut."""

    category_id: int
    total: int
    kept: int
    left_out: int


class CutReport(msgspec.Struct):
    """What a cut did.

    Attributes:
        bytes: size of the file written, always below ``max_bytes``.
        threshold: least score kept (global; none if nothing was kept) or the t of ``threshold``.
        ties_dropped: detections left out whose score equals the least score kept.
    """

    method: Method
    max_bytes: int
    bytes: int
    threshold: float | None
    ties_dropped: int
    detections: Counts
    per_class: list[ClassCounts]


class _Head(msgspec.Struct, gc=False):
    score: float
    category_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


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
    style = STYLES[method]
    order = np.argsort(-candidates.scores, kind="stable")
    texts = _texts_that_fit(candidates, order, style, max_bytes)
    if method == "threshold":
        threshold, kept = _on_grid(candidates.scores[order], len(texts))
    else:
        threshold, kept = _least(candidates.scores[order[: len(texts)]]), len(texts)
    in_input_order = sorted(zip(order[:kept].tolist(), texts, strict=False))
    content = b"[" + style.separator.join(text for _, text in in_input_order) + b"]"
    with atomic_write(out) as file:
        file.write(content)
    counts, per_class, ties = _count(candidates, np.isin(np.arange(len(order)), order[:kept]))
    return CutReport(method, max_bytes, len(content), threshold, ties, counts, per_class)


def read_candidates(path: Path) -> Candidates:
    """Reads a JSON list of detections, decoding only scores and categories.

    Raises:
        UserError: missing, not a JSON list of records, or a score outside 0 to 1.
    """
    data = read_bytes(path)
    try:
        texts = msgspec.json.decode(data, type=list[msgspec.Raw])
        heads = msgspec.json.decode(data, type=list[_Head])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {path} as detections: {error}.") from error
    scores = np.fromiter((head.score for head in heads), np.float64, len(heads))
    categories = np.fromiter((head.category_id for head in heads), np.int64, len(heads))
    outside = np.flatnonzero((scores < 0) | (scores > 1))
    if outside.size:
        raise UserError(
            f"{path}: record {outside[0] + 1} has a score of {scores[outside[0]]:g}, and "
            f"{outside.size} scores in all are not within 0 to 1. Check what wrote the file."
        )
    return Candidates(path, texts, scores, categories)


def _compact(text: msgspec.Raw) -> bytes:
    return _encode(_decode(text))


def _as_json_dump(text: msgspec.Raw) -> bytes:
    return json.dumps(msgspec.json.decode(text)).encode("ascii")


_decode = msgspec.json.Decoder(Detection).decode
_encode = msgspec.json.Encoder().encode
STYLES: dict[Method, Style] = {
    "global": Style(_compact, b","),
    "threshold": Style(_as_json_dump, b", "),
}


def _texts_that_fit(
    candidates: Candidates, order: np.ndarray, style: Style, max_bytes: int
) -> list[bytes]:
    """Texts of the longest start of ``order`` whose file is strictly smaller than the limit."""
    texts: list[bytes] = []
    size = EMPTY
    for index in order.tolist():
        try:
            text = style.encode(candidates.texts[index])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{candidates.path}: record {index + 1}: {error}.") from error
        size += len(text) + (len(style.separator) if texts else 0)
        if size >= max_bytes:
            break
        texts.append(text)
    return texts


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


def _count(candidates: Candidates, chosen: np.ndarray) -> tuple[Counts, list[ClassCounts], int]:
    """Counts in all and by category, and of those left out at the least score that was kept.

    Args:
        chosen: (n,) whether each candidate was kept.
    """
    rows = []
    for category in np.unique(candidates.categories).tolist():
        of_class = candidates.categories == category
        total, kept = int(of_class.sum()), int((of_class & chosen).sum())
        rows.append(ClassCounts(category, total, kept, total - kept))
    total, kept = len(chosen), int(chosen.sum())
    least = candidates.scores[chosen].min(initial=np.inf)
    ties = int((candidates.scores[~chosen] == least).sum())
    return Counts(total, kept, total - kept), rows, ties


def describe(report: CutReport) -> str:
    """One sentence about a cut, for people."""
    counts = report.detections
    reached = [] if report.threshold is None else [f"score >= {report.threshold:g}"]
    ties = [f"{report.ties_dropped:,} of that score left out"] if report.ties_dropped else []
    return (
        f"Kept {counts.kept:,} of {counts.total:,} detections "
        f"({'; '.join([*reached, *ties, f'limit {report.max_bytes:,} bytes'])}): "
        f"{report.bytes:,} bytes."
    )
