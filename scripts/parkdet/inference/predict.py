"""Detections of many images: decoded ahead in threads, computed in batches, given in order."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy
import torch
from torch import nn

from parkdet.data.threads import map_in_threads
from parkdet.detector.build import largest_stride
from parkdet.detector.precision import autocast
from parkdet.detector.suppression import non_max_suppression
from parkdet.inference.batches import Batch, plan_batches
from parkdet.inference.letterbox import Picture, image_size, load_picture, padded_shape
from parkdet.inference.sources import ImageSource
from parkdet.inference.views import predict_views
from parkdet.progress import track

DECODERS = 4  # threads
AHEAD = 2  # batches


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
    multi_label: bool = True
    """A candidate may stand for several classes."""
    classes: tuple[int, ...] | None = None
    """Class indices to detect; None: all."""
    full_batches: bool = True
    """Pad a batch that lacks images. Arithmetic may differ in the last bits between batch sizes;
    with full batches a detection does not depend on which other images there are."""


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
    model: nn.Module,
    sources: Sequence[ImageSource],
    settings: PredictSettings,
    device: torch.device,
    label: str = "infer",
) -> Iterator[ImageDetections]:
    """Detects on every image once and yields the results in the order of ``sources``.

    Memory does not grow with the number of images.

    Args:
        model: a yolov5 detector in eval mode on ``device``.
        label: name of the progress shown.

    Raises:
        UserError: an image cannot be read; names it. Headers are read before anything else.
    """
    stride = largest_stride(model)
    sizes = map_in_threads(image_size, [source.path for source in sources], f"{label}: headers")
    batches = plan_batches(
        [padded_shape(*size, settings.imgsz, stride) for size in sizes], settings.batch_size
    )
    waiting: dict[int, ImageDetections] = {}
    following = 0
    decoded = _decoded(batches, sources, settings.imgsz)
    for batch, pictures in track(decoded, len(batches), label):
        found = _detect(model, pictures, settings, device)
        for index, picture, boxes in zip(batch.indices, pictures, found, strict=True):
            waiting[index] = _in_source(sources[index].id, picture, boxes)
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _decoded(
    batches: Sequence[Batch], sources: Sequence[ImageSource], imgsz: int
) -> Iterator[tuple[Batch, list[Picture]]]:
    """The pictures of each batch; threads decode up to two batches ahead."""
    queue: deque[tuple[Batch, list[Future[Picture]]]] = deque()
    pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
    try:
        for batch in batches:
            paths = [sources[index].path for index in batch.indices]
            queue.append(
                (batch, [pool.submit(load_picture, path, imgsz, batch.shape) for path in paths])
            )
            if len(queue) > AHEAD:
                yield _finished(*queue.popleft())
        while queue:
            yield _finished(*queue.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(batch: Batch, futures: list[Future[Picture]]) -> tuple[Batch, list[Picture]]:
    return batch, [future.result() for future in futures]


@torch.no_grad()
def _detect(
    model: nn.Module, pictures: list[Picture], settings: PredictSettings, device: torch.device
) -> list[torch.Tensor]:
    """Boxes, scores and classes of each picture, (n, 6), in pixels of the padded picture."""
    pixels = numpy.stack([picture.pixels for picture in pictures])
    missing = settings.batch_size - len(pictures)
    if settings.full_batches and missing:
        pixels = numpy.concatenate(
            (pixels, numpy.zeros_like(pixels, shape=(missing, *pixels.shape[1:])))
        )
    # (n, height, width, 3) permuted is what torch calls channels last: no copy, and fast.
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    with autocast(settings.precision, device):
        predictions = predict_views(model, images) if settings.tta else model(images)[0]
    return non_max_suppression(
        predictions[: len(pictures)].float(),
        settings.confidence,
        settings.iou,
        settings.max_detections,
        settings.multi_label,
        classes=settings.classes,
    )


def _in_source(image_id: int, picture: Picture, found: torch.Tensor) -> ImageDetections:
    values = found.cpu().numpy()
    boxes = picture.to_source(values[:, :4])
    return ImageDetections(image_id, boxes, values[:, 4], values[:, 5].astype(numpy.int64))
