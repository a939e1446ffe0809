"""What the rules share: the checked config, the run's plan, and the messages to the user."""

import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/scripts")

from parkdet import messages, provenance
from parkdet.code_hash import code_hash
from parkdet.config import validate
from parkdet.errors import UserError
from parkdet.files import sha256_file
from parkdet.forced import forced_variables
from parkdet.gpu_slots import share_of_cores, visible_gpus
from parkdet.options import (
    cut_options,
    demo_options,
    in_shell,
    inference_options,
    machine_options,
    prepare_options,
    pretrained_options,
    report_options,
    summary_options,
    tracking_options,
    training_options,
)
from parkdet.plan import Plan
from parkdet.report.section import FIGURES, expected_figures

# `python` in the rules is the one that runs Snakemake, even if no environment is activated.
# A conda environment or container (--sdm) puts its own in front of it.
os.environ.update(PATH=f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}")


def plan_or_stop() -> Plan:
    """The plan for the config; ends Snakemake with one line per mistake if there is none."""
    try:
        plan = Plan(validate(config))
        plan.check()
        if workflow.is_main_process:  # onstart is for runs that have something to do
            for line in messages.of_other_code(plan, lambda: code_of("train")):
                print(line, file=sys.stderr, flush=True)
        return plan
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        sys.exit(1)


def code_of(script: str) -> str:
    """Hash of a script's and its modules' parsed code, without comments and docstrings."""
    return code_hash(Path(workflow.basedir, f"scripts/{script}.py"))


def sidecar(path: str) -> str:
    """The file next to an output that says what it was made from."""
    return str(provenance.sidecar(Path(path)))


def gpus(device: str, processes: int = 1) -> int:
    """GPUs that a job asks for: none on `cpu`, else one per process, also for `auto`."""
    return 0 if device == "cpu" else processes


def on_cluster() -> bool:
    """Whether jobs go to other machines; the executor itself is unknown while rules are read."""
    return workflow.resource_settings.nodes is not None


def limit_gpus() -> None:
    """Lets jobs on this machine use no more GPUs at once than there are; clusters see to that."""
    if not on_cluster() and "gpu" not in workflow.global_resources:
        most = max(1, len(visible_gpus()), CONFIG.training.world_size)
        workflow.register_resource("gpu", most)


def all_cores() -> int:
    """Threads of a job that uses the whole machine, so that two such jobs never run at once."""
    return workflow.resource_settings.cores or os.cpu_count() or 1


def cores_beside(device: str, processes: int = 1) -> int:
    """Threads of a job on GPUs: its share of the machine; without GPUs, all of it."""
    return share_of_cores(all_cores(), device, processes)


def inference_params(folder: list[str], state: str, shard="") -> dict:
    """Params of the inference rules; their state is kept in R/state/{state}."""
    flags = {"options": inference_options(CONFIG), "folder": folder, "shard": shard}
    return {**flags, "state": f"{R}/state/{state}", "code": code_of("infer")}


def export_forced() -> None:
    """Tells jobs, also on other machines, what the user forces; known only after parsing."""
    settings = workflow.dag_settings
    forced = {*settings.forcerun, *(settings.targets if settings.forcetargets else ())}
    os.environ.update(forced_variables(R, forced, settings.forceall))


def steps() -> dict[str, int]:
    """How many jobs of each rule will run, in the order of the rules; known only after parsing."""
    jobs = Counter(job.rule.name for job in workflow.dag.needrun_jobs())
    return {rule.name: jobs[rule.name] for rule in workflow.rules if jobs[rule.name]}


def failures() -> list[tuple[str, list[str]]]:
    """Rule and logs of each job that failed; none if the run was stopped."""
    return [(job.name, [*map(str, job.log)]) for job in workflow.scheduler.failed]


STARTED = time.time()
PLAN = plan_or_stop()
CONFIG, ROOT, R = PLAN.config, PLAN.root, PLAN.results
SCRIPTS = in_shell(f"{workflow.basedir}/scripts")
# Only for the shell: settings that decide no result must not make the report run again.
CONFIG_TEXT = in_shell(CONFIG.model_dump_json())
limit_gpus()
