"""Which GPU a job runs on: one job per GPU, kept apart by lock files.

A cluster's scheduler gives each job its own GPUs. On a workstation nothing does, and two jobs that
each take "the first GPU" would share one and leave the other idle.
"""

import fcntl
import logging
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

log = logging.getLogger("parkdet")

VISIBLE = "CUDA_VISIBLE_DEVICES"
TURN = 1.0  # seconds between two looks for a free GPU
_held: list[IO[str]] = []  # lock files, held until the process ends


def visible_gpus(
    environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")
) -> list[str]:
    """Names of the GPUs that this process may use, in CUDA's order; none on a CPU machine.

    They are read from device files, since asking CUDA takes seconds and memory.
    """
    if VISIBLE in environment:
        return [name for name in environment[VISIBLE].split(",") if name.strip()]
    numbers = [re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*")]
    return sorted((found[1] for found in numbers if found), key=int)


def gpu_models(driver: Path = Path("/proc/driver/nvidia/gpus")) -> set[str]:
    """Model names of the GPUs in this machine, as far as the driver gives them."""
    told = [path.read_text(encoding="utf-8") for path in driver.glob("*/information")]
    return {line[1].strip() for text in told for line in re.finditer(r"^Model:(.*)$", text, re.M)}


def share_of_cores(cores: int, device: str, processes: int = 1) -> int:
    """CPU cores for a job on GPUs, such that one job per GPU fits; all cores without a GPU."""
    shares = 1 if device == "cpu" else len(visible_gpus())
    return max(1, cores * processes // max(shares, processes))


def claim_gpus(device: str, count: int = 1) -> None:
    """Waits until GPUs are free and keeps them until this process ends.

    ``auto`` takes any free ones and sets CUDA_VISIBLE_DEVICES to them; ``cuda:1`` and ``cuda:0,1``
    stand for those GPUs and no others. Does nothing for ``cpu`` or without GPUs.
    """
    kind, _, numbers = device.partition(":")
    gpus = visible_gpus()
    if kind not in ("auto", "cuda") or not gpus:
        return
    if kind == "cuda":
        wanted = [int(number) for number in (numbers or "0").split(",")]
        # A GPU that does not exist is refused later, with a list of those that do.
        gpus = [gpus[number] for number in wanted if number < len(gpus)]
        count = len(gpus)
    count = min(count, len(gpus))
    taken = _lock(gpus, count)
    if kind == "auto":
        os.environ[VISIBLE] = ",".join(taken)


def _lock(gpus: Sequence[str], count: int) -> list[str]:
    """Locks ``count`` of the GPUs, all at once, so that two jobs never wait for each other."""
    is_logged = False
    while True:
        files: dict[str, IO[str]] = {}
        for gpu in gpus:
            file = _slot(gpu).open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            files[gpu] = file
            if len(files) == count:
                _held.extend(files.values())
                return list(files)
        for file in files.values():
            file.close()
        if not is_logged:
            log.info("waiting for %d of the GPUs %s: other jobs use them", count, ", ".join(gpus))
            is_logged = True
        time.sleep(TURN)


def _slot(gpu: str) -> Path:
    """The lock file of a GPU, on this machine for this user."""
    name = re.sub(r"[^\w-]", "_", gpu)
    return Path(tempfile.gettempdir()) / f"parkdet-{os.getuid()}-gpu-{name}.lock"
