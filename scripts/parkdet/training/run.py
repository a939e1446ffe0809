"""One training, from its options to its weight files, resumed where it was interrupted."""

import logging
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

import parkdet
from parkdet.code_hash import code_hash
from parkdet.detector.checkpoints import Checkpoint, save_checkpoint
from parkdet.errors import CONTINUE, StoppedEarly, UserError
from parkdet.provenance import write_provenances
from parkdet.training import ranks
from parkdet.training.auto_batch import settle_batch_size
from parkdet.training.determinism import arithmetic
from parkdet.training.faults import machine_faults_explained
from parkdet.training.fingerprint import environment, fingerprint
from parkdet.training.lock import StateLock
from parkdet.training.loop import Trainer
from parkdet.training.metrics_log import describe, write_csv
from parkdet.training.saver import Saver
from parkdet.training.settings import Settings
from parkdet.training.setup import Job, build_state, read_job, settle_anchors
from parkdet.training.signals import StopRequest, stop_requests
from parkdet.training.state import TrainingState
from parkdet.training.store import StateStore, differences, open_store
from parkdet.training.tracking import Course, tracked

log = logging.getLogger("parkdet")


def train(settings: Settings) -> None:
    """Trains, or resumes training, and writes the last and the best weights and the metrics.

    Raises:
        UserError: bad input or options, a loss that is not finite, too little memory, or another
            process is running the same training.
        StoppedEarly: a signal asked to stop; the state after the latest batch is saved.
    """
    started = time.time()
    with (
        machine_faults_explained(settings),
        stop_requests() as stop,
        ranks.joined(),
        arithmetic(_threads(settings.threads), settings.deterministic),
    ):
        job = settle_batch_size(read_job(settings))
        torch.manual_seed(settings.seed)
        state = build_state(job)
        if not ranks.is_main():
            _follow(job, state, stop)
            return
        if not settings.epochs:
            _write_outputs(job, state, started, _code())
            return
        automatic = ("precision",) if settings.precision == "auto" else ()
        store = open_store(settings.state_dir, fingerprint(job.decisive), job.decisive, automatic)
        with StateLock(store.folder) as lock:
            store.tidy()
            code = _resume(job, state, store)
            _run_epochs(job, state, store, lock, stop)
            lock.check()
            _write_outputs(job, state, started, code)
            store.mark_delivered()


def _threads(asked: int | None) -> int | None:
    """The share of this process in the machine's threads; None: torch decides."""
    if ranks.local_size() == 1:
        return asked
    return max(1, (asked or len(os.sched_getaffinity(0))) // ranks.local_size())


def _follow(job: Job, state: TrainingState, stop: StopRequest) -> None:
    """What ranks other than 0 do: they compute, and neither read nor write the state."""
    if job.settings.epochs:
        _take_up(job, state, ranks.from_main(None), job.settings.state_dir)
    if state.finished:
        return
    with closing(Trainer(job, state, stop, None)) as trainer:
        while not state.finished:
            trainer.run_epoch()


def _resume(job: Job, state: TrainingState, store: StateStore) -> str:
    """Loads the newest sound state into ``state``; without one, settles the anchors.

    Returns the hash of the code that the training ends with.
    """
    code, saved = _code(), store.load()
    if saved is not None and store.delivered() and _is_unwanted(job, saved, store.folder):
        store.clear()
        saved = None
    _take_up(job, state, ranks.from_main(saved), store.folder)
    if saved is None:
        return code
    if state.finished:
        log.info("already trained: the outputs are written from %s", store.folder)
        if saved["code"] != code:
            log.warning("trained with code that has since changed: to train again, --retrain")
        return saved["code"]
    within = f" and batch {state.batch} of the next" if state.batch else ""
    log.info("resuming after epoch %d%s from %s", state.epoch, within, store.folder)
    if job.settings.retrain:
        log.warning(
            "--retrain does not discard an unfinished training, which goes on; to start anew, "
            "remove %s",
            store.folder,
        )
    changes = differences(saved["environment"], environment(job.device))
    if changes:
        log.warning("the training continues, not bit-identical: %s", "; ".join(changes))
    if saved["code"] != code:
        log.warning("the training continues with changed code: the result may differ")
    return code


def _take_up(job: Job, state: TrainingState, saved: dict[str, Any] | None, folder: Path) -> None:
    if saved is None:
        settle_anchors(job, state.model)
        return
    try:
        state.load_state_dict(saved["state"])
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"The state in {folder} does not fit this version of the program ({said}): continue "
            "with the version that saved it, or remove the folder to train anew."
        ) from error


def _is_unwanted(job: Job, saved: dict[str, Any], folder: Path) -> bool:
    """Whether the state is that of a finished training that is to be done again."""
    before = saved["state"]
    finished = before["stopped"] or before["epoch"] >= before["epochs"]
    if not (finished and job.settings.retrain):
        return False
    log.info("already trained, and trained anew as asked: %s", folder)
    return True


def _code() -> str:
    return code_hash(Path(parkdet.__file__).parents[1] / "train.py")


def _run_epochs(
    job: Job, state: TrainingState, store: StateStore, lock: StateLock, stop: StopRequest
) -> None:
    settings = job.settings
    if state.finished and store.delivered():
        return
    context = {"environment": environment(job.device), "code": _code()}
    log.info(
        "%s: %d images, %d for val, on %s in %s",
        settings.stage,
        len(job.train.images),
        len(job.val.images) if job.val else 0,
        f"{job.device} ({context['environment']['processor']})",
        job.precision,
    )
    saver = Saver(store, lock, context, settings.checkpoint_minutes)
    with tracked(settings, _course(job, state, store)) as trackers:
        if state.finished:  # the process died before everything was written
            return
        with closing(Trainer(job, state, stop, saver)) as trainer:
            while not state.finished:
                try:
                    row = trainer.run_epoch()
                except StoppedEarly as error:
                    raise StoppedEarly(
                        f"{stop.signal.name}: {error}; the state is saved in {saver.save(state)}. "
                        f"{CONTINUE}"
                    ) from None
                saver.save(state)
                write_csv(settings.metrics, state.history)
                trackers.add(row)
                log.info("%s", describe(row, settings.stage, state.epochs))


def _course(job: Job, state: TrainingState, store: StateStore) -> Course:
    settings = job.settings
    identity = store.identity() if settings.tracking else ""
    name = f"{settings.run_name} {settings.stage}".strip()
    return Course(identity, name, job.decisive, tuple(state.history))


def _write_outputs(job: Job, state: TrainingState, started: float, code: str) -> None:
    """Writes last, best and metrics; without a validation the best weights are the last."""
    settings = job.settings
    last = state.average.half()
    best = state.best
    _write_weights(job, state, settings.last, last, {"epoch": state.epoch})
    if best.epoch:
        meta = {"epoch": best.epoch, "fitness": best.fitness}
        _write_weights(job, state, settings.best, best.weights, meta)
    else:
        _write_weights(job, state, settings.best, last, {"epoch": state.epoch})
    write_csv(settings.metrics, state.history)
    inputs = [settings.dataset, job.train.truth]
    inputs += [job.val.truth] if job.val else []
    inputs += [settings.weights] if settings.weights else []
    weights = (settings.last, settings.best)
    write_provenances(weights, inputs, job.decisive, started, str(job.device), code)


def _write_weights(
    job: Job,
    state: TrainingState,
    path: Path,
    weights: dict[str, torch.Tensor],
    meta: dict[str, Any],
) -> None:
    categories = job.train.categories
    checkpoint = Checkpoint(
        architecture=state.model.yaml,
        names=[category.name for category in categories],
        category_ids=[category.id for category in categories],
        imgsz=job.settings.imgsz,
        state=weights,
        meta={**meta, "stage": job.settings.stage},
    )
    save_checkpoint(path, checkpoint)
