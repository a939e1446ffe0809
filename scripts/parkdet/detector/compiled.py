"""C++ files next to this module, compiled on first use by the machine's own compiler."""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

log = logging.getLogger("parkdet")

# OpenMP: torch brings libgomp.so.1, so the library shares torch's threads.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
SECONDS = 120  # limit for a compilation


@cache
def load_compiled(name: str) -> tuple[ctypes.CDLL, str] | None:
    """The library compiled from ``{name}.cpp``, and a short text that identifies it.

    The library is kept in ``__pycache__``, under a name made from all that decides its content,
    and compiled if it is not there. The compiler is ``$CXX``, else c++, g++ or clang++.

    Returns:
        None, with a line in the log, if it cannot be compiled here.
    """
    source = Path(__file__).with_name(f"{name}.cpp")
    compiler = _find_compiler()
    if compiler is None:
        log.info("%s is not compiled, since no C++ compiler was found: slower on a CPU", source)
        return None
    try:
        identity = _identity(source, compiler)
        kept = source.parent / "__pycache__" / f"{name}-{identity}.so"
        with suppress(OSError):  # not there, or incomplete after a power failure
            return ctypes.CDLL(str(kept)), identity
        return _compile(compiler, source, kept), identity
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        log.warning("%s could not be compiled, so a CPU is slower: %s", source, said.strip())
        return None


def _find_compiler() -> list[str] | None:
    """The compiler's command: its program, and options if ``$CXX`` has some."""
    asked = shlex.split(os.environ.get("CXX", ""))
    commands = [asked] if asked else [["c++"], ["g++"], ["clang++"]]
    return next((command for command in commands if shutil.which(command[0])), None)


def _identity(source: Path, compiler: list[str]) -> str:
    """A hash of source, compiler, options and, since it decides the instructions, the CPU."""
    version = subprocess.run(
        [*compiler, "--version"], capture_output=True, check=True, timeout=SECONDS
    ).stdout
    options = " ".join((*compiler, *FLAGS)).encode()
    parts = [source.read_bytes(), version, options, _cpu()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _cpu() -> bytes:
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return platform.processor().encode()
    described = (b"model name", b"flags", b"Features", b"CPU part")
    return b"\n".join(sorted({line for line in lines if line.startswith(described)}))


def _compile(compiler: list[str], source: Path, kept: Path) -> ctypes.CDLL:
    """Compiles and loads; keeps the library if the folder can be written."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, kept.name)
        subprocess.run(
            [*compiler, *FLAGS, "-o", str(made), str(source)],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        library = ctypes.CDLL(str(made))  # loaded before other processes can find it
        try:
            kept.parent.mkdir(exist_ok=True)
            # Renamed into place, since another process may be looking for it right now.
            beside = kept.with_suffix(f".{uuid.uuid4().hex}")
            shutil.copyfile(made, beside)
            os.replace(beside, kept)
        except OSError as error:
            log.info("the compiled %s is not kept: %s", source.name, error)
    return library
