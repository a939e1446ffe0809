import subprocess
import sys

import pytest

from parkdet.memory_use import _left_in_groups, available_memory, used_memory


def test_the_limits_of_control_groups_count(tmp_path):
    listing, root = tmp_path / "cgroup", tmp_path / "fs"
    listing.write_text("3:cpuset:/\n4:memory:/job/step\n0::/slice/unit\n")
    for folder, limit, usage in (
        ("memory/job/step", "memory.limit_in_bytes 1000", "memory.usage_in_bytes 400"),
        ("memory/job", "memory.limit_in_bytes 5000", "memory.usage_in_bytes 500"),
        ("slice/unit", "memory.max max", "memory.current 7"),
        ("slice", "memory.max 300", "memory.current 100"),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for line in (limit, usage):
            name, value = line.split()
            (root / folder / name).write_text(f"{value}\n")
    assert sorted(_left_in_groups(listing, root)) == [200, 600, 4500]


PEAK = """
import torch
from parkdet.memory_use import peak_memory, used_memory
earlier = torch.ones(100_000_000)
del earlier
before = used_memory()
with peak_memory(torch.device("cpu")) as peak:
    tensor = torch.ones(50_000_000)
    del tensor
print(peak.bytes - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_a_peak_is_seen_after_the_memory_is_gone_and_none_from_before(request):
    scripts = request.config.rootpath / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", PEAK], capture_output=True, text=True, cwd=scripts, check=True
    )
    assert 190e6 < int(done.stdout) < 250e6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_there_is_memory():
    assert 0 < used_memory() < 1 << 50
    assert 0 < available_memory() < 1 << 50
