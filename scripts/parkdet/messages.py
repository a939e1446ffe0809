"""The messages that a run shows people when it starts and when it ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import join

import msgspec

from parkdet.errors import CONTINUE, UserError
from parkdet.files import read_json
from parkdet.forced import TRAININGS
from parkdet.gpu_slots import gpu_models, visible_gpus
from parkdet.plan import Plan
from parkdet.provenance import sidecar

DETECTIONS = ("infer", "infer_shard", "infer_val")
LAST_LINES = 15
CLOCK_SKEW = 60  # seconds by which a file server's clock may be behind


def at_the_start(plan: Plan, jobs: Mapping[str, int], cores: int | None) -> Iterator[str]:
    """What this run is: its steps, its data, the devices it uses and where to watch it.

    Args:
        jobs: how many jobs of each rule will run, in the order of the rules.
        cores: CPU cores of this machine for the run; None: the jobs go to a cluster.
    """
    yield f"parkdet: run {plan.config.run!r}, results in {plan.results}/"
    steps = [name for name in jobs if name != "all"]
    listed = [name if jobs[name] == 1 else f"{name} ({jobs[name]} jobs)" for name in steps]
    yield f"  steps   {', '.join(listed)}"
    yield f"  data    {plan.root}: {_images(plan, jobs)}"
    if not plan.has_test_set:
        yield "          no test set, so this ends at the evaluation and the report"
    yield f"  device  {_devices(plan, jobs, cores)}"
    for name in [name for name in jobs if name in (*TRAININGS, *DETECTIONS)][:1]:
        log = f"infer_1-of-{plan.config.infer.shards}" if name == "infer_shard" else name
        yield f"  watch   tail -F {plan.results}/logs/{log}.log (each step has its own)"


def of_other_code(plan: Plan, code: Callable[[], str]) -> Iterator[str]:
    """Which of the run's weights were trained with other code, which alone retrains nothing.

    Args:
        code: gives the hash of the current training code; called only if needed.
    """
    if plan.given_weights:
        return
    codes = {
        rule: _code_of(Path(plan.results, f"weights/{stage}_last.pt"))
        for rule, stage in TRAININGS.items()
    }
    rules = [rule for rule, trained in codes.items() if trained and trained != code()]
    if rules:
        yield (
            f"parkdet: trained with code that has since changed: {', '.join(rules)}. To train "
            f"again use --forcerun {' '.join(rules)}"
        )


def after_success(plan: Plan, started: float) -> Iterator[str]:
    """The closing summary and where the report is, if this run made them.

    Args:
        started: ``time.time()`` at the start of the run.
    """
    summary, page = Path(plan.results, "summary.txt"), Path(plan.results, "report/index.html")
    if summary.is_file() and summary.stat().st_mtime >= started:
        yield summary.read_text(encoding="utf-8")
    if page.is_file() and page.stat().st_mtime >= started:
        yield f"The report, for a browser: {page}"


def after_failure(
    failed: Sequence[tuple[str, Sequence[str]]], started: float, command: Sequence[str]
) -> Iterator[str]:
    """Which steps failed, the last lines of their logs, and what to type.

    Args:
        failed: rule and log files of each job that failed, or that saved its state and stopped;
            none: the run was stopped between jobs.
        started: ``time.time()`` at the start of the run.
        command: the command line of the run.
    """
    to_fix = False
    for rule, logs in sorted(failed):
        lines = [line for log in logs for line in _last_lines(Path(log), started)]
        stopped = bool(lines) and lines[-1].endswith(CONTINUE)
        to_fix |= not stopped
        yield f"parkdet: {rule} {'was stopped' if stopped else 'failed'}."
        yield from lines
    if not failed:
        yield "parkdet: the run was stopped."
    yield (
        "What was finished is kept, and a training continues where it stopped. "
        + ("Fix what is reported above, then run" if to_fix else "To continue, run")
        + " the same command again:"
    )
    yield f"  {join(command)}"
    yield "After a crash of Snakemake itself, which leaves the folder locked, first:"
    yield f"  {join([command[0], '--unlock', *command[1:]])}"


def _last_lines(log: Path, started: float) -> Iterator[str]:
    if not log.is_file() or log.stat().st_mtime < started - CLOCK_SKEW:
        yield f"It wrote nothing to {log}: its messages are above."
        return
    yield f"The end of {log}:"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    yield from (f"  {line}" for line in lines[-LAST_LINES:])


class _Summary(msgspec.Struct):
    images: dict[str, int]


class _Counted(msgspec.Struct):
    images: list[msgspec.Raw] = []
    annotations: list[msgspec.Raw] = []


def _images(plan: Plan, jobs: Mapping[str, int]) -> str:
    """Images in the prepared set, or in the annotation files if the set is yet to be made."""
    if "demo_data" in jobs:
        return "synthetic scenes, drawn by this run"
    try:
        summary = Path(plan.results, "dataset/summary.json")
        if "prepare_dataset" not in jobs and summary.is_file():
            images = read_json(summary, _Summary).images
            return ", ".join(f"{count:,} {part}" for part, count in images.items()) + " images"
        train = read_json(Path(plan.train_json), _Counted)
        found = f"{len(train.images):,} labelled images with {len(train.annotations):,} boxes"
        for path in plan.test_json:
            found += f", {len(read_json(Path(path), _Counted).images):,} test images"
        return found
    except UserError:
        return "not counted"  # the step that needs the file says what is wrong with it


def _devices(plan: Plan, jobs: Mapping[str, int], cores: int | None) -> str:
    """The devices of the steps that need a GPU most, as far as known before they run."""
    training, infer = plan.config.training, plan.config.infer
    found = {}
    if jobs.keys() & TRAININGS:
        found["training"] = _device(training.device, training.world_size, cores)
    if jobs.keys() & DETECTIONS:
        found["detection"] = _device(infer.device, 1, cores)
    if len(found) == 2 and len({*found.values()}) == 1:
        return found["training"]
    return ", ".join(f"{name} on {device}" for name, device in found.items()) or "CPU"


def _device(device: str, processes: int, cores: int | None) -> str:
    if cores is None:
        return "the cluster's nodes" + ("" if device == "auto" else f" ({device})")
    gpus = visible_gpus()
    if device == "cpu" or (device == "auto" and not gpus):
        return f"the CPU, {cores} cores" + ("; no GPU is visible" if device == "auto" else "")
    models = f" ({', '.join(sorted(gpu_models()))})" if gpu_models() else ""
    if device == "auto":
        device = f"{min(processes, len(gpus))} of {len(gpus)} GPUs"
    return f"{device}{models}"


def _code_of(weights: Path) -> str | None:
    """Hash of the code that trained the weights, if they exist and it is known."""
    try:
        return read_json(sidecar(weights)).get("code")
    except UserError:  # a damaged sidecar must not keep a command from running; the report names it
        return None
