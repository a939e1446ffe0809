import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import msgspec
import pytest

from interruptions import Killed, interrupt, kill, outputs, progress
from parkdet.errors import UserError
from parkdet.training import lock as locks
from parkdet.training.lock import Owner, StateLock
from parkdet.training.run import train


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in locks.JOB_IDS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def quick(monkeypatch):
    """Heartbeats every 20 ms."""
    monkeypatch.setattr(locks, "HEARTBEAT", 0.02)


def owner_file(folder):
    return folder / "owner.json"


def owner_in(folder):
    return msgspec.json.decode(owner_file(folder).read_bytes(), type=Owner)


def hold(folder, pipe):
    with StateLock(folder):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def holder(tmp_path):
    """Another process on this host that holds the lock, and the pipe that makes it let go."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, there))
    process.start()
    try:
        assert here.poll(60)
        here.recv()
        yield process, here
    finally:
        process.kill()
        process.join()


def test_a_second_process_on_the_host_stops_at_once_and_names_the_first(tmp_path, holder):
    process, pipe = holder
    waited = []
    said = rf"{tmp_path} is in use by process {process.pid} on {owner_in(tmp_path).host}, since 20"
    with pytest.raises(UserError, match=said) as error, StateLock(tmp_path, sleep=waited.append):
        pass
    assert error.value.exit_code == 2
    assert not waited
    pipe.send("let go")
    process.join(60)
    assert not owner_file(tmp_path).exists()
    with StateLock(tmp_path):
        assert owner_in(tmp_path).pid == os.getpid()


def test_a_killed_process_does_not_block_its_host(tmp_path, holder):
    process, _ = holder
    process.kill()
    process.join(60)
    assert owner_in(tmp_path).pid == process.pid
    waited = []
    with StateLock(tmp_path, sleep=waited.append):
        assert owner_in(tmp_path).pid == os.getpid()
    assert not waited


def test_a_process_that_has_just_started_has_the_lock_too(tmp_path, holder):
    owner_file(tmp_path).unlink()
    with pytest.raises(UserError, match="a process that has just started"), StateLock(tmp_path):
        pass


def test_forked_processes_do_not_keep_it(tmp_path):
    """A loader worker may outlive a killed trainer by some seconds."""
    context = get_context("fork")
    here, there = context.Pipe()
    release, wait = context.Pipe()

    def hold_and_fork():
        with StateLock(tmp_path):
            child = context.Process(target=wait.recv)
            child.start()
            there.send(child.pid)
            child.join()

    trainer = context.Process(target=hold_and_fork)
    trainer.start()
    assert here.poll(60)
    child = here.recv()
    trainer.kill()
    trainer.join()
    os.kill(child, 0)  # still there
    with StateLock(tmp_path):
        pass
    release.send("end")


@pytest.mark.parametrize("name", locks.JOB_IDS)
def test_the_schedulers_job_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "4711")
    with StateLock(tmp_path, "a"):
        assert ", job 4711, since" in str(owner_in(tmp_path))


def test_a_living_owner_on_another_host_is_noticed_and_respected(tmp_path, quick, messages):
    with (
        StateLock(tmp_path, "a"),
        pytest.raises(UserError, match=rf"in use by process {os.getpid()} on a, since"),
        StateLock(tmp_path, "b"),
    ):
        pass
    assert "on a, since" in messages.text
    assert "waiting 0.06 s for a sign of life" in messages.text
    with StateLock(tmp_path, "b", sleep=lambda _: pytest.fail("waited for nobody")):
        pass


def leave_behind(folder, host):
    """Leaves what a lock leaves behind when its host loses power."""
    owner_file(folder).write_bytes(msgspec.json.encode(StateLock(folder, host)._me))


def test_a_dead_host_is_waited_for_three_heartbeats(tmp_path, messages):
    leave_behind(tmp_path, "a")
    waited = []
    with StateLock(tmp_path, "b", sleep=waited.append):
        assert owner_in(tmp_path).host == "b"
    assert sum(waited) == pytest.approx(30)
    assert "on a, since" in messages.text
    assert "is dead: taking over its training" in messages.text


def test_the_same_name_after_a_restart_is_another_host(tmp_path, monkeypatch):
    leave_behind(tmp_path, "a")
    monkeypatch.setattr(locks, "_boot_id", lambda: "another")
    waited = []
    with StateLock(tmp_path, "a", sleep=waited.append):
        assert sum(waited) == pytest.approx(30)


def test_an_owner_that_ends_while_it_is_watched_frees_the_lock(tmp_path):
    leave_behind(tmp_path, "a")
    with StateLock(tmp_path, "b", sleep=lambda _: owner_file(tmp_path).unlink()):
        assert owner_in(tmp_path).host == "b"


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage"])
def test_a_damaged_owner_file_may_be_anyones(tmp_path, content):
    owner_file(tmp_path).write_bytes(content)
    waited = []
    with StateLock(tmp_path, "b", sleep=waited.append):
        assert sum(waited) == pytest.approx(30)


def test_a_lock_that_a_dead_host_left_on_a_file_server_does_not_block(tmp_path, monkeypatch):
    leave_behind(tmp_path, "a")
    monkeypatch.setattr(locks, "_try_fcntl", lambda _: False)
    with StateLock(tmp_path, "b", sleep=lambda _: None):
        assert owner_in(tmp_path).host == "b"


def test_without_locks_in_the_file_system_the_owner_file_is_enough(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(locks.fcntl, "lockf", unsupported)
    with StateLock(tmp_path, "a"), pytest.raises(UserError, match="in use"):
        StateLock(tmp_path, "a").__enter__()
    leave_behind(tmp_path, "a")
    with StateLock(tmp_path, "a"):
        pass


def unsupported(*_):
    raise OSError(locks.errno.ENOLCK, "no locks available")


def test_a_process_that_lost_the_lock_leaves_the_new_owner_alone(tmp_path):
    with StateLock(tmp_path, "a") as first:
        first.check()
        second = StateLock(tmp_path, "b", sleep=lambda _: None)
        second.__enter__()
        with pytest.raises(UserError, match=r"now belongs to process \d+ on b.* 30 s"):
            first.check()
    assert owner_in(tmp_path).host == "b"
    second.check()
    second.__exit__()
    assert not owner_file(tmp_path).exists()


def test_of_hosts_taking_over_at_the_same_time_one_goes_on(tmp_path):
    leave_behind(tmp_path, "dead")
    contenders = [StateLock(tmp_path, host, sleep=lambda _: time.sleep(0.001)) for host in "abcd"]

    def compete(lock):
        try:
            lock.__enter__()
        except UserError:
            return None
        return lock

    with ThreadPoolExecutor(4) as pool:
        winners = [lock for lock in pool.map(compete, contenders) if lock]
    assert winners
    going_on = 0
    for lock in winners:
        try:
            lock.check()
            going_on += 1
        except UserError:
            pass
    assert going_on == 1
    for lock in winners:
        lock.__exit__()


def test_a_removed_owner_file_is_restored(tmp_path):
    with StateLock(tmp_path, "a") as lock:
        owner_file(tmp_path).unlink()
        lock.check()
        assert owner_in(tmp_path).host == "a"


def test_an_owner_that_was_suspended_does_not_come_back_after_its_successor(tmp_path):
    with StateLock(tmp_path, "a") as lock:
        owner_file(tmp_path).unlink()  # by a successor that has ended
        lock._seen -= locks.MISSED * locks.HEARTBEAT
        with pytest.raises(UserError, match="now belongs to nobody"):
            lock.check()
        assert not owner_file(tmp_path).exists()


def test_a_training_that_lost_its_lock_writes_nothing_more(settings, monkeypatch):
    def take_over():
        (folder,) = settings.state_dir.iterdir()
        leave_behind(folder, "b")

    interrupt(monkeypatch, 1, 2, take_over)
    with pytest.raises(UserError, match=r"now belongs to process .* on b") as error:
        train(settings)
    assert error.value.exit_code == 2
    assert progress(settings) == ["epoch-000001-batch-000000"]
    assert not settings.last.exists()


def test_a_training_of_another_process_is_not_touched(settings, uninterrupted, monkeypatch):
    short = dataclasses.replace(settings, workers=1)
    refused = []

    def try_as_well():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                train(short)
            except UserError as error:
                code = 42 if "is in use by process" in str(error) else 2
            finally:
                os._exit(code)
        refused.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    interrupt(monkeypatch, 1, 2, try_as_well)
    train(short)
    assert refused == [42]
    assert outputs(settings) == outputs(uninterrupted)
    (folder,) = settings.state_dir.iterdir()
    assert not owner_file(folder).exists()


def test_leftovers_of_a_killed_process_are_removed_at_the_next_start(settings, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, kill)
        with pytest.raises(Killed):
            train(settings)
    (folder,) = settings.state_dir.iterdir()
    for name in (".epoch-000001-batch-000001.pt.k1ll3d__", ".owner.json.k1ll3d__"):
        (folder / name).touch()
    leave_behind(folder, locks.platform.node())
    train(settings)
    states = ["epoch-000003-batch-000000.pt", "epoch-000004-batch-000000.pt"]
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["delivered", *states, "lock", "settings.json"]
