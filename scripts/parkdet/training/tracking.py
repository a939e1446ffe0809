"""Trackers of each epoch's figures, besides the CSV file: TensorBoard, MLflow, Weights & Biases.

The last two are optional (envs/tracking.in) and write only to files, unless the user's environment
variables name a server. No tracker decides a result, so none may cost one: a tracker that fails is
reported once and dropped, and the training goes on.
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

PROJECT = "parkdet"  # name of MLflow's experiment and W&B's project, unless the user names another
# By default they are minutes to hours, for which a training would wait for an unreachable server.
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
            "setup-tracking`, or leave it out (TensorBoard files are written in any case)."
        )
    if names and folder is None:
        raise UserError("--tracking needs --tracking-dir DIR, the folder for its files.")


@dataclass(frozen=True)
class Course:
    """What trackers are told about a training.

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
        """Writes out what is left; ``finished``: no further attempt will follow."""


class Trackers:
    """The trackers that were asked for, each until it fails."""

    def __init__(self, settings: Settings, course: Course) -> None:
        places = {"tensorboard": settings.tensorboard}
        places |= dict.fromkeys(settings.tracking, settings.tracking_dir)
        self._open: dict[str, Tracker] = {}
        for name, folder in places.items():
            if folder is not None:
                with self._dropped_on_failure(name):
                    self._open[name] = KINDS[name](folder, course)

    def add(self, row: dict[str, Any]) -> None:
        """Adds an epoch's figures."""
        for name, tracker in list(self._open.items()):
            with self._dropped_on_failure(name):
                tracker.add(row)

    def close(self, finished: bool) -> None:
        """Writes out what is left."""
        for name, tracker in list(self._open.items()):
            with self._dropped_on_failure(name):
                tracker.close(finished)

    @contextmanager
    def _dropped_on_failure(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # libraries, servers and disks can fail in any way
            self._open.pop(name, None)
            said = " ".join(str(error).split()) or type(error).__name__
            log.warning("no more figures for %s: %.300s", name, said)


@contextmanager
def tracked(settings: Settings, course: Course) -> Iterator[Trackers]:
    """Trackers while the block runs; it ends without an error only when training is done."""
    trackers, finished = Trackers(settings, course), False
    try:
        yield trackers
        finished = True
    finally:
        trackers.close(finished)


def figures(row: dict[str, Any]) -> dict[str, float]:
    """The figures of an epoch's row that can be plotted."""
    return {name: row[name] for name in COLUMNS[1:] if row.get(name) is not None}


class TensorBoard:
    """Event files; a later one says from which epoch on earlier ones no longer count."""

    def __init__(self, folder: Path, course: Course) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # The latest epoch is written again: the state is saved before its figures are written.
        self._writer = SummaryWriter(str(folder), purge_step=max(1, len(course.history)))
        for row in course.history[-1:]:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch's figures so that they show at once."""
        for name, value in figures(row).items():
            self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self, finished: bool) -> None:
        """Closes the file."""
        self._writer.close()


class MLflow:
    """A run in `{folder}/mlflow`, or on the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, folder: Path, course: Course) -> None:
        # Read when mlflow is imported; by default it sends usage reports over the network.
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
        """Writes an epoch's figures, stamped with the current time."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        values = [Metric(name, value, now, row["epoch"]) for name, value in figures(row).items()]
        self._client.log_batch(self._run, metrics=values)

    def close(self, finished: bool) -> None:
        """Sets the status that lists of runs show."""
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

    Offline, each attempt has a folder of its own under the same run id. When synced, each replaces
    the one before (wandb/wandb#3841), so each holds all epochs up to its end.
    """

    def __init__(self, folder: Path, course: Course) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # reports to wandb's makers
        os.environ.setdefault("WANDB_SILENT", "true")  # else it asks for a key on the terminal
        import wandb

        folder.mkdir(parents=True, exist_ok=True)  # else wandb takes a temporary one
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
        """Waits, but not for long, until everything is written or sent."""
        self._run.finish(exit_code=0 if finished else 1)


KINDS = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WeightsAndBiases}
