"""How the process takes memory from the system and gives it back."""

import ctypes
import errno
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Names and numbers of glibc's malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4

# What errors of torch (plain RuntimeErrors) and of OpenCV contain when there is too little memory.
NO_MEMORY = (
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory",
    "out of memory",
    "Insufficient memory",
)
NO_MEMORY_IN_ONEDNN = "could not create a primitive"  # its whole message


def keep_freed_memory() -> None:
    """Keeps freed memory for reuse instead of returning it to the system.

    By default glibc returns every large tensor when it is freed, and the system clears its pages
    again for the next one: a tenth of a training step on a CPU. Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_TOP_PAD, 64 << 20)


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Makes allocations fail with MemoryError beyond ``more`` bytes on top of those in use now.

    Without it the system would kill this process, or another one. Does nothing on systems other
    than Linux.
    """
    if sys.platform != "linux":
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = [now + more, *(limit for limit in limits if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(most), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the system, torch or OpenCV had too little memory, on a GPU or a CPU."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):  # forking a process or mapping memory failed
        return error.errno == errno.ENOMEM
    said = str(error)
    library = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return library and (said == NO_MEMORY_IN_ONEDNN or any(phrase in said for phrase in NO_MEMORY))
