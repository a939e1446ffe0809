"""How much memory there is, and how much of it this process uses, on the host or a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch


def available_memory() -> int:
    """Bytes that the system can still give this process, within its control groups' limits."""
    return min([_of_proc("/proc/meminfo", "MemAvailable"), *_left_in_groups()])


def used_memory() -> int:
    """Bytes of memory that this process uses now."""
    return _of_proc("/proc/self/status", "VmRSS")


class Peak:
    """The most bytes in use within a block, known once it has ended."""

    bytes = 0


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measures the most memory that this process uses within the block, on a GPU or the host."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_reserved(device)
        return
    with suppress(OSError):  # where this is forbidden, the peak is that since the process started
        Path("/proc/self/clear_refs").write_text("5")
    yield peak
    peak.bytes = _of_proc("/proc/self/status", "VmHWM")


def _of_proc(file: str, key: str) -> int:
    """A figure in bytes from a file with lines such as ``VmRSS:  1234 kB``."""
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return 1024 * int(value.split()[0])
    raise KeyError(key)


def _left_in_groups(
    listing: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Bytes left under each limit of this process's control groups and their parents."""
    for line in listing.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            top, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        elif not controllers:
            top, names = root, ("memory.max", "memory.current")
        else:
            continue
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            limit, usage = (folder / name for name in names)
            if limit.is_file() and usage.is_file() and limit.read_text().strip() != "max":
                yield int(limit.read_text()) - int(usage.read_text())
            if folder == top:
                break
