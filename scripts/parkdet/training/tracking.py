"""Where the figures of each epoch go beside the CSV file: TensorBoard, MLflow, Weights & Biases.

The last two are optional (envs/tracking.in) and write to files alone, unless environment variables
of the user's name a server. No tracker decides a result, so none may cost one: what fails is told
once and left out, and the training goes on.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from parkdet.errors import UserError
from parkdet.training.metrics_log import COLUMNS
from parkdet.training.settings import Settings

log = logging.getLogger("parkdet")

PROJECT = "parkdet"  # of MLflow's experiment and of the W&B project, unless the user names another
# Theirs are minutes and hours, in which a training would wait for a server that is away.
MLFLOW_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
WANDB_PATIENCE = {"init_timeout": 60.0, "finish_timeout": 60.0}  # seconds


def check_trackers(names: Sequence[str], folder: Path | None) -> None:
    """Stops before anything is trained if a tracker cannot even start.

    Raises:
        UserError: its package is missing, or there is no folder for it.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UserError(
            f"training.tracking asks for {' and '.join(missing)}, not installed here: run `make "
            "setup-tracking`, or leave it out (TensorBoard files are written anyway)."
        )
    if names and folder is None:
        raise UserError("--tracking needs --tracking-dir DIR, the folder for its files.")


@dataclass(frozen=True)
class Course:
    """What trackers are told of a training.

    Attributes:
        identity: stays the same when the training is resumed; letters and digits.
        name: for people.
        settings: those that decide the result, as plain values.
        history: rows of the epochs done before this attempt.
    """

    identity: str
    name: str
    settings: dict[str, Any]
    history: Sequence[dict[str, Any]]


class Tracker(Protocol):
    """Takes figures. It may raise anything."""

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch's figures."""

    def close(self, finished: bool) -> None:
        """Writes out what is left; ``finished``: no attempt will follow."""


class Trackers:
    """Those that are asked for, until they fail."""

    def __init__(self, settings: Settings, course: Course) -> None:
        places = {"tensorboard": settings.tensorboard}
        places |= dict.fromkeys(settings.tracking, settings.tracking_dir)
        self._open: dict[str, Tracker] = {}
        for name, folder in places.items():
            if folder is not None:
                with self._told(name):
                    self._open[name] = KINDS[name](folder, course)

    def add(self, row: dict[str, Any]) -> None:
        """Adds an epoch's figures."""
        for name, tracker in list(self._open.items()):
            with self._told(name):
                tracker.add(row)

    def close(self, finished: bool) -> None:
        """Writes out what is left."""
        for name, tracker in list(self._open.items()):
            with self._told(name):
                tracker.close(finished)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever the libraries, their servers and the disk come to
            self._open.pop(name, None)
            said = " ".join(str(error).split()) or type(error).__name__
            log.warning("no more figures for %s: %.300s", name, said)


@contextmanager
def tracked(settings: Settings, course: Course) -> Iterator[Trackers]:
    """Trackers for the time of the block, which ends well only with the training."""
    trackers, finished = Trackers(settings, course), False
    try:
        yield trackers
        finished = True
    finally:
        trackers.close(finished)


def figures(row: dict[str, Any]) -> dict[str, float]:
    """What of an epoch's row there is to draw."""
    return {name: row[name] for name in COLUMNS[1:] if row.get(name) is not None}


class TensorBoard:
    """Event files; later ones say from which epoch on earlier ones no longer count."""

    def __init__(self, folder: Path, course: Course) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # The latest epoch is written again: the state is saved first, and then this.
        self._writer = SummaryWriter(str(folder), purge_step=max(1, len(course.history)))
        for row in course.history[-1:]:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch's figures, to be seen at once."""
        for name, value in figures(row).items():
            self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self, finished: bool) -> None:
        """Closes the file."""
        self._writer.close()


class MLflow:
    """A run in `{folder}/mlflow`, or on the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, folder: Path, course: Course) -> None:
        # Read when mlflow is imported: by default it reports its use over the network.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # Plain files need no server and no lock, which shared file systems may lack.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        for name, value in MLFLOW_PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        files = (folder / "mlflow").absolute().as_uri()
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or files)
        experiment, own = self._experiment(), f"tags.training = '{course.identity}'"
        found = self._client.search_runs([experiment], own, max_results=1)
        self._run = found[0].info.run_id if found else self._created(experiment, course)
        self._client.update_run(self._run, status="RUNNING")
        known = {point.step for point in self._client.get_metric_history(self._run, "seconds")}
        for row in course.history:
            if row["epoch"] not in known:
                self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch's figures, with the present as their time."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        values = [Metric(name, value, now, row["epoch"]) for name, value in figures(row).items()]
        self._client.log_batch(self._run, metrics=values)

    def close(self, finished: bool) -> None:
        """Gives the run the state that lists of runs show."""
        self._client.set_terminated(self._run, "FINISHED" if finished else "KILLED")

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        known = self._client.get_experiment_by_name(name)
        return known.experiment_id if known else self._client.create_experiment(name)

    def _created(self, experiment: str, course: Course) -> str:
        from mlflow.entities import Param

        tags = {"training": course.identity}
        run = self._client.create_run(experiment, tags=tags, run_name=course.name)
        parameters = [Param(name, str(value)) for name, value in course.settings.items()]
        self._client.log_batch(run.info.run_id, params=parameters)
        return run.info.run_id


class WeightsAndBiases:
    """A run in `{folder}/wandb`, to be synced by hand, unless WANDB_MODE says otherwise.

    Offline each attempt has a folder of its own, under one run id. Synced, one replaces the one
    before (wandb/wandb#3841): so each holds all epochs up to its end.
    """

    def __init__(self, folder: Path, course: Course) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to the makers of wandb
        os.environ.setdefault("WANDB_SILENT", "true")  # without it a terminal is asked for a key
        import wandb

        folder.mkdir(parents=True, exist_ok=True)  # else it takes a temporary one
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=course.identity,
            name=course.name,
            config=course.settings,
            dir=folder,
            resume="allow" if os.environ["WANDB_MODE"] == "online" else None,
            settings=wandb.Settings(
                console="off",  # its own log is complete
                disable_git=True,
                save_code=False,
                x_disable_stats=True,  # would take processor time from the training
                **WANDB_PATIENCE,
            ),
        )
        for row in course.history:
            if row["epoch"] >= self._run.starting_step:
                self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Hands an epoch's figures to wandb's own process, which writes them."""
        self._run.log(figures(row), step=row["epoch"])

    def close(self, finished: bool) -> None:
        """Waits, not for long, until all is written or sent."""
        self._run.finish(exit_code=0 if finished else 1)


KINDS = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WeightsAndBiases}
