"""Detections of many images: decoded ahead in threads, computed in batches, given in order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy
import torch
from torch import nn

from parkdet.data.threads import map_in_threads
from parkdet.detector.build import largest_stride
from parkdet.detector.fast import FastDetector
from parkdet.detector.suppression import non_max_suppression
from parkdet.inference.batches import Batch, plan_batches
from parkdet.inference.letterbox import Picture, image_size, load_picture, padded_shape
from parkdet.inference.sources import ImageSource
from parkdet.inference.streams import start_streams
from parkdet.inference.views import VIEWS, predict_views, predict_views_apart
from parkdet.progress import track

DECODERS = 4  # threads
AHEAD = 3  # batches a stream, with that which it computes

Found = list[tuple[Picture, Sequence[torch.Tensor]]]


@dataclass(frozen=True)
class PredictSettings:
    """What decides the detections of a model on an image."""

    imgsz: int
    """Long side in pixels."""
    confidence: float
    """Least score, exclusive."""
    iou: float
    """Overlap above which the weaker box of a class goes."""
    max_detections: int
    """Most detections an image."""
    tta: bool
    """Test-time augmentation: three views."""
    batch_size: int
    """Images a step."""
    precision: str = "fp32"
    """fp32, bf16 or fp16."""
    fuse: str = "nms"
    """How views, and detectors, become one: nms, or wbf (weighted boxes fusion)."""
    multi_label: bool = True
    """A candidate may stand for several classes."""
    classes: tuple[int, ...] | None = None
    """Class indices to detect; None: all."""
    full_batches: bool = True
    """Pad a batch that lacks images. Arithmetic may differ in the last bits between batch sizes;
    with full batches a detection does not depend on which other images there are."""

    @property
    def results_per_image(self) -> int:
        """How many ``ImageDetections`` an image has: one per view if they are yet to be fused."""
        return len(VIEWS) if self.tta and self.fuse == "wbf" else 1


@dataclass(frozen=True)
class ImageDetections:
    """What was found on an image, by falling score."""

    id: int
    boxes: numpy.ndarray
    """(n, 4) float32: left, top, right, bottom in pixels of the source image, clipped to it."""
    scores: numpy.ndarray
    """(n,) float32."""
    classes: numpy.ndarray
    """(n,) int64."""


def predict(
    model: nn.Module | FastDetector,
    sources: Sequence[ImageSource],
    settings: PredictSettings,
    device: torch.device,
    label: str = "infer",
) -> Iterator[ImageDetections]:
    """Detects on every image once and yields the results in the order of ``sources``.

    Where ``settings.results_per_image`` is more than one, those of an image follow one another.

    On a CPU each image is computed alone and by one thread, several images at a time, so its
    detections depend neither on other images nor on the number of threads, unless there are more
    threads than images in a batch. Memory does not grow with the number of images.

    Args:
        model: a yolov5 detector on ``device``, which stays as it is.
        label: name of the progress shown.

    Raises:
        UserError: an image cannot be read; names it. Headers are read before anything else.
    """
    stride, step = largest_stride(model), images_a_step(settings, device)
    sizes = map_in_threads(image_size, [source.path for source in sources], f"{label}: headers")
    batches = plan_batches([padded_shape(*size, settings.imgsz, stride) for size in sizes], step)
    if not isinstance(model, FastDetector):
        model = FastDetector(model, settings.precision, device)
    compute = partial(_detect, model, replace(settings, batch_size=step), device)
    streams = min(torch.get_num_threads(), settings.batch_size) if step == 1 else 1
    waiting: dict[int, list[ImageDetections]] = {}
    following = 0
    computed = _computed(batches, sources, settings.imgsz, compute, streams)
    shown = track(computed, len(sources), label, "images", size=_images)
    for batch, found in shown:
        for index, (picture, results) in zip(batch.indices, found, strict=True):
            waiting[index] = [_in_source(sources[index].id, picture, boxes) for boxes in results]
        while following in waiting:
            yield from waiting.pop(following)
            following += 1


def _images(result: tuple[Batch, Found]) -> int:
    return len(result[0].indices)


def images_a_step(settings: PredictSettings, device: torch.device) -> int:
    """How many images go through the detector together: on a CPU each one goes alone."""
    return 1 if device.type == "cpu" else settings.batch_size


def _computed(
    batches: Sequence[Batch],
    sources: Sequence[ImageSource],
    imgsz: int,
    compute: Callable[[list[Future[Picture]]], Found],
    streams: int,
) -> Iterator[tuple[Batch, Found]]:
    """What ``compute`` makes of each batch; threads decode and compute a few batches ahead."""
    queue: deque[tuple[Batch, Future[Found]]] = deque()
    decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
    pool = start_streams(streams)
    try:
        for batch in batches:
            paths = [sources[index].path for index in batch.indices]
            pictures = [decoders.submit(load_picture, path, imgsz, batch.shape) for path in paths]
            queue.append((batch, pool.submit(compute, pictures)))
            if len(queue) > AHEAD * streams:
                yield _finished(*queue.popleft())
        while queue:
            yield _finished(*queue.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        decoders.shutdown(cancel_futures=True)


def _finished(batch: Batch, found: Future[Found]) -> tuple[Batch, Found]:
    return batch, found.result()


@torch.inference_mode()
def _detect(
    detector: FastDetector,
    settings: PredictSettings,
    device: torch.device,
    pictures: list[Future[Picture]],
) -> Found:
    """Each picture with its results: boxes, scores and classes, (n, 6), in its padded pixels."""
    loaded = [picture.result() for picture in pictures]
    pixels = numpy.stack([picture.pixels for picture in loaded])
    missing = settings.batch_size - len(loaded)
    if settings.full_batches and missing:
        pixels = numpy.concatenate(
            (pixels, numpy.zeros_like(pixels, shape=(missing, *pixels.shape[1:])))
        )
    # (n, height, width, 3) permuted is what torch calls channels last: no copy, and fast.
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)
    found = [
        non_max_suppression(
            candidates[: len(loaded)],
            settings.confidence,
            settings.iou,
            settings.max_detections,
            settings.multi_label,
            classes=settings.classes,
        )
        for candidates in _see(detector, settings, images)
    ]
    return list(zip(loaded, zip(*found, strict=True), strict=True))


def _see(
    detector: FastDetector, settings: PredictSettings, images: torch.Tensor
) -> list[list[torch.Tensor]]:
    """Candidates of each result, for each image."""
    if settings.results_per_image > 1:
        return predict_views_apart(detector, images, settings.confidence)
    see = partial(predict_views, detector) if settings.tta else detector
    return [see(images, settings.confidence)]


def _in_source(image_id: int, picture: Picture, found: torch.Tensor) -> ImageDetections:
    values = found.cpu().numpy()
    boxes = picture.to_source(values[:, :4])
    return ImageDetections(image_id, boxes, values[:, 4], values[:, 5].astype(numpy.int64))
