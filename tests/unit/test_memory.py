import subprocess
import sys

import pytest

FAULTS = """
import resource
from parkdet.memory import keep_freed_memory
import torch
{first}
for step in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    kept = [torch.ones(9_000_000 + 300_000 * number) for number in range(3)]
    del kept
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
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
