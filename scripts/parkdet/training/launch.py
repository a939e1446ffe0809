"""Starts the processes (ranks) of a training on this machine, through torch's elastic agent.

The agent lets several machines find each other and numbers the ranks. Starting, watching and
stopping the ranks is done here, because they exit with codes of their own and need time to save.
"""

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import msgspec
from torch.distributed import DistError
from torch.distributed.elastic.agent.server.api import (
    RunResult,
    SimpleElasticAgent,
    WorkerGroup,
    WorkerSpec,
    WorkerState,
)
from torch.distributed.elastic.multiprocessing import ProcessFailure
from torch.distributed.elastic.rendezvous import (
    RendezvousError,
    RendezvousHandler,
    RendezvousParameters,
)
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

from parkdet.errors import StoppedEarly, UserError
from parkdet.training.nodes import Nodes
from parkdet.training.rank_process import LAUNCHER, REPORTS, Report
from parkdet.training.signals import SIGNALS, stop_requests

SAVING = 600.0  # seconds that ranks have to save after a signal; a scheduler gives less
GRACE = 30.0  # seconds that they have to exit after one of them failed
POLL_INTERVAL = 0.1  # seconds
MEETING = 900  # seconds that machines wait for each other
GOOD_EXITS = (0, StoppedEarly.exit_code)


class RankFault(Exception):
    """A bug that surfaced in a rank, with its traceback."""


def launch(command: Sequence[str], processes: int, nodes: Nodes, grace: float = GRACE) -> None:
    """Runs ``command`` in ``processes`` ranks on this machine and returns when all have ended.

    A rank learns its place from RANK, LOCAL_RANK, WORLD_SIZE and so on. A signal that asks to stop
    is passed on to the ranks once. When a rank fails, the others are asked to exit, and killed
    after ``grace`` seconds. No rank outlives this process.

    Raises:
        StoppedEarly: the ranks were stopped and saved.
        UserError: a rank raised it, or a rank was killed.
        RankFault: a rank raised anything else.
    """
    receiving, sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    spec = WorkerSpec(
        role="training",
        local_world_size=processes,
        rdzv_handler=_rendezvous(nodes),
        entrypoint=command[0],
        args=tuple(command[1:]),
        max_restarts=0,
        monitor_interval=POLL_INTERVAL,
        master_addr=nodes.address if nodes.count > 1 else None,
        master_port=nodes.port if nodes.count > 1 else None,
    )
    with receiving, sending, _Agent(spec, sending.fileno(), grace) as agent:
        try:
            result = agent.run()
        except (DistError, RendezvousError) as error:
            said = " ".join(str(error).split())
            raise UserError(
                f"The {nodes.count} machine(s) of the training did not meet at "
                f"MASTER_ADDR:MASTER_PORT, {nodes.address}:{nodes.port} ({said:.300}). Check that "
                "the first machine has that name, that the port is free there and can be reached, "
                "and that NNODES and NODE_RANK are right on each."
            ) from error
        _conclude(result, _read_reports(receiving))


def _rendezvous(nodes: Nodes) -> RendezvousHandler:
    shared = {"min_nodes": nodes.count, "max_nodes": nodes.count, "timeout": MEETING}
    if nodes.count == 1:  # any free port
        return get_rendezvous_handler(
            RendezvousParameters(
                "c10d", "localhost:0", uuid.uuid4().hex, local_addr="127.0.0.1", **shared
            )
        )
    return get_rendezvous_handler(
        RendezvousParameters(
            "static", f"{nodes.address}:{nodes.port}", "parkdet", rank=nodes.rank, **shared
        )
    )


class _Agent(SimpleElasticAgent):
    """The elastic agent, with each rank an ordinary command in a session of its own.

    In its own session a rank does not get a terminal's Ctrl-C in addition to the one passed on.
    """

    def __init__(self, spec: WorkerSpec, reports: int, grace: float) -> None:
        super().__init__(spec)
        self._reports, self._grace = reports, grace
        self._ranks: dict[int, subprocess.Popen] = {}
        self._signals = ExitStack()
        self._deadline: float | None = None  # for saving, once a signal has been passed on

    def __enter__(self) -> "_Agent":
        return self

    def __exit__(self, *_: object) -> None:
        self._worker_group.spec.rdzv_handler.shutdown()
        self._signals.close()

    def _start_workers(self, worker_group: WorkerGroup) -> dict[int, Any]:
        # Not earlier: until the machines have met there is nothing to save, and a signal may kill.
        self._stop = self._signals.enter_context(stop_requests())
        spec, started = worker_group.spec, {}
        # Signals wait while a rank is still importing; its `stop_requests` lets them in.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for worker in worker_group.workers:
                rank = subprocess.Popen(
                    [spec.entrypoint, *spec.args],
                    env=os.environ | self._variables(worker_group, worker),
                    pass_fds=(self._reports,),
                    start_new_session=True,
                )
                self._ranks[worker.global_rank] = rank
                started[worker.local_rank] = rank.pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return started

    def _variables(self, group: WorkerGroup, worker: Any) -> dict[str, str]:
        values = {
            LAUNCHER: os.getpid(),
            REPORTS: self._reports,
            "RANK": worker.global_rank,
            "WORLD_SIZE": worker.world_size,
            "LOCAL_RANK": worker.local_rank,
            "LOCAL_WORLD_SIZE": group.spec.local_world_size,
            "GROUP_RANK": group.group_rank,
            "MASTER_ADDR": group.master_addr,
            "MASTER_PORT": group.master_port,
            "TORCHELASTIC_RUN_ID": group.spec.rdzv_handler.get_run_id(),
            "TORCHELASTIC_RESTART_COUNT": 0,
            "TORCHELASTIC_USE_AGENT_STORE": group.spec.rdzv_handler.use_agent_store,
        }
        return {name: str(value) for name, value in values.items()}

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        self._pass_signal_on()
        codes = {rank: process.poll() for rank, process in self._ranks.items()}
        failed = {
            rank: code
            for rank, code in codes.items()
            if code is not None and code not in GOOD_EXITS
        }
        if failed:
            # A rank that was killed is the cause; others fail because it is gone.
            first = min(failed, key=lambda rank: failed[rank] >= 0)
            process = self._ranks[first]
            failure = ProcessFailure(first, process.pid, process.returncode, "")
            return RunResult(WorkerState.FAILED, failures={first: failure})
        if None not in codes.values():
            return RunResult(WorkerState.SUCCEEDED, return_values=codes)
        if self._deadline is not None and time.monotonic() > self._deadline:
            return RunResult(WorkerState.FAILED)
        return RunResult(WorkerState.HEALTHY)

    def _pass_signal_on(self) -> None:
        if not self._stop or self._deadline is not None:
            return
        self._deadline = time.monotonic() + SAVING
        for process in self._ranks.values():
            process.send_signal(self._stop.signal)

    def _stop_workers(self, worker_group: WorkerGroup) -> None:
        self._shutdown()

    def _shutdown(self, death_sig: signal.Signals = signal.SIGTERM, timeout: int = 0) -> None:
        """Ends the ranks still running; called again at the very end, when none are."""
        alive = [process for process in self._ranks.values() if process.poll() is None]
        for process in alive:
            process.send_signal(death_sig)
        end = time.monotonic() + self._grace
        for process in alive:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        for process in self._ranks.values():
            if process.poll() is None or process.returncode not in GOOD_EXITS:
                with suppress(ProcessLookupError):  # its loader workers, too
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read_reports(receiving: socket.socket) -> list[Report]:
    """The ranks' reports, in the order in which they were sent."""
    receiving.setblocking(False)
    reports = []
    with suppress(BlockingIOError):
        while True:
            reports.append(msgspec.json.decode(receiving.recv(1 << 20), type=Report))
    return reports


def _conclude(result: RunResult, reports: Sequence[Report]) -> None:
    if not result.is_failed():
        for report in reports:  # none, or one that says that all were stopped
            raise StoppedEarly(report.message)
        return
    for rank, failure in result.failures.items():
        if failure.exitcode < 0:
            raise UserError(_killed(rank, -failure.exitcode))
    for report in reports:
        if report.code == UserError.exit_code:
            raise UserError(report.message)
        if report.code not in GOOD_EXITS:
            raise RankFault(f"in rank {report.rank}\n{report.message}")
    for rank, failure in result.failures.items():
        raise RankFault(f"rank {rank} exited with {failure.exitcode}; its messages are above")
    raise UserError(
        f"The training was asked to stop, but did not within {SAVING:.0f} s, so it was killed. "
        "The state up to the last save is kept: run the same command again to continue."
    )


def _killed(rank: int, number: int) -> str:
    name = signal.Signals(number).name
    memory = " (if memory ran out, lower --batch-size or --workers)" if number == 9 else ""
    return (
        f"Rank {rank} of the training was killed by signal {number}, {name}{memory}, and the "
        "others were stopped. The state up to the last save is kept: run the same command again "
        "to continue."
    )
