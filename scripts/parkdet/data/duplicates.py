"""Near-duplicates across the split: val images with nearly the perceptual hash of a train image."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

from parkdet.data.threads import map_in_threads

DISTANCE = 4  # bits of 64 by which the hashes of two nearly equal images may differ
EXAMPLES = 20
HASHES_AT_A_TIME = 2**22  # pairs compared in one step: 32 MB


class Pair(NamedTuple):
    """A val image, the train image nearest to it, and the number of bits that differ."""

    val: int
    train: int
    distance: int


def difference_hash(path: str) -> int | None:
    """The dHash of an image: 64 bits, each telling if a cell is brighter than its left neighbour.

    Changes of size, compression, brightness and noise barely change it.

    Returns:
        None if the image cannot be decoded.
    """
    with open(path, "rb") as file:
        data = np.frombuffer(file.read(), np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        return None
    if image is None:
        return None
    cells = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA)
    brighter = cells[:, 1:] > cells[:, :-1]
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")


def nearest(val: np.ndarray, train: np.ndarray, distance: int = DISTANCE) -> list[Pair]:
    """The nearest train hash of each val hash, if it is near enough; positions, not ids.

    Every pair is compared: images of a dark lot share whole pieces of their hashes, so an index by
    pieces would have to compare most pairs, too.

    Args:
        val: hashes, shape (n,), uint64; so is ``train``.
        distance: most bits that may differ.
    """
    pairs = []
    rows = max(1, HASHES_AT_A_TIME // max(1, len(train)))
    for start in range(0, len(val) if len(train) else 0, rows):
        differing = np.bitwise_count(val[start : start + rows, None] ^ train[None])
        best = differing.argmin(axis=1)
        bits = differing[np.arange(len(best)), best]
        for row in np.flatnonzero(bits <= distance):
            pairs.append(Pair(start + int(row), int(best[row]), int(bits[row])))
    return pairs


def find_near_duplicates(
    paths: Mapping[int, str], names: Mapping[int, str], val: set[int]
) -> dict[str, Any]:
    """The entry in summary.json on val images that nearly equal a train image.

    Args:
        paths: of all images, by id, like ``names``.
        val: ids of the val images.
    """
    found = map_in_threads(difference_hash, list(paths.values()), "comparing images")
    hashes = {
        number: value for number, value in zip(paths, found, strict=True) if value is not None
    }
    of_val = [number for number in hashes if number in val]
    of_train = [number for number in hashes if number not in val]
    pairs = nearest(
        *(np.array([hashes[number] for number in side], np.uint64) for side in (of_val, of_train))
    )
    return {
        "distance": DISTANCE,
        "val_images": len(pairs),
        "not_decoded": len(paths) - len(hashes),
        "examples": [
            {
                "val": names[of_val[pair.val]],
                "train": names[of_train[pair.train]],
                "distance": pair.distance,
            }
            for pair in sorted(pairs, key=lambda pair: pair.distance)[:EXAMPLES]
        ],
    }
