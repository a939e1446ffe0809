"""The training loop."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from parkdet.data.samplers import EpochBatches, EpochOrder, Sample, image_weights
from parkdet.data.training_set import Batch, Recipe, TrainingSet
from parkdet.detector.loss import build_loss
from parkdet.errors import StoppedEarly, UserError
from parkdet.evaluation.coco_metrics import Metrics
from parkdet.progress import track
from parkdet.training import ranks
from parkdet.training.budget import TimeBudget
from parkdet.training.fitness import fitness
from parkdet.training.gradients import Gradients
from parkdet.training.loader import build_loader, close_loader
from parkdet.training.metrics_log import describe_course
from parkdet.training.saver import Saver
from parkdet.training.schedule import Schedule
from parkdet.training.settings import STAGES
from parkdet.training.setup import Job
from parkdet.training.signals import StopRequest
from parkdet.training.state import Best, TrainingState
from parkdet.training.validation import Validator

log = logging.getLogger("parkdet")


class Trainer:
    """Runs epochs; everything that changes is in ``state``. Close it to end its loader workers."""

    def __init__(
        self, job: Job, state: TrainingState, stop: StopRequest, saver: Saver | None
    ) -> None:
        settings = job.settings
        self._job, self._settings, self.state = job, settings, state
        self._stop, self._saver = stop, saver
        classes = len(job.train.categories)
        order = EpochOrder(
            images=len(job.train.images),
            seed=settings.seed,
            stage=settings.stage,
            parts=settings.epoch_parts,
            weights=image_weights(job.train.labels, classes) if settings.image_weights else None,
        )
        recipe = Recipe(
            imgsz=settings.imgsz,
            hyp=settings.hyp,
            mosaic_epochs=state.epochs - settings.close_mosaic,
            seed=settings.seed,
            stage=STAGES.index(settings.stage),
        )
        self._epoch_images = len(order)
        self._batches = EpochBatches(order, settings.batch_size, ranks.rank(), ranks.size())
        cache_bytes = int(settings.cache_gb * 1e9) // ranks.local_size()
        self._dataset = TrainingSet(job.train, recipe, order, cache_bytes)
        self._loader = build_loader(self._dataset, self._batches, settings.workers, job.device)
        self._schedule = Schedule(
            hyp=settings.hyp,
            epochs=state.epochs,
            batches=len(self._batches),
            batch_size=settings.batch_size,
            nominal_batch=settings.nominal_batch,
            shape=settings.schedule,
            bias_group=settings.warmup_bias_group,
        )
        loss = build_loss(state.model, settings.hyp, settings.imgsz, classes)
        network = ranks.wrapped(state.model, job.device, settings.sync_bn)
        self._gradients = Gradients(job, state, network, loss)
        self._validator = None
        if job.val is not None:
            val_batch = settings.val_batch_size or 2 * settings.batch_size // ranks.size()
            self._validator = Validator(
                job.val, settings.imgsz, val_batch, job.precision, job.device
            )
        self._budget = None
        if settings.time_budget is not None:
            val_images = len(job.val.images) if job.val else 0
            self._budget = TimeBudget(
                settings.time_budget, settings.val_period, self._epoch_images, val_images
            )
        self._unchecked: tuple[torch.Tensor, list[Sample]] | None = None
        self._counted = time.monotonic()

    def close(self) -> None:
        """Ends the loader workers."""
        close_loader(self._loader)

    def run_epoch(self) -> dict[str, Any]:
        """Trains one epoch, or the rest of it, and validates if that is due.

        Returns:
            The epoch's row of figures, also appended to the state's history.

        Raises:
            StoppedEarly: a stop was requested; the state is that after the last batch.
            UserError: an image cannot be used, or the loss is not finite.
        """
        before = sum(row["seconds"] for row in self.state.history)
        self._train()
        self._keep_to_budget()
        trained = self.state.seconds
        metrics = self._validate()
        self._count_seconds()
        row = self._figures(metrics)
        row["images_per_s"] = self._epoch_images / (trained - before)
        row["seconds"] = self.state.seconds - before
        self._close_epoch(row)
        return row

    def _train(self) -> None:
        state, settings = self.state, self._settings
        state.model.train()
        self._batches.start_at(state.epoch, state.batch)
        label = f"{settings.stage} {state.epoch + 1}/{state.epochs}"
        for batch in self._shown(self._load(), label) if ranks.is_main() else self._load():
            self._train_on(batch)
            self._count_seconds()
            if self._budget and ranks.is_main():
                self._budget.watch(state, len(self._batches))
            if ranks.agree_to_stop(self._stop):
                self._check_loss()
                raise StoppedEarly(f"stopped after batch {self._place()}")
            if self._saver and self._saver.due():
                self._check_loss()
                self._saver.save(state)
        self._check_loss()

    def _shown(self, batches: Iterator[Batch], label: str) -> Iterator[Batch]:
        state, count = self.state, len(self._batches)
        return track(
            batches,
            count,
            label,
            done=state.batch,
            figures=lambda: describe_course(state, count),
        )

    def _keep_to_budget(self) -> None:
        """Decides how many epochs to train, and saves the decision before acting on it.

        The learning rates so far were those of the former number: over the few epochs before the
        first decision the schedules hardly differ, and the warm-up governs most of them.
        """
        if self._budget is None:
            return
        state, settings = self.state, self._settings
        epochs = ranks.by_main(lambda: self._budget.decide(state))
        if epochs is None:
            return
        state.epochs, state.decided_after = epochs, state.epoch + 1
        if self._saver:
            self._saver.save(state)
        self._count_seconds()
        self._schedule = replace(self._schedule, epochs=epochs)
        # The loader workers have a copy of the old recipe, so they are replaced.
        close_loader(self._loader)
        self._dataset.recipe = replace(
            self._dataset.recipe, mosaic_epochs=epochs - settings.close_mosaic
        )
        self._loader = build_loader(
            self._dataset, self._batches, settings.workers, self._job.device
        )

    def _place(self) -> str:
        done, epochs = self.state.epoch, self.state.epochs
        return f"{self.state.batch} of {len(self._batches)} in epoch {done + 1} of {epochs}"

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.state.seconds += now - self._counted
        self._counted = now

    def _load(self) -> Iterator[Batch]:
        try:
            yield from self._loader
        except UserError as error:
            # One from a loader worker has that worker's traceback as its text.
            raise UserError(str(error).rsplit("UserError: ", 1)[-1].strip()) from None

    def _train_on(self, batch: Batch) -> None:
        state = self.state
        own, whole = self._batches.sizes(state.batch)
        iteration = state.batch + len(self._batches) * state.epoch
        self._schedule.apply(state.optimizer, iteration, state.epoch)
        loss, parts = ranks.whole_loss(*self._gradients.add(batch, own), own, whole)
        finite = loss.isfinite()
        if iteration - state.last_step >= self._schedule.accumulation(iteration):
            finite = finite & self._step()
            state.last_step = iteration
        state.mean_losses.mul_(state.batch).add_(parts).div_(state.batch + 1)
        samples = self._batches.samples(state.epoch, state.batch)  # of all ranks
        state.batch += 1
        self._check_loss()
        self._unchecked = (finite, samples)

    def _step(self) -> torch.Tensor:
        """Takes an optimizer step and moves the average of the weights.

        Returns:
            Whether the gradients were finite; True in fp16, where the scaler handles those that
            are not.
        """
        state, limit = self.state, self._settings.clip_grad_norm
        state.scaler.unscale_(state.optimizer)
        gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        if limit is not None:
            torch.nn.utils.clip_grads_with_norm_(
                state.model.parameters(), limit, norm, foreach=True
            )
        finite = norm.isfinite() | state.scaler.is_enabled()
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad()
        state.average.update(state.model)
        return finite

    def _check_loss(self) -> None:
        """Checks the loss of the previous batch, so as not to wait for the GPU.

        Before a state is saved it is called again, for the latest batch.
        """
        unchecked, self._unchecked = self._unchecked, None
        if unchecked is not None and not unchecked[0].all():
            images = self._job.train.images
            names = ", ".join(images[sample.index].file_name for sample in unchecked[1])
            raise UserError(
                f"The loss or its gradient is not finite in epoch {self.state.epoch + 1}, in the "
                f"batch made from {names} (mosaics add other images). Check these images and "
                "their boxes; if they are fine, lower lr0, set --clip-grad-norm 10 or use "
                "--precision fp32."
            )

    def _validate(self) -> Metrics | None:
        done, settings = self.state.epoch + 1, self._settings
        due = done == self.state.epochs or (settings.val_period and done % settings.val_period == 0)
        if self._validator is None or not due:
            return None
        return ranks.by_main(lambda: self._validator(self.state.average.model, self._stop))

    def _figures(self, metrics: Metrics | None) -> dict[str, Any]:
        box, objectness, classes = self.state.mean_losses.tolist()
        bias, decay, norm = (group["lr"] for group in self.state.optimizer.param_groups)
        row = {
            "epoch": self.state.epoch + 1,
            "lr_bias": bias,
            "lr_decay": decay,
            "lr_norm": norm,
            "box_loss": box,
            "obj_loss": objectness,
            "cls_loss": classes,
        }
        if metrics is not None:
            row |= {
                name: getattr(metrics, name)
                for name in ("precision", "recall", "ap50", "ap75", "ap")
            }
            row["fitness"] = fitness(metrics, self._settings.fitness)
        return row

    def _close_epoch(self, row: dict[str, Any]) -> None:
        """Counts the epoch as done, keeps the best weights and decides whether to go on."""
        state, patience = self.state, self._settings.patience
        state.epoch, state.batch = state.epoch + 1, 0
        state.mean_losses.zero_()
        state.optimizer.zero_grad()  # drops gradients still waiting for a step, as yolov5 does
        state.history.append(row)
        if "fitness" not in row:
            return
        if state.best.epoch == 0 or row["fitness"] >= state.best.fitness:
            state.best = Best(state.epoch, row["fitness"], state.average.half())
        if patience and state.epoch - state.best.epoch >= patience:
            state.stopped = True
            log.info("no better fitness in %d epochs: the training ends", patience)
