"""Resumes an inference where an earlier attempt was interrupted."""

import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import torch

import parkdet
from parkdet.code_hash import code_hash
from parkdet.errors import CONTINUE, StoppedEarly
from parkdet.inference.job import Job
from parkdet.inference.parts import ImageRecords, PartStore
from parkdet.inference.records import image_records
from parkdet.training.signals import StopRequest, stop_requests

log = logging.getLogger("parkdet")

SECONDS, IMAGES = 10.0, 128  # after either, a part is saved at the end of the batch


def open_parts(job: Job, state_dir: Path) -> PartStore:
    """The store of a job's parts, in ``{state_dir}/{fingerprint}``."""
    environment = {
        "host": platform.node(),
        "device": str(job.device),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
    code = code_hash(Path(parkdet.__file__).parents[1] / "infer.py")
    return PartStore(state_dir / job.fingerprint(), code, environment)


def resumed_records(job: Job, store: PartStore) -> Iterator[ImageRecords]:
    """Detects on the images of the shard that ``store`` has no records of, and saves them there.

    Returns:
        Records of each readable image of the shard, in order. They stay in the store.

    Raises:
        UserError: as for ``Job.detect``; what was detected is kept.
        StoppedEarly: a signal requested a stop; the finished batches are kept.
    """
    with stop_requests() as stop:
        there = store.places(job.wanted)
        sources = job.images.sources
        missing = {sources[place].id: place for place in job.wanted if place not in there}
        if there:
            log.info(
                "%d of %d images have been processed already: %s",
                len(there),
                len(job.wanted),
                store.folder,
            )
        unread = _detect_missing(job, missing, store, stop) if missing else set()
    return store.read(job.wanted, without=unread)


def _detect_missing(
    job: Job, places: Mapping[int, int], store: PartStore, stop: StopRequest
) -> set[int]:
    """Detects on images and saves their records.

    Args:
        places: image id -> position in the list, ascending.

    Returns:
        Positions of the images that could not be read.
    """
    left = dict(places)
    sources = [job.images.sources[place] for place in places.values()]
    with _Saver(store) as saver, closing(job.detect(sources)) as images:
        for count, image in enumerate(images, start=1):
            saver.add(left.pop(image.id), image_records(image))
            if count % job.settings.batch_size:
                continue
            if stop and left:
                raise StoppedEarly(
                    f"{stop.signal.name}: {len(left)} of {len(places)} images are left; finished "
                    f"batches are kept in {store.folder}. {CONTINUE}"
                )
            saver.save_if_due()
    return set(left.values())


class _Saver:
    """Collects records of consecutive images and saves them as parts, the last part on exit."""

    def __init__(self, store: PartStore) -> None:
        self._store = store
        self._first, self._images = 0, []
        self._latest = time.monotonic()

    def __enter__(self) -> "_Saver":
        return self

    def __exit__(self, *_: object) -> None:
        self._save()

    def add(self, place: int, records: ImageRecords) -> None:
        if place != self._first + len(self._images):
            self._save()
            self._first = place
        self._images.append(records)

    def save_if_due(self) -> None:
        if len(self._images) >= IMAGES or time.monotonic() - self._latest >= SECONDS:
            self._save()

    def _save(self) -> None:
        if self._images:
            self._store.save(self._first, self._images)
        self._first += len(self._images)
        self._images, self._latest = [], time.monotonic()
