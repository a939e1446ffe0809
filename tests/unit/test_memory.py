import subprocess
import sys

import cv2
import numpy
import pytest
import torch

from parkdet.memory import is_out_of_memory, limited_memory

# One tensor at a time, each a little smaller, so that it fits where the one before lay whatever
# else is in the heap; the least of several, since anything may touch new pages.
FAULTS = """
import resource
from parkdet.memory import keep_freed_memory
import torch
{first}
def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults(10_000_000 - 50_000 * repetition) for repetition in range(6)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another allocator")
def test_freed_memory_is_used_again(request):
    def faults(first: str) -> int:
        program = FAULTS.format(first=first)
        scripts = request.config.rootpath / "scripts"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=scripts, check=True
        )
        return int(done.stdout)

    assert faults("keep_freed_memory()") < faults("") / 10


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count")
def test_more_memory_than_allowed_is_an_error_and_only_there():
    with pytest.raises(MemoryError), limited_memory(100 << 20):
        bytearray(300 << 20)
    with limited_memory(300 << 20):
        bytearray(100 << 20)
    assert len(bytearray(300 << 20)) == 300 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count")
@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(300 << 20),
        lambda: numpy.empty(300 << 20, numpy.uint8),
        lambda: torch.empty(300 << 20, dtype=torch.uint8),
        lambda: cv2.resize(numpy.zeros((8, 8, 3), numpy.uint8), (10_000, 10_000)),
    ],
    ids=["system", "numpy", "torch", "opencv"],
)
def test_every_library_is_understood_that_lacks_memory(allocate):
    with pytest.raises(Exception) as raised, limited_memory(100 << 20):
        allocate()
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shapes differ"), OSError(2, "not there")]
)
def test_other_errors_do_not_mean_memory(error):
    assert not is_out_of_memory(error)
