"""`--batch-size auto`: the largest batch that fits, measured once and then remembered."""

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from parkdet.data.training_set import Batch
from parkdet.detector.loss import build_loss
from parkdet.errors import UserError
from parkdet.files import read_json, write_json
from parkdet.memory import is_out_of_memory
from parkdet.memory_use import available_memory, peak_memory, used_memory
from parkdet.training import ranks
from parkdet.training.faults import free_memory
from parkdet.training.fingerprint import fingerprint
from parkdet.training.gradients import Gradients, kept_apart
from parkdet.training.loader import PREFETCH
from parkdet.training.lock import StateLock
from parkdet.training.settings import AUTO
from parkdet.training.setup import Job, build_state

log = logging.getLogger("parkdet")

SHARE = 0.8  # of the free memory; the rest covers what the measurement does not see
MOST_ON_CPU = 16  # images; larger batches gain nothing on a CPU
BOXES = 30  # per image in the measurement


def settle_batch_size(job: Job) -> Job:
    """``job`` with a number in place of the batch size ``auto``.

    The number decides the result, so it is stored in the state directory, keyed by the other
    settings, before it is used: an interrupted training resumes with it wherever it runs.

    Raises:
        UserError: another process is measuring for the same state directory.
    """
    if job.settings.batch_size != AUTO:
        return job
    size = ranks.by_main(lambda: _remembered(job, job.settings.state_dir / "auto-batch"))
    return replace(
        job,
        settings=replace(job.settings, batch_size=size),
        decisive=job.decisive | {"batch_size": size},
    )


def _remembered(job: Job, folder: Path) -> int:
    path, key = folder / "sizes.json", fingerprint(job.decisive)
    folder.mkdir(parents=True, exist_ok=True)
    with StateLock(folder) as lock:
        sizes = read_json(path, dict[str, int]) if path.exists() else {}
        if key not in sizes:
            sizes[key] = _measured(job) * ranks.size()
            lock.check()
            write_json(path, sizes, indent=2)
        log.info("batch size: %d (auto, in %s)", sizes[key], path)
    return sizes[key]


def _measured(job: Job) -> int:
    """The largest batch for one process."""
    settings, cpu = job.settings, job.device.type == "cpu"
    images = max(1, len(job.train.images) // settings.epoch_parts)
    most = min(settings.nominal_batch, images, MOST_ON_CPU if cpu else images)
    with MemoryProbe(job) as probe:
        return largest_batch(probe.needed, probe.limit, most // ranks.size())


def largest_batch(needed: Callable[[int], int | None], limit: float, most: int) -> int:
    """The largest power of two up to ``most`` that fits; 1 if none does: training then says so.

    Args:
        needed: gives the bytes that a batch of so many images takes; None if memory ran out.
        limit: bytes available.
    """
    best, known = 1, []
    size = 1
    while size <= most and _expected(known, size) <= limit:
        taken = needed(size)
        if taken is None or taken > limit:
            break
        log.info("a batch of %d takes %.2f of %.2f GB", size, taken / 1e9, limit / 1e9)
        known.append((size, taken))
        best, size = size, 2 * size
    return best


def _expected(known: list[tuple[int, int]], size: int) -> float:
    """Bytes on the line through the latest two measurements; 0 while there are fewer."""
    if len(known) < 2:
        return 0.0
    (small, less), (large, more) = known[-2:]
    return more + (more - less) / (large - small) * (size - large)


class MemoryProbe:
    """Trains a throwaway model on grey images and measures the memory it takes.

    Attributes:
        limit: bytes that a training may take on top of those in use on entry.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._gpu = job, job.device.type == "cuda"

    def __enter__(self) -> "MemoryProbe":
        job, settings = self._job, self._job.settings
        if not (self._gpu or sys.platform == "linux"):
            raise UserError(
                "--batch-size auto measures a CPU's memory on Linux only: give a number, such as "
                "--batch-size 16 (training.batch_size)."
            )
        if self._gpu:
            free, _ = torch.cuda.mem_get_info(job.device)
            self.limit = SHARE * free
            self._before = torch.cuda.memory_reserved(job.device)
        else:
            side = settings.imgsz**2 * 3
            cache = min(settings.cache_gb * 1e9, len(job.train.images) * side)
            self.limit = SHARE * available_memory() / ranks.local_size() - cache
            self._before = used_memory()
        one = replace(job, settings=replace(settings, batch_size=1))
        self._state = build_state(one)
        self._state.model.train()
        classes = len(job.train.categories)
        loss = build_loss(self._state.model, settings.hyp, settings.imgsz, classes)
        self._gradients = Gradients(one, self._state, self._state.model, loss)
        return self

    def __exit__(self, *_: object) -> None:
        del self._state, self._gradients
        free_memory(self._job.device)

    def needed(self, size: int) -> int | None:
        """Peak bytes of training on batches of ``size`` images; None if memory ran out.

        Runs two batches, so that gradients wait while more are computed, and a step.
        """
        try:
            with peak_memory(self._job.device) as peak:
                for _ in range(2):
                    with kept_apart(list(self._state.model.parameters())):
                        self._gradients.add_whole(self._batch(size), size)
                self._state.optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            peak = None
        finally:
            self._state.optimizer.zero_grad()
        # Not inside the handler: there the exception keeps the tensors alive.
        free_memory(self._job.device)
        return None if peak is None else peak.bytes - self._before + self._loaded(size)

    def _loaded(self, size: int) -> int:
        """Bytes of the batches waiting in memory; 0 for a GPU, as they wait outside its memory."""
        batches = 0 if self._gpu else 1 + self._job.settings.workers * PREFETCH
        return batches * size * self._job.settings.imgsz**2 * 3

    def _batch(self, size: int) -> Batch:
        side = self._job.settings.imgsz
        images = torch.full((size, side, side, 3), 114, dtype=torch.uint8).permute(0, 3, 1, 2)
        boxes = torch.tensor([[0, 0.5, 0.5, 0.1, 0.1]]).expand(size * BOXES, 5)
        places = torch.arange(size).repeat_interleave(BOXES)[:, None].float()
        return Batch(images, torch.cat((places, boxes), 1))
