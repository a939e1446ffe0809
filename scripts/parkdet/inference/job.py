"""An inference: its images, detectors and settings, and how unreadable images are handled."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from parkdet.data.threads import map_in_threads
from parkdet.errors import UserError
from parkdet.files import sha256_file
from parkdet.inference.detect import DetectSettings, ImageDetections
from parkdet.inference.ensemble import detect_and_fuse, load_detector
from parkdet.inference.letterbox import image_size
from parkdet.inference.parts import ImageRecords
from parkdet.inference.records import image_records
from parkdet.inference.sources import ImageSet, ImageSource, UnreadableImage, shard

log = logging.getLogger("parkdet")


@dataclass(frozen=True)
class Job:
    """Images, detectors and settings."""

    weights: Sequence[Path]
    images: ImageSet
    settings: DetectSettings
    device: torch.device
    on_bad: str = "fail"
    """What an unreadable image leads to: fail, or skip (it gets no detections)."""
    shard: tuple[int, int] = (1, 1)
    """Number, from 1, and count."""

    @property
    def wanted(self) -> range:
        """Positions of this shard's images in the list."""
        return shard(len(self.images.sources), *self.shard)

    def detect(self, sources: Sequence[ImageSource]) -> Iterator[ImageDetections]:
        """Detections in each readable image, in order.

        Raises:
            UserError: weights cannot be used, or an image cannot be read and ``on_bad`` is fail.
        """
        log.info("%d images on %s in %s", len(sources), self.device, self.settings.precision)
        categories = self.images.categories
        detectors = [load_detector(path, categories, self.device) for path in self.weights]

        def detected(sources: Sequence[ImageSource]) -> Iterator[ImageDetections]:
            return detect_and_fuse(detectors, sources, self.settings, self.device)

        try:
            yield from _readable(detected, sources) if self.on_bad == "skip" else detected(sources)
        except UnreadableImage as error:
            raise UserError(
                f"{error} Or leave such images without detections: --on-bad skip (infer.on_bad)."
            ) from error

    def records(self) -> Iterator[ImageRecords]:
        """Records of each readable image of the shard, in order; raises like ``detect``."""
        return map(
            image_records, self.detect([self.images.sources[place] for place in self.wanted])
        )

    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify everything the detections depend on but the code.

        An image enters by its checksum if the list has one, otherwise by size and modification
        time; shards do not enter.
        """
        decisive = {
            "settings": asdict(self.settings),
            "weights": [sha256_file(path) for path in self.weights],
            "categories": self.images.categories,
            "images": [(source.id, _content(source)) for source in self.images.sources],
        }
        return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()[:16]


def _content(source: ImageSource) -> Any:
    if source.sha256:
        return source.sha256
    try:
        status = source.path.stat()
    except (OSError, ValueError):  # ValueError: NUL in the name
        return None  # reported when it is the image's turn
    return status.st_size, status.st_mtime_ns


def _readable(
    detect: Callable[[Sequence[ImageSource]], Iterator[ImageDetections]],
    sources: Sequence[ImageSource],
) -> Iterator[ImageDetections]:
    """Detections in the readable images; warns about each of the others."""
    headers = map_in_threads(_has_header, [source.path for source in sources], "infer: headers")
    left = [source for source, sound in zip(sources, headers, strict=True) if sound]
    while left:
        done = 0
        try:
            for found in detect(left):
                done += 1
                yield found
            return
        except UnreadableImage as error:
            _warn(error)
            left = [source for source in left[done:] if source.path != error.path]


def _has_header(path: Path) -> bool:
    try:
        image_size(path)
    except UnreadableImage as error:
        _warn(error)
        return False
    return True


def _warn(error: UnreadableImage) -> None:
    log.warning("%s is missing or damaged: it gets no detections", error.path)
