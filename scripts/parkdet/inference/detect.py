"""Detects on many images: decodes them ahead in threads, in batches, with results in order."""

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
from parkdet.inference.views import VIEWS, candidates_by_view, candidates_of_views
from parkdet.progress import track

DECODERS = 4  # threads
AHEAD = 3  # batches per stream, including the one it works on

Found = list[tuple[Picture, Sequence[torch.Tensor]]]


@dataclass(frozen=True)
class DetectSettings:
    """What the detections of a model in an image depend on."""

    imgsz: int
    """Long side in pixels."""
    confidence: float
    """Least score, exclusive."""
    iou: float
    """Overlap above which the lower-scoring box of a class is removed."""
    max_detections: int
    """Most detections per image."""
    tta: bool
    """Test-time augmentation: three views."""
    batch_size: int
    """Images per step."""
    precision: str = "fp32"
    """fp32, bf16 or fp16."""
    fuse: str = "nms"
    """How views, and detectors, are fused: nms, or wbf (weighted boxes fusion)."""
    multi_label: bool = True
    """One candidate may give boxes of several classes."""
    classes: tuple[int, ...] | None = None
    """Class indices to detect; None: all."""
    full_batches: bool = True
    """Pad batches that are not full. Results may differ in the last bits between batch sizes; with
    full batches a detection does not depend on which other images there are."""

    @property
    def results_per_image(self) -> int:
        """``ImageDetections`` per image: one for each view if the views are fused later, else 1."""
        return len(VIEWS) if self.tta and self.fuse == "wbf" else 1


@dataclass(frozen=True)
class ImageDetections:
    """Detections in an image, by descending score."""

    id: int
    boxes: numpy.ndarray
    """(n, 4) float32: left, top, right, bottom in pixels of the source image, clipped to it."""
    scores: numpy.ndarray
    """(n,) float32."""
    classes: numpy.ndarray
    """(n,) int64."""


def detect(
    model: nn.Module | FastDetector,
    sources: Sequence[ImageSource],
    settings: DetectSettings,
    device: torch.device,
    label: str = "infer",
) -> Iterator[ImageDetections]:
    """Detects once on each image and yields the results in the order of ``sources``.

    If ``settings.results_per_image`` is more than one, the results of an image follow one another.

    On a CPU each image is processed alone and by one thread, several images at a time, so its
    detections depend neither on other images nor on the number of threads, unless there are more
    threads than images in a batch. Memory does not grow with the number of images.

    Args:
        model: a yolov5 detector on ``device``; it is not changed.
        label: name of the progress display.

    Raises:
        UserError: an image cannot be read; names it. All headers are read first.
    """
    stride, step = largest_stride(model), images_a_step(settings, device)
    sizes = map_in_threads(image_size, [source.path for source in sources], f"{label}: headers")
    batches = plan_batches([padded_shape(*size, settings.imgsz, stride) for size in sizes], step)
    if not isinstance(model, FastDetector):
        model = FastDetector(model, settings.precision, device)
    detect_batch = partial(_detect_batch, model, replace(settings, batch_size=step), device)
    streams = min(torch.get_num_threads(), settings.batch_size) if step == 1 else 1
    waiting: dict[int, list[ImageDetections]] = {}
    following = 0
    finished = _detect_ahead(batches, sources, settings.imgsz, detect_batch, streams)
    for batch, found in track(finished, len(sources), label, "images", size=_images):
        for index, (picture, results) in zip(batch.indices, found, strict=True):
            waiting[index] = [_in_source(sources[index].id, picture, boxes) for boxes in results]
        while following in waiting:
            yield from waiting.pop(following)
            following += 1


def _images(result: tuple[Batch, Found]) -> int:
    return len(result[0].indices)


def images_a_step(settings: DetectSettings, device: torch.device) -> int:
    """How many images go through the detector together: on a CPU each goes alone."""
    return 1 if device.type == "cpu" else settings.batch_size


def _detect_ahead(
    batches: Sequence[Batch],
    sources: Sequence[ImageSource],
    imgsz: int,
    detect_batch: Callable[[list[Future[Picture]]], Found],
    streams: int,
) -> Iterator[tuple[Batch, Found]]:
    """Each batch with what ``detect_batch`` gives; threads decode and detect some batches ahead."""
    queue: deque[tuple[Batch, Future[Found]]] = deque()
    decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
    pool = start_streams(streams)
    try:
        for batch in batches:
            paths = [sources[index].path for index in batch.indices]
            pictures = [decoders.submit(load_picture, path, imgsz, batch.shape) for path in paths]
            queue.append((batch, pool.submit(detect_batch, pictures)))
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
def _detect_batch(
    detector: FastDetector,
    settings: DetectSettings,
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
    # (n, height, width, 3), permuted, is torch's channels-last format: fast, and without a copy.
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
        for candidates in _candidates(detector, settings, images)
    ]
    return list(zip(loaded, zip(*found, strict=True), strict=True))


def _candidates(
    detector: FastDetector, settings: DetectSettings, images: torch.Tensor
) -> list[list[torch.Tensor]]:
    """For each of the results per image, the candidates of each image."""
    if settings.results_per_image > 1:
        return candidates_by_view(detector, images, settings.confidence)
    look = partial(candidates_of_views, detector) if settings.tta else detector
    return [look(images, settings.confidence)]


def _in_source(image_id: int, picture: Picture, found: torch.Tensor) -> ImageDetections:
    values = found.cpu().numpy()
    boxes = picture.to_source(values[:, :4])
    return ImageDetections(image_id, boxes, values[:, 4], values[:, 5].astype(numpy.int64))
