"""A real one-node Slurm on loopback: no systemd, no accounting, two fake GPUs.

It needs root, since Slurm's configuration must be in /etc/slurm: a job's own snakemake would not
see a path in SLURM_CONF. Everything else is in a folder of its own and disappears with it.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
CPUS, MEMORY_MB, GPUS = 4, 16_000, 2  # as declared, whatever the machine has

CONFIG = """
ClusterName=parkdet
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SrunPortRange=60001-60100
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=bf_interval=3,sched_interval=5,batch_sched_delay=0,sched_min_interval=200000
KillWait=30
MinJobAge=600
InactiveLimit=0
ReturnToService=2
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES DefaultTime=10 MaxTime=1440 State=UP
PartitionName=gpu Nodes={host} DefaultTime=10 MaxTime=1440 State=UP GraceTime=60
PartitionName=urgent Nodes={host} PriorityTier=10 PreemptMode=OFF DefaultTime=10 State=UP
"""


def missing_packages() -> list[str]:
    """The required Debian packages that are not installed."""
    programs = {"slurmctld": "slurmctld", "slurmd": "slurmd", "slurm-client": "sbatch"}
    programs["munge"] = "munged"
    path = f"{os.environ['PATH']}:/usr/sbin"
    return [name for name in PACKAGES if shutil.which(programs[name], path=path) is None]


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Returns as soon as the condition holds; fails with ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


def slurm(*command: str) -> str:
    """The output of a Slurm command; empty if it fails."""
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return found.stdout.strip() if found.returncode == 0 else ""


class SlurmNode:
    """Starts and stops the daemons; each can also be restarted on its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        self._daemons: dict[str, subprocess.Popen] = {}

    def up(self) -> None:
        """Writes the configuration, starts the daemons and returns once a job has completed."""
        assert not (ETC / "slurm.conf").exists(), f"{ETC}/slurm.conf is there: another Slurm"
        self._configure()
        self._start_munge()
        for daemon in ("slurmctld", "slurmd"):
            self.start(daemon)
        wait_until(
            lambda: slurm("srun", "--quiet", "-p", "cpu", "-n1", "--mem=50", "-t", "1", "hostname"),
            60,
            "a first job",
        )

    def down(self) -> None:
        """Cancels all jobs, stops the daemons and removes the configuration."""
        if ids := slurm("squeue", "-h", "-o", "%A").split():
            slurm("scancel", *ids)
            wait_until(lambda: not slurm("squeue", "-h", "-o", "%A"), 60, "all jobs cancelled")
        for daemon in list(self._daemons):
            self.stop(daemon)
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)

    def start(self, daemon: str) -> None:
        """Starts slurmctld or slurmd and waits until it answers."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        log = (self.folder / f"{daemon}.out").open("a")
        with log:
            self._daemons[daemon] = subprocess.Popen(
                [f"/usr/sbin/{daemon}", "-D"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if daemon == "slurmctld":
            wait_until(lambda: "UP" in slurm("scontrol", "ping"), 30, "the controller answers")
        else:
            free = ("idle", "mixed", "allocated", "completing")
            wait_until(lambda: slurm("sinfo", "-h", "-o", "%T") in free, 60, "the node is there")

    def stop(self, daemon: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops a daemon; jobs keep running without it."""
        process = self._daemons.pop(daemon)
        process.send_signal(how)
        process.wait(30)

    def _configure(self) -> None:
        for name in ("controller", "node", "devices"):
            (self.folder / name).mkdir(parents=True)
        for number in range(GPUS):  # character devices, so that jobs get CUDA_VISIBLE_DEVICES
            device = self.folder / f"devices/nvidia{number}"
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        ETC.mkdir(exist_ok=True)
        sizes = {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
        config = CONFIG.format(host=self.host, folder=self.folder, **sizes)
        devices = f"{self.folder}/devices/nvidia[0-{GPUS - 1}]"
        gres = f"AutoDetect=off\nNodeName={self.host} Name=gpu File={devices}\n"
        for name, text in zip(FILES, (config, gres, "CgroupAutomount=no\n"), strict=True):
            (ETC / name).write_text(text)

    def _start_munge(self) -> None:
        if slurm("munge", "-n"):
            return
        run = Path("/run/munge")
        run.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(run, "munge", "munge")
        key = Path("/etc/munge/munge.key")
        if not key.exists():
            key.write_bytes(os.urandom(1024))
        shutil.chown(key, "munge", "munge")
        key.chmod(0o400)
        self._daemons["munged"] = subprocess.Popen(
            ["/usr/sbin/munged", "--foreground", "--force", "--num-threads=2"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: slurm("munge", "-n"), 30, "munge answers")
