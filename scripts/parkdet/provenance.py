"""The sidecar of an output: what it was made from, with what, and how long that took."""

import os
import platform
import subprocess
import time
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from parkdet import __version__
from parkdet.files import sha256_file, write_json

PACKAGES = ("torch", "torchvision", "yolov5", "numpy", "opencv-python-headless", "snakemake")


def sidecar(output: Path) -> Path:
    """``weights/best.pt`` -> ``weights/best.pt.provenance.json``."""
    return output.with_name(f"{output.name}.provenance.json")


def write_provenance(
    output: Path,
    inputs: Iterable[Path],
    settings: dict[str, Any],
    started: float,
    device: str = "cpu",
) -> None:
    """Writes the sidecar of ``output``.

    Args:
        inputs: files the output was made from; each is hashed.
        settings: the options that decide the output.
        started: ``time.time()`` at the start of the work.
    """
    write_provenances([output], inputs, settings, started, device)


def write_provenances(
    outputs: Iterable[Path],
    inputs: Iterable[Path],
    settings: dict[str, Any],
    started: float,
    device: str = "cpu",
    code: str | None = None,
) -> None:
    """Writes the sidecars of files that were made together; each input is hashed once.

    Args:
        code: hash of the code that made them, for steps that do not run again when it changes.
    """
    shared = {
        "inputs": {str(path): sha256_file(path) for path in inputs},
        "settings": settings,
        "versions": {"parkdet": __version__, "python": platform.python_version(), **_versions()},
        "machine": {
            "host": platform.node(),
            "platform": platform.platform(),
            "device": device,
            "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
        },
        "git_revision": _git_revision(),
        **({"code": code} if code else {}),
        "seconds": round(time.time() - started, 3),
    }
    for output in outputs:
        own = {"output": output.name, "sha256": sha256_file(output)}
        write_json(sidecar(output), {**own, **shared}, indent=2)


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def _git_revision() -> str | None:
    try:
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
