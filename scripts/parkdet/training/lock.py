"""The lock on a training's state: only one process may write it, even across several hosts.

On one host the kernel enforces this with an fcntl lock, which ends with its process, however that
ends. Other hosts may not see the lock, or may see it long after its host is gone; so every few
seconds the owner also touches a file that names it. Another host watches whether that file's
timestamp changes, so clocks need not agree. Whoever takes over writes its own name into the file,
and a former owner that is still alive after all finds that name before its next save.
"""

import errno
import fcntl
import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from parkdet.errors import UserError
from parkdet.files import write_json

log = logging.getLogger("parkdet")

HEARTBEAT = 10.0  # seconds
MISSED = 3  # heartbeats, after which the owner counts as dead
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")  # Slurm, PBS, LSF, Grid Engine


class Owner(msgspec.Struct):
    """The process that may write; the timestamp of its file is its latest heartbeat.

    Attributes:
        boot: tells hosts of the same name apart.
        job: the scheduler's job id, if there is one.
        since: ISO 8601 with the offset to UTC.
        token: unique to this owner.
    """

    host: str
    boot: str
    pid: int
    job: str | None
    since: str
    token: str

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}"


class StateLock:
    """Held from entry to exit; forked processes neither hold it nor keep it alive.

    Args:
        folder: the state's; it holds the files ``lock`` and ``owner.json``.
        host: name of this host.
        sleep: waits for a number of seconds.

    Raises:
        UserError: on entry, if another process has the lock; names that process.
    """

    def __init__(
        self,
        folder: Path,
        host: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder, self._sleep = folder, sleep
        self._owner_file = folder / "owner.json"
        self._me = Owner(
            host=host or platform.node(),
            boot=_boot_id(),
            pid=os.getpid(),
            job=next((os.environ[name] for name in JOB_IDS if name in os.environ), None),
            since=datetime.now().astimezone().isoformat(timespec="seconds"),
            token=uuid.uuid4().hex,
        )
        self._seen = time.monotonic()  # when the owner file was last known to be ours
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "StateLock":
        try:
            self._descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._unreachable(error) from error
        try:
            self._acquire()
        except OSError as error:
            os.close(self._descriptor)
            raise self._unreachable(error) from error
        except BaseException:
            os.close(self._descriptor)
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(OSError):  # must not hide how the block ended
            if self._read_owner()[0] == self._me:
                self._owner_file.unlink(missing_ok=True)
        os.close(self._descriptor)  # which releases the fcntl lock

    def check(self) -> None:
        """Makes sure that the lock is still held; to be called before each write.

        Raises:
            UserError: another process has taken over, or the folder cannot be read.
        """
        try:
            owner, _ = self._read_owner()
        except OSError as error:
            raise self._unreachable(error) from error
        recently = time.monotonic() - self._seen < MISSED * HEARTBEAT
        if owner is None and recently:  # the file was removed, perhaps by hand
            write_json(self._owner_file, self._me)
        elif owner != self._me:
            raise UserError(
                f"{self._folder} now belongs to {owner or 'nobody'}: this process showed no sign "
                f"of life for {MISSED * HEARTBEAT:g} s, and another took over. This process "
                "writes nothing more; look at the other one to see how the training goes on."
            )
        self._seen = time.monotonic()

    def _acquire(self) -> None:
        locked = _try_fcntl(self._descriptor)
        owner, beat = self._read_owner()
        here = owner is not None and (owner.host, owner.boot) == (self._me.host, self._me.boot)
        if locked is False and (owner is None or here):
            raise self._taken(owner)
        gone = beat is None or (locked and here)  # the kernel's word is enough on one host
        if not gone:
            self._watch(owner, beat)
        write_json(self._owner_file, self._me)

    def _watch(self, owner: Owner | None, beat: int) -> None:
        """Waits for a heartbeat from an owner that may be dead.

        Raises:
            UserError: it is alive.
        """
        log.info(
            "%s belongs to %s: waiting %g s for a sign of life",
            self._folder,
            owner or "an unknown process",
            MISSED * HEARTBEAT,
        )
        polls = 10 * MISSED
        for _ in range(polls):
            self._sleep(MISSED * HEARTBEAT / polls)
            latest = self._read_owner()
            if latest == (None, None):
                return
            if latest != (owner, beat):
                raise self._taken(latest[0])
        log.warning("%s is dead: taking over its training", owner or "an unknown process")

    def _unreachable(self, error: OSError) -> UserError:
        return UserError(
            f"Cannot lock {self._folder}: {error.strerror or error}. The state of a training needs "
            "a writable folder: check --state-dir, its permissions and its disk."
        )

    def _taken(self, owner: Owner | None) -> UserError:
        return UserError(
            f"{self._folder} is in use by {owner or 'a process that has just started'}: two "
            "processes must not write one training. Wait until it has ended, or stop it (it saves "
            "its state), and run this command again."
        )

    def _read_owner(self) -> tuple[Owner | None, int | None]:
        """The owner, and the time of its latest heartbeat in ns on the file system's clock.

        Without the file both are None; if it is damaged, only the owner is.
        """
        try:
            with self._owner_file.open("rb") as file:  # opening asks a file server for changes
                beat, content = os.fstat(file.fileno()).st_mtime_ns, file.read()
        except FileNotFoundError:
            return None, None
        try:
            return msgspec.json.decode(content, type=Owner), beat
        except msgspec.DecodeError:
            return None, beat

    def _beat(self) -> None:
        """Touches the owner file while it is ours.

        Touching never leaves the file incomplete, needs no disk space and takes no lock that a
        process forked meanwhile would wait for.
        """
        while not self._ended.wait(HEARTBEAT):
            with suppress(OSError):  # an unreachable file server may come back
                if self._read_owner()[0] == self._me:
                    os.utime(self._owner_file)
                    self._seen = time.monotonic()


def _try_fcntl(descriptor: int) -> bool | None:
    """Tries to take the lock: whether it was free, or None if the file system has no locks.

    An fcntl lock, unlike one taken by flock, is not inherited by forked processes.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
