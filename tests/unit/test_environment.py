"""The ways to the environment (pip, image, conda) hold the same packages."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[2] / "envs"
LOCK = ENVS / "requirements.lock"
CONTAINER = (ENVS / "Containerfile").read_text()
OF_CUDA = re.compile(r"(nvidia-.*|cuda-.*|triton|torch|torchvision)$")


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def files(text: str) -> dict[str, set[str]]:
    """The hashes of each package."""
    parts = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {part.split("==")[0]: set(re.findall("sha256:[0-9a-f]{64}", part)) for part in parts}


@pytest.mark.parametrize("lock", [LOCK, ENVS / "tracking.lock"], ids=lambda path: path.name)
def test_every_package_has_a_version_and_a_hash(lock):
    text = lock.read_text()
    assert set(pins(text)) == set(files(text))
    assert all(files(text).values())


def test_the_trackers_change_no_version():
    base, trackers = pins(LOCK.read_text()), pins((ENVS / "tracking.lock").read_text())
    shared = base.keys() & trackers.keys()
    assert shared and {name: trackers[name] for name in shared} == {
        name: base[name] for name in shared
    }
    assert {"mlflow-skinny", "wandb"} <= trackers.keys() - base.keys()


def test_the_image_for_cpus_has_the_lock_without_cuda():
    (program,) = re.findall(r"awk '(.*?)' requirements\.lock", CONTAINER)
    kept = subprocess.run(["awk", program, LOCK], capture_output=True, text=True, check=True).stdout
    whole = files(LOCK.read_text())
    assert files(kept) == {name: whole[name] for name in whole if not OF_CUDA.match(name)}


def test_the_image_for_cpus_takes_torch_at_the_versions_of_the_lock():
    (pattern,) = re.findall(r"grep -oE '(.*?)' requirements\.lock", CONTAINER)
    command = ["grep", "-oE", pattern, LOCK]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    whole = pins(LOCK.read_text())
    assert pins(found) == {name: whole[name] for name in ("torch", "torchvision")}


def test_the_image_runs_as_nobody_in_particular_and_checks_hashes():
    users = re.findall(r"^USER (\S+)", CONTAINER, re.MULTILINE)
    assert users and users[-1].isdecimal() and int(users[-1]) > 0
    assert "--no-deps --require-hashes -r pins.txt" in CONTAINER


def test_python_and_cuda_are_the_same_everywhere():
    makefile = (ENVS.parent / "Makefile").read_text()
    (locked,) = re.findall(r"--python-version (\S+)", makefile)
    assert set(re.findall(r"/python:([\d.]+)-", CONTAINER)) == {locked}
    conda = yaml.safe_load((ENVS / "parkdet.yaml").read_text())
    assert f"python={locked}" in conda["dependencies"]
    (cuda,) = re.findall(r'NVIDIA_REQUIRE_CUDA="cuda>=([\d.]+)"', CONTAINER)
    assert pins(LOCK.read_text())["cuda-toolkit"].startswith(f"{cuda}.")


def test_conda_installs_the_lock_that_is_there(tmp_path):
    """The script, in a folder with the lock, and with a python that tells how it is called."""
    (tmp_path / "python").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    (tmp_path / "python").chmod(0o755)
    script = ENVS / "parkdet.post-deploy.sh"
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", script], cwd=ENVS.parent, env=variables, capture_output=True)
    assert done.returncode == 0, f"run `make lock`: {done.stderr}"
    assert (tmp_path / "said").read_text().split()[-4:] == [
        *("--no-deps", "--require-hashes", "-r", "envs/requirements.lock")
    ]
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/requirements.lock").write_text("numpy==1.0\n")
    done = subprocess.run(["sh", script], cwd=tmp_path, env=variables, capture_output=True)
    assert done.returncode != 0
