"""A minimal queue for Snakemake's generic cluster executor: each job is a process.

job_queue.py submit FOLDER RULE MEM_MB RUNTIME SCRIPT    prints the job's number
job_queue.py status FOLDER NUMBER                        running, success or failed
"""

import subprocess
import sys
from pathlib import Path


def submit(folder: Path, rule: str, mem_mb: str, runtime: str, script: str) -> str:
    """Starts a job, which leaves its exit code in a file; gives the job's number."""
    with (folder / "jobs").open("a") as jobs:
        jobs.write(f"{rule} {mem_mb} {runtime}\n")
    leave = 'sh "$0"; echo $? > "$1/$$.code"'
    command = ["sh", "-c", leave, script, str(folder)]
    with (folder / "said").open("a") as said:
        return str(subprocess.Popen(command, stdout=said, stderr=said).pid)


def status(folder: Path, number: str) -> str:
    """Whether a job is running, has succeeded or has failed."""
    code = folder / f"{number}.code"
    if not code.exists() or not code.read_text():
        return "running"
    return "success" if int(code.read_text()) == 0 else "failed"


if __name__ == "__main__":
    action, place, *rest = sys.argv[1:]
    print({"submit": submit, "status": status}[action](Path(place), *rest))
