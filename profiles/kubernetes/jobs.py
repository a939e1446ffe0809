"""Jobs of a Kubernetes cluster for Snakemake's generic cluster executor, from the project's root.

jobs.py submit RULE THREADS MEM_MB RUNTIME GPUS SCRIPT    prints the job's name
jobs.py status NAME                                       running, success or failed
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DAY = 86_400  # seconds for which an ended job can still be queried


def manifest(
    site: dict[str, Any], rule: str, threads: int, mem_mb: int, runtime: int, gpus: int, script: str
) -> dict[str, Any]:
    """The Job that runs one of Snakemake's scripts in a pod.

    Args:
        site: the content of site.yaml.
        runtime: minutes after which the pod is ended.
    """
    limits = {"memory": f"{mem_mb}M"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    container = {
        "name": "step",
        "image": site["image"],
        "command": ["sh", script],
        "workingDir": str(Path.cwd()),
        "resources": {"requests": {"cpu": threads, "memory": f"{mem_mb}M"}, "limits": limits},
        "volumeMounts": [
            {"name": "shared", "mountPath": site["mount"]},
            {"name": "memory", "mountPath": "/dev/shm"},  # loader workers pass images through it
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "shared", "persistentVolumeClaim": {"claimName": site["claim"]}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    }
    if gpus:
        pod |= {"nodeSelector": site["node_selector"], "tolerations": site["gpu_tolerations"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"parkdet-{rule.replace('_', '-')}-"},
        "spec": {
            "backoffLimit": 0,  # Snakemake decides what to retry
            "activeDeadlineSeconds": 60 * runtime,
            "ttlSecondsAfterFinished": DAY,
            "template": {"spec": pod},
        },
    }


def outcome(status: dict[str, Any]) -> str:
    """What a Job's status means to Snakemake."""
    ended = {
        condition["type"]
        for condition in status.get("conditions", ())
        if condition["status"] == "True"
    }
    if "Failed" in ended:
        return "failed"
    return "success" if "Complete" in ended else "running"


def kubectl(
    site: dict[str, Any], *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Calls kubectl in the site's namespace."""
    command = ["kubectl", "--namespace", site["namespace"], *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True)


def submit(site: dict[str, Any], job: dict[str, Any]) -> str:
    """Creates a Job and returns its name; ends the program with kubectl's message if that fails."""
    created = ("create", "--filename=-", "--output=jsonpath={.metadata.name}")
    done = kubectl(site, *created, given=json.dumps(job))
    return done.stdout.strip() if done.returncode == 0 else sys.exit(done.stderr)


def status(site: dict[str, Any], name: str) -> str:
    """What became of a Job; one that cannot be queried now counts as running and is asked again."""
    done = kubectl(site, "get", "job", name, "--output=json")
    if done.returncode == 0:
        return outcome(json.loads(done.stdout)["status"])
    return "failed" if "NotFound" in done.stderr else "running"


def main(action: str, *rest: str) -> None:
    """Submits a job, or queries one."""
    site = yaml.safe_load(Path(__file__).with_name("site.yaml").read_text())
    if action == "status":
        print(status(site, *rest))
        return
    rule, *numbers, script = rest
    print(submit(site, manifest(site, rule, *map(int, numbers), script)))


if __name__ == "__main__":
    main(*sys.argv[1:])
