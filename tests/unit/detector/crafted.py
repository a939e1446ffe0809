"""Checkpoint files put together by hand, sound except for one thing."""

import pickle
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_archive(path: Path, data: bytes, members=(), **options) -> Path:
    """A checkpoint archive with this pickle and these further members."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
        for name, content in members:
            file.writestr(name, content)
    return path


def body(value) -> bytes:
    """The instructions that push a value, for use within a larger pickle."""
    return pickle.dumps(value, 2)[2:-1]


def assembled(*instructions: bytes) -> bytes:
    return b"\x80\x02" + b"".join(instructions) + b"."


def model_of(state: bytes) -> bytes:
    """A pickle of a checkpoint whose model gets the state that these instructions push."""
    return assembled(b"}", body("model"), b"cmodels.yolo\nModel\n)\x81", state, b"bs")


def tensor(
    shape=(4,), stride=(1,), offset=0, member="0", storage="torch\nFloatStorage", elements=4
) -> bytes:
    """The instructions that push a tensor with these numbers."""
    identity = body("storage") + f"c{storage}\n".encode()
    identity += b"".join(body(part) for part in (member, "cpu", elements))
    rest = b"".join(body(part) for part in (offset, shape, stride, False, {}))
    return b"ctorch._utils\n_rebuild_tensor_v2\n((" + identity + b"tQ" + rest + b"tR"


def module_with(tensors: dict[str, bytes]) -> bytes:
    """The instructions that push the state of a module with these parameters."""
    fields = body({"yaml": {}, "names": [], "_buffers": {}, "_modules": {}})
    items = b"".join(body(name) + pushed + b"s" for name, pushed in tensors.items())
    return fields + body("_parameters") + b"}" + items + b"s"


@contextmanager
def little_memory(megabytes: int = 600) -> Iterator[None]:
    """Allocations of more than this fail within the block."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    allowed = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (allowed, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
