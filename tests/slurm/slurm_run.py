"""A small copy of the project that runs on Slurm and whose trainings a test can hold."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from parkdet.files import sha256_file
from project import Project, copy_project
from slurm_node import slurm, wait_until

STAGE = {"val_period": 0, "optimizer": "SGD", "hyp": {"lr0": 0.001}}
CONFIG = {
    "run": "small",
    "data": {"root": "data/demo", "val_images": 4, "split": "random"},
    "training": {"imgsz": 64, "batch_size": 4, "nominal_batch": 4, "workers": 0, "device": "auto"},
    "baseline": {"epochs": 3, **STAGE},
    "finetune": {"epochs": 1, **STAGE},
    "infer": {"imgsz": 64, "batch_size": 4, "tta": False, "confidence": 0.0},
    "cut": {"max_bytes": 5000},
    "evaluate": {"test_truth": "data/demo/test_ground_truth.json"},
}
GPU_RULES = ("train_baseline", "finetune", "infer", "infer_val", "infer_shard")
SITE = {
    "account": None,
    "partition": "cpu",
    "gpu_partition": "gpu",
    "gpu_cpus": 2,
    "resources": {rule: {"mem_mb": 1500, "runtime": 30} for rule in GPU_RULES},
    "options": {"slurm-init-seconds-before-status-checks": 2, "seconds-between-status-checks": 2},
}
# Only in the copy: while the file `hold` exists, a training pauses in its second epoch and an
# inference at its first image; each save of a training takes as many seconds as `slow` says.
HOLD = """
def _held(trainer: "Trainer") -> None:
    from pathlib import Path

    if trainer.state.epoch == 1 and Path("hold").exists():
        Path("held").touch()
        while Path("hold").exists() and not trainer._stop:
            time.sleep(0.05)


class Trainer:
"""
SLOW = """
        slow = Path("slow")
        if slow.exists():
            Path("saving").touch()
            time.sleep(float(slow.read_text()))
        self._lock.check()
"""
STILL = """\
            while Path("hold").exists() and not stop:
                time.sleep(0.05)
"""


def _heed_ctrl_c() -> None:
    """A shell's background processes ignore Ctrl-C, and so do their children; this undoes it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class SlurmRun:
    """The folder of the copy, and the processes started in it."""

    folder: Path
    started: list[subprocess.Popen] = field(default_factory=list)
    before: set[str] = field(default_factory=set)  # job numbers of earlier tests

    @property
    def first(self) -> Path:
        """The results and output of the first run, whatever came after."""
        return self.folder.parent / "first"

    @classmethod
    def made(cls, folder: Path) -> "SlurmRun":
        """A fresh copy with small settings and the code changed as above."""
        project = copy_project(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        (folder / "slurm").symlink_to("profiles/slurm")
        (folder / "profiles/slurm/site.yaml").write_text(yaml.safe_dump(SITE))
        cls._slow_down(project)
        return cls(folder)

    @staticmethod
    def _slow_down(project: Project) -> None:
        project.edit("scripts/demo_data.py", "default=360", "default=16")
        project.edit("scripts/demo_data.py", "default=100", "default=4")
        project.edit("scripts/demo_data.py", 'default="640x384"', 'default="128x96"')
        loop, saver = (f"scripts/parkdet/training/{name}.py" for name in ("loop", "saver"))
        project.edit(loop, "\nclass Trainer:\n", HOLD)
        project.edit(
            loop,
            "        state = self.state\n        own, whole",
            "        _held(self)\n        state = self.state\n        own, whole",
        )
        project.edit(saver, "\n        self._lock.check()\n", SLOW)

        resume, looking = "scripts/parkdet/inference/resume.py", "enumerate(images, start=1):\n"
        project.edit(resume, looking, looking + STILL)

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.folder / "results/small"

    def site(self, **values: dict) -> None:
        """Writes site.yaml with other values in some sections."""
        site = {key: {**old, **values[key]} if key in values else old for key, old in SITE.items()}
        (self.folder / "profiles/slurm/site.yaml").write_text(yaml.safe_dump(site))

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts `snakemake --profile slurm`; its output goes to the file `said`."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        environment["OMP_NUM_THREADS"] = "1"
        command = [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments]
        with (self.folder / "said").open("a") as said:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=_heed_ctrl_c,
            )
        self.started.append(process)
        return process

    def finish(self, *arguments: str, seconds: float = 1500) -> None:
        """Runs `snakemake --profile slurm`, which must succeed."""
        assert self.start(*arguments).wait(seconds) == 0, self.said()[-4000:]

    def keep_first(self) -> None:
        """Copies results and output to ``first``, with what Slurm knows of each job."""
        shutil.copytree(self.results, self.first, symlinks=True)
        shutil.copy(self.folder / "said", self.first)
        (self.first / "jobs").write_text(slurm("scontrol", "show", "job", "-d", "-o"))

    def said(self) -> str:
        """The output of all snakemake calls so far."""
        return (self.folder / "said").read_text()

    def hold(self) -> None:
        """From now on, trainings pause in their second epoch, inferences at their first image."""
        (self.folder / "held").unlink(missing_ok=True)
        (self.folder / "hold").touch()

    def release(self) -> None:
        """Lets whatever is held go on."""
        (self.folder / "hold").unlink(missing_ok=True)

    def wait_for(self, name: str, seconds: float = 200) -> None:
        """Waits for a file in the folder."""
        wait_until((self.folder / name).exists, seconds, f"{name}; {self.said()[-2000:]}")

    def jobs(self, rule: str) -> dict[str, str]:
        """Job number -> state, for a rule's jobs since the test began."""
        lines = slurm("squeue", "-h", "-t", "all", "-o", "%A|%T|%k").splitlines()
        found = (line.split("|") for line in lines if line.split("|")[0] not in self.before)
        name = re.compile(f"rule_{rule}(_wildcards_.*)?")
        return {number: state for number, state, what in found if name.fullmatch(what)}

    def job(self, rule: str) -> str:
        """The number of a rule's only running job."""
        running = [number for number, state in self.jobs(rule).items() if state == "RUNNING"]
        assert len(running) == 1, self.jobs(rule)
        return running[0]

    def asked(self, number: str) -> str:
        """What Slurm knows about a job."""
        return slurm("scontrol", "show", "job", "-d", number)

    def start_afresh(self) -> None:
        """Undoes what earlier tests changed."""
        for name in ("hold", "held", "slow", "saving", "said"):
            (self.folder / name).unlink(missing_ok=True)
        self.site()
        self.before = set(slurm("squeue", "-h", "-t", "all", "-o", "%A").split())

    def forget_training(self) -> None:
        """Removes the baseline and its state."""
        metrics = self.results / "metrics/baseline.csv"
        for path in (*self.results.glob("weights/baseline_*"), metrics):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.results / "state/baseline", ignore_errors=True)

    def weights(self) -> dict[str, str]:
        """SHA-256 of both weights of the baseline."""
        paths = (self.results / f"weights/baseline_{end}.pt" for end in ("last", "best"))
        return {path.name: sha256_file(path) for path in paths}

    def end_all(self) -> None:
        """Kills the processes started here and cancels every job."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.started.clear()
        if numbers := slurm("squeue", "-h", "-o", "%A").split():
            slurm("scancel", "--signal=KILL", "--full", *numbers)
            slurm("scancel", *numbers)
            wait_until(lambda: not slurm("squeue", "-h", "-o", "%A"), 60, "all jobs are gone")
        unlock = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
        subprocess.run(unlock, cwd=self.folder, capture_output=True, check=True)
