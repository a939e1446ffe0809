import subprocess
import sys

import pytest

# One tensor at a time, so that it does not depend on what else lies in the heap whether the
# pages of the one before serve again; the least of several, since anything may touch new pages.
FAULTS = """
import resource
from parkdet.memory import keep_freed_memory
import torch
{first}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for repetition in range(5)))
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
