"""However a training on Slurm is interrupted, it gives the weights of an undisturbed one."""

import os
import signal

import pytest

from slurm_node import slurm, wait_until

TARGET = "train_baseline"


@pytest.fixture
def held(run):
    """A training that is paused in its second epoch."""
    run.hold()
    run.snakemake = run.start(TARGET)
    run.wait_for("held")
    return run


def requeue(run, node):
    slurm("scontrol", "requeue", run.job(TARGET))


def preemption(run, node):
    """A job in a partition of higher priority briefly needs both GPUs."""
    job = ("-p", "urgent", "--gpus=2", "--mem=100", "-t", "1", "-o", "/dev/null")
    slurm("sbatch", *job, "--wrap", "sleep 3")
    wait_until(lambda: "RUNNING" not in run.jobs(TARGET).values(), 60, "the training makes room")


def restart_of_the_node_daemon(run, node):
    node.stop("slurmd")
    node.start("slurmd")


def restart_of_the_controller(run, node):
    node.stop("slurmctld", signal.SIGKILL)
    node.start("slurmctld")


@pytest.mark.parametrize(
    "disturb", [requeue, preemption, restart_of_the_node_daemon, restart_of_the_controller]
)
def test_slurm_interrupts_and_the_same_snakemake_still_succeeds(held, node, undisturbed, disturb):
    disturb(held, node)
    held.release()
    assert held.snakemake.wait(300) == 0, held.said()[-4000:]
    assert held.weights() == undisturbed


def test_before_a_time_limit_a_training_saves_within_its_job_and_then_resumes(run, undisturbed):
    """The save takes 20 seconds; the job keeps running until it is complete."""
    run.site(resources={TARGET: {"runtime": 3, "mem_mb": 1500, "slurm_extra": "--signal=TERM@120"}})
    run.hold()
    snakemake = run.start(TARGET)
    run.wait_for("held")
    number = run.job(TARGET)
    (run.folder / "slow").write_text("20")
    run.wait_for("saving")
    run.release()
    (state,) = (run.results / "state/baseline").iterdir()
    saved = state / "epoch-000001-batch-000001.pt"
    assert not saved.exists()
    while not saved.exists():
        assert run.jobs(TARGET)[number] == "RUNNING"
    (run.folder / "slow").unlink()
    assert snakemake.wait(300) == 0, run.said()[-4000:]
    assert len(run.jobs(TARGET)) >= 2
    assert run.weights() == undisturbed


def test_a_cancelled_training_resumes_with_the_same_command(held, undisturbed):
    slurm("scancel", held.job(TARGET))
    held.release()
    held.snakemake.wait(200)
    held.finish(TARGET)
    assert held.weights() == undisturbed


def test_ctrl_c_cancels_the_job_and_the_same_command_resumes_it(held, undisturbed):
    number = held.job(TARGET)
    os.killpg(held.snakemake.pid, signal.SIGINT)
    assert held.snakemake.wait(120) != 0
    wait_until(lambda: held.jobs(TARGET)[number] != "RUNNING", 60, "the job ends")
    held.release()
    held.finish(TARGET)
    assert held.weights() == undisturbed


def test_after_snakemake_was_killed_no_second_job_writes_while_the_first_runs(held, undisturbed):
    first = held.job(TARGET)
    held.snakemake.kill()
    held.snakemake.wait()
    held.finish("--unlock", TARGET)
    second = held.start(TARGET)
    log = held.results / "logs/train_baseline.log"  # each attempt starts a new one

    def refused() -> bool:
        try:
            return "is in use by" in log.read_text()
        except FileNotFoundError:
            return False

    wait_until(refused, 200, "the second job stops at the lock")
    assert held.jobs(TARGET)[first] == "RUNNING"
    held.release()
    assert second.wait(300) == 0, held.said()[-4000:]
    assert held.weights() == undisturbed
