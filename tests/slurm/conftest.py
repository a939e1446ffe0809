"""One Slurm for the whole session, and a small project that has run on it once."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from slurm_node import PACKAGES, SlurmNode, missing_packages
from slurm_run import SlurmRun

INSTALL = f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmNode]:
    """The running Slurm; CI installs it if needed, elsewhere the tests are skipped without it."""
    if os.getuid() != 0:
        pytest.skip("Slurm's daemons and /etc/slurm need root")
    if missing_packages():
        if not os.environ.get("CI"):
            pytest.skip(f"Slurm is not installed: {INSTALL}")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run([*INSTALL.split(), "-qq"], check=True)
    node = SlurmNode(tmp_path_factory.mktemp("slurm"))
    try:
        node.up()
        yield node
    finally:
        node.down()


@pytest.fixture(scope="session")
def finished(node: SlurmNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmRun]:
    """A project that a plain `snakemake --profile slurm` has run, undisturbed."""
    run = SlurmRun.made(tmp_path_factory.mktemp("project") / "parkdet")
    try:
        run.finish()
        run.keep_first()
        yield run
    finally:
        run.end_all()


@pytest.fixture(scope="session")
def undisturbed(finished: SlurmRun) -> dict[str, str]:
    """SHA-256 of the baseline's weights in that run."""
    return finished.weights()


@pytest.fixture
def project(finished: SlurmRun) -> Iterator[SlurmRun]:
    """The project, with nothing held any more; none of its jobs is left at the end."""
    finished.start_afresh()
    yield finished
    finished.end_all()


@pytest.fixture
def run(project: SlurmRun, undisturbed: dict[str, str]) -> SlurmRun:
    """The project without its baseline."""
    project.forget_training()
    return project
