"""What the tests of interrupted trainings share."""

import csv

from parkdet.training import loop


def outputs(settings):
    return settings.last.read_bytes(), settings.best.read_bytes()


def rows(settings):
    with settings.metrics.open() as file:
        return list(csv.DictReader(file))


def figures(settings):
    """The metrics without the times, which differ from run to run."""
    times = ("images_per_s", "seconds")
    return [{key: row[key] for key in row if key not in times} for row in rows(settings)]


def interrupt(monkeypatch, epoch, batch, action):
    """Does ``action`` after the given batch, in a training that starts in this test."""
    original = loop.Trainer._train_on

    def train_on(trainer, images):
        original(trainer, images)
        if (trainer.state.epoch, trainer.state.batch) == (epoch, batch):
            action()

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)


class Killed(BaseException):
    """Stands for a process that ends at once."""


def kill():
    raise Killed


def progress(settings):
    """The names of the saved states, oldest first, without their endings."""
    return sorted(path.stem for path in settings.state_dir.glob("*/epoch-*.pt"))
