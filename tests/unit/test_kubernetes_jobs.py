"""The Kubernetes profile's jobs, as far as they can be checked without a cluster."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROFILE = Path(__file__).parents[2] / "profiles/kubernetes"
JOBS = PROFILE / "jobs.py"
SITE = yaml.safe_load((PROFILE / "site.yaml").read_text())


@pytest.fixture(scope="module")
def jobs() -> dict:
    return runpy.run_path(str(JOBS))


@pytest.fixture
def call(tmp_path):
    """Calls jobs.py with a kubectl that says ``answer`` and keeps what it is given."""
    stub = tmp_path / "kubectl"
    stub.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/said\ncat > {tmp_path}/given\n'
        'echo "$ANSWER"\necho "$ERROR" >&2\nexit ${CODE-0}\n'
    )
    stub.chmod(0o755)

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **environment}
        command = [sys.executable, str(JOBS), *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    return call


def pod(jobs, rule="infer", gpus=0) -> dict:
    job = jobs["manifest"](SITE, rule, 8, 4000, 30, gpus, "script.sh")
    assert job["spec"]["activeDeadlineSeconds"] == 1800
    return job["spec"]["template"]["spec"]


def test_a_step_on_a_gpu_asks_for_it_as_a_limit_and_may_go_where_gpus_are(jobs):
    spec = pod(jobs, gpus=2)
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": 8, "memory": "4000M"},
        "limits": {"memory": "4000M", "nvidia.com/gpu": 2},
    }
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_a_step_without_a_gpu_stays_away_from_them(jobs):
    spec = pod(jobs)
    assert "nvidia.com/gpu" not in spec["containers"][0]["resources"]["limits"]
    assert "tolerations" not in spec


def test_every_pod_has_the_shared_folder_where_it_is_here(jobs):
    spec = pod(jobs)
    (container,) = spec["containers"]
    assert container["workingDir"] == str(Path.cwd())
    assert container["command"] == ["sh", "script.sh"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"shared": SITE["mount"], "memory": "/dev/shm"}
    assert {volume["name"] for volume in spec["volumes"]} == set(mounts)


def test_submitting_hands_the_job_to_kubectl_and_gives_its_name(call, tmp_path):
    done = call("submit", "train_baseline", "8", "16000", "2880", "1", "a.sh", ANSWER="job-7")
    assert done.stdout == "job-7\n"
    assert (tmp_path / "said").read_text().startswith(f"--namespace {SITE['namespace']} create ")
    job = json.loads((tmp_path / "given").read_text())
    assert job["metadata"]["generateName"] == "parkdet-train-baseline-"


def test_a_job_that_is_refused_ends_with_what_kubectl_says(call):
    done = call("submit", "infer", "1", "500", "10", "0", "a.sh", CODE="1", ERROR="quota exceeded")
    assert done.returncode == 1
    assert "quota exceeded" in done.stderr


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({}, "running"),
        ({"active": 1, "failed": 1}, "running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "success"),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "failed"),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, "running"),
    ],
)
def test_what_a_status_means(jobs, status, outcome):
    assert jobs["outcome"](status) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [("Error from server (NotFound): jobs", "failed"), ("connection refused", "running")],
)
def test_a_job_that_is_gone_failed_and_a_server_that_is_away_is_asked_again(call, error, outcome):
    assert call("status", "job-7", CODE="1", ERROR=error).stdout == f"{outcome}\n"


@pytest.mark.parametrize("written", ["lots-2", "lots-2 # ours", '"lots-2"'])
def test_cancelling_deletes_jobs_in_the_namespace_of_the_site(call, tmp_path, written):
    (tmp_path / "profiles/kubernetes").mkdir(parents=True)
    (tmp_path / "profiles/kubernetes/site.yaml").write_text(f"# a site\nnamespace: {written}\n")
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = [PROFILE / "cancel", "job-7", "job-8"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PATH": path}, input=b"", check=True)
    said = (tmp_path / "said").read_text()
    assert said == "--namespace lots-2 delete job --wait=false job-7 job-8\n"
