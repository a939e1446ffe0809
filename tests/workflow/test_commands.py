"""What the commands of docs/usage.md run, and how the workflow fits the machine it runs on.

The scripts are stubs that only create their outputs, so that a whole run takes seconds. An output
that is made again has the same content as before.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project import Project, copy_project
from skeletons import skeleton, stub_scripts
from usage_page import command_after, rules, table

SETTINGS = {"run": "mine", "data": {"root": "photos"}}
# A training that is killed while it writes and would not end by itself.
HELD = """
import os, pathlib, sys, time
if "tune" in sys.argv and pathlib.Path("hold").exists():
    pathlib.Path(sys.argv[sys.argv.index("--last") + 1]).write_text("half")
    pathlib.Path("held").write_text(str(os.getpid()))
    while pathlib.Path("hold").exists():
        time.sleep(0.02)
    sys.exit(1)
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """A project with a user's config.yaml, in which nothing has been run."""
    project = copy_project(tmp_path_factory.mktemp("commands") / "parkdet")
    skeleton(project.folder / "photos")
    stub_scripts(project.folder)
    (project.folder / "given.pt").touch()
    project.write_config("config.yaml", SETTINGS)
    project.write_config("other.yaml", SETTINGS | {"run": "other"})
    project.write_config("given.yaml", SETTINGS | {"infer": {"weights": ["given.pt"]}})
    return project


def copied(project: Project, folder: Path) -> Project:
    shutil.copytree(project.folder, folder)
    return Project(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, fresh) -> Project:
    """The same after a whole run."""
    project = copied(fresh, tmp_path_factory.mktemp("commands") / "finished")
    result = project.snakemake()
    assert result.returncode == 0, result.stderr
    return project


def words(command: str) -> list[str]:
    """The arguments of a Snakemake command."""
    program, *arguments = shlex.split(command)
    assert program == "snakemake"
    return arguments


@pytest.mark.parametrize(("added", "at_first", "at_last"), table("after `snakemake --cores all`"))
def test_a_command_runs_what_the_page_says(fresh, finished, added, at_first, at_last):
    arguments = [] if added == "(no more)" else shlex.split(added.strip("`"))
    assert fresh.planned(*arguments) == rules(at_first)
    assert finished.planned(*arguments) == rules(at_last)


def trained(project: Project) -> list[str]:
    """The stages whose training was started."""
    calls = (project.folder / "calls.jsonl").read_text()
    return re.findall(r'\["train", \["--stage", "(\w+)"', calls)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


def test_after_a_kill_the_command_on_the_page_resumes_the_run(fresh, tmp_path):
    project = copied(fresh, tmp_path / "parkdet")
    script, hold = project.folder / "scripts/train.py", project.folder / "hold"
    script.write_text(HELD + script.read_text())
    hold.touch()
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=project.folder, **streams) as process:
        try:
            wait_for(project.folder / "held", process)
        finally:
            process.kill()
            hold.unlink()  # ends the orphaned training, too
    refused = project.snakemake()
    assert refused.returncode != 0 and "--unlock" in refused.stderr
    assert trained(project) == ["baseline"]
    assert (project.folder / "results/mine/weights/tune_last.pt").read_text() == "half"

    for part in command_after("If Snakemake itself was killed").split(" && "):
        result = project.snakemake(*words(part))
        assert result.returncode == 0, result.stderr
    assert trained(project) == ["baseline", "tune"]
    assert (project.folder / "results/mine/weights/tune_last.pt").read_text() == ""
    assert project.planned() == set()


def test_the_rules_also_run_on_another_cluster(finished, tmp_path):
    queue = f"{sys.executable} {Path(__file__).with_name('job_queue.py')}"
    submit = f"{queue} submit {tmp_path} {{rule}} {{resources.mem_mb}} {{resources.runtime}}"
    result = finished.snakemake(
        *("-f", "conf_cut", "--executor", "cluster-generic"),
        *("--cluster-generic-submit-cmd", submit, "--jobs", "1"),
        *("--cluster-generic-status-cmd", f"{queue} status {tmp_path}"),
        *("--seconds-between-status-checks", "1"),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "jobs").read_text() == "conf_cut 4000 30\n"
    assert "gpu=" not in result.stderr  # a cluster keeps track of its GPUs itself


def test_a_workstation_runs_no_more_gpu_jobs_at_once_than_it_has_gpus(finished):
    said = r"Provided resources: gpu=\D*(\d+)"
    limits = {
        gpus: re.findall(
            said, finished.snakemake("-f", "conf_cut", CUDA_VISIBLE_DEVICES=gpus).stderr
        )
        for gpus in ("", "0", "0,1")
    }
    assert limits == {"": ["1"], "0": ["1"], "0,1": ["2"]}
