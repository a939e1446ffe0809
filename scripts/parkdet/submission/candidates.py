"""Reads the detections of a file, decoding no more than a cut needs, and gives their texts."""

import json
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from parkdet.errors import UserError
from parkdet.files import Id, read_bytes
from parkdet.submission.records import Detection

CHUNK = 10_000  # records decoded at a time
EMPTY = len("[]")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# If the system supports it, all pages are mapped in one call, not each when first touched.
SHARED_AT_ONCE = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


class Candidates(NamedTuple):
    """The detections of a file, undecoded except for what the choice needs.

    Attributes:
        path: the file, for messages.
        texts: JSON text of each detection.
        scores: (n,) confidence, 0 to 1.
        categories: (n,) category id.
    """

    path: Path
    texts: list[msgspec.Raw]
    scores: np.ndarray
    categories: np.ndarray


class Style(NamedTuple):
    """How a list is written: an encoder, from JSON list to records' texts, and their separator."""

    encode: Callable[[bytes], list[bytes]]
    separator: bytes


class _Head(msgspec.Struct, gc=False):
    score: float
    category_id: Id


def read_candidates(path: Path) -> Candidates:
    """Reads a JSON list of detections, decoding only scores and categories.

    Raises:
        UserError: missing, not a JSON list of records, or with a score outside 0 to 1.
    """
    data = _content(path)
    try:
        heads = msgspec.json.decode(data, type=list[_Head])
        scores = np.array([head.score for head in heads], np.float64)
        categories = np.array([head.category_id for head in heads], np.int64)
        del heads  # before the texts need as much again
        texts = msgspec.json.decode(data, type=list[msgspec.Raw])
    except UNREADABLE as error:
        message = f"Cannot read {path} as detections: {error}. Check what wrote the file."
        raise UserError(message) from error
    outside = np.flatnonzero((scores < 0) | (scores > 1))
    if outside.size:
        raise UserError(
            f"{path}: record {outside[0] + 1} has a score of {scores[outside[0]]:g}, and "
            f"{outside.size} scores in all are not between 0 and 1. Check what wrote the file."
        )
    return Candidates(path, texts, scores, categories)


def _content(path: Path) -> mmap.mmap | bytes:
    """A file's content, mapped into memory: records stay where they are, so no copy is needed."""
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, flags=SHARED_AT_ONCE, prot=mmap.PROT_READ)
    except (OSError, ValueError):  # missing, empty, or not a regular file
        return read_bytes(path)


def _compact(records: bytes) -> list[bytes]:
    return _encode_lines(_decode(records)).splitlines()


def _as_json_dump(records: bytes) -> list[bytes]:
    return [json.dumps(record).encode("ascii") for record in msgspec.json.decode(records)]


_decode = msgspec.json.Decoder(list[Detection]).decode
_encode_lines = msgspec.json.Encoder().encode_lines
COMPACT = Style(_compact, b",")
JSON_DUMP = Style(_as_json_dump, b", ")


def texts_that_fit(
    candidates: Candidates, order: np.ndarray, style: Style, max_bytes: int
) -> list[bytes]:
    """Texts of as many records, in ``order``, as fit into a file strictly smaller than the limit.

    Raises:
        UserError: a record cannot be written.
    """
    texts: list[bytes] = []
    size = EMPTY - len(style.separator)
    for start in range(0, len(order), CHUNK):
        for text in _encoded(candidates, order[start : start + CHUNK].tolist(), style):
            size += len(style.separator) + len(text)
            if size >= max_bytes:
                return texts
            texts.append(text)
    return texts


def _encoded(candidates: Candidates, indices: list[int], style: Style) -> list[bytes]:
    try:
        return style.encode(_listed([candidates.texts[index] for index in indices]))
    except UNREADABLE:
        for index in indices:
            try:
                style.encode(_listed([candidates.texts[index]]))
            except UNREADABLE as error:
                place = f"{candidates.path}: record {index + 1}"
                message = f"{place}: {error}. Check what wrote the file."
                raise UserError(message) from error
        raise


def _listed(texts: list[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def joined(texts: list[bytes], places: np.ndarray, style: Style) -> bytes:
    """The file made of these texts, in the order of their ``places`` in the input."""
    return b"[" + style.separator.join([texts[k] for k in np.argsort(places).tolist()]) + b"]"
