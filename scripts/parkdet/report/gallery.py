"""The images of val and test with their detections, packed for a page that loads them lazily.

A pack holds a few images. The first packs are embedded in the page, up to a size that can still be
mailed; the others are files next to it, which the page loads when the reader scrolls to them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from parkdet.evaluation.matching import IGNORED, WRONG, match
from parkdet.files import atomic_write
from parkdet.progress import track
from parkdet.report.section import Section
from parkdet.report.sources import Image, Run
from parkdet.report.thumbnails import thumbnail
from parkdet.submission.records import Detection

PACK = 40  # images
SIDE = 640  # pixels, longer side
WITHIN_PAGE = 4_000_000  # bytes of packs that the page embeds
MOST = 500  # images of val and of test, each
IOU = 0.5
LEAST = 1e-4  # replaces a score of 0, which would mean "not found"
DEFAULT_CONFIDENCE = 0.25  # where no best F1 is known


@dataclass(frozen=True)
class Shown:
    """An image of the gallery, with everything known about it.

    Attributes:
        scored: whether there is ground truth to compare with.
        found: for each truth box, the score of the detection that found it, 0 if none did.
        outcomes: for each detection, RIGHT, WRONG or IGNORED (always IGNORED without truth).
    """

    part: str
    image: Image
    path: Path
    detections: list[Detection]
    truth: list[dict]
    scored: bool
    found: list[float]
    outcomes: list[int]

    def mistakes(self, confidence: float) -> tuple[int, int] | None:
        """Missed objects and wrong detections at a confidence; None without truth."""
        if not self.scored:
            return None
        missed = sum(score < confidence for score in self.found)
        pairs = zip(self.detections, self.outcomes, strict=True)
        return missed, sum(d.score >= confidence and result == WRONG for d, result in pairs)


def build(run: Run, out: Path, threads: int) -> Section:
    """Packs the images and writes ``out``/gallery/.

    Returns:
        The section; ``index`` is what the page knows about each image before its pack is loaded,
        and ``packs`` are those embedded in the page.
    """
    section = Section("gallery")
    best = (run.json("metrics/val.json") or {}).get("best_f1", {}).get("confidence")
    confidence = DEFAULT_CONFIDENCE if best is None else best
    shown, told = [], []
    truths = {part: run.truth(part) for part in ("val", "test")}
    categories = run.categories
    for truth in filter(None, truths.values()):
        categories |= {item["id"]: item["name"] for item in truth["categories"]}
    for part, truth in truths.items():
        images = _images(run, part, truth, categories)
        chosen = _choose(images, confidence)
        shown += chosen
        if len(chosen) < len(images):
            told.append(f"{len(chosen):,} of the {len(images):,} {part} images")
    if not shown:
        section.missing.append("There are no detections to show yet.")
    (out / "gallery").mkdir(parents=True, exist_ok=True)
    packs = _write_packs(shown, out / "gallery", categories, threads)
    section.values = {
        "packs": packs,
        "index": _index(shown, categories, confidence, len(packs)),
        "told": " and ".join(told),
        "beside": max(-(-len(shown) // PACK) - len(packs), 0),
    }
    return section


def _images(run: Run, part: str, truth: dict | None, categories: dict[int, str]) -> list[Shown]:
    """The images of a part, with their detections of known categories; none without detections."""
    detections = run.detections(part)
    folder = run.test_images if part == "test" else run.results / "dataset/images/val"
    if detections is None or part not in run.parts or folder is None:
        return []
    by_image: dict[int, list[Detection]] = defaultdict(list)
    for record in detections:
        if record.category_id in categories:
            by_image[record.image_id].append(record)
    annotations: dict[int, list[dict]] = defaultdict(list)
    for item in truth["annotations"] if truth else []:
        annotations[item["image_id"]].append(item)
    shown = []
    for image in run.parts[part].images:
        records = sorted(by_image[image.id], key=lambda record: -record.score)
        items = annotations[image.id]
        found, outcomes = _compare(items, records) if truth else ([], [IGNORED] * len(records))
        objects = [item for item in items if not item.get("iscrowd")]
        path = folder / image.file_name
        shown.append(Shown(part, image, path, records, objects, bool(truth), found, outcomes))
    return shown


def _compare(annotations: list[dict], records: list[Detection]) -> tuple[list[float], list[int]]:
    """For each non-crowd object, the score of the detection that found it, or 0; and outcomes."""
    matches = match({"annotations": annotations}, records, IOU)
    taken = zip(matches.found.tolist(), records, strict=True)
    scores = {place: max(record.score, LEAST) for place, record in taken}
    places = [place for place, item in enumerate(annotations) if not item.get("iscrowd")]
    return [scores.get(place, 0.0) for place in places], matches.outcomes.tolist()


def _choose(images: list[Shown], confidence: float) -> list[Shown]:
    """All images or, beyond MOST, the worst and an even spread of the others, in their order."""
    if len(images) <= MOST:
        return images
    chosen: list[int] = []
    if images[0].scored:
        worst = sorted(range(len(images)), key=lambda n: -sum(images[n].mistakes(confidence)))
        chosen = worst[: MOST // 2]
    rest = sorted(set(range(len(images))) - set(chosen))
    wanted = MOST - len(chosen)
    chosen += [rest[number * len(rest) // wanted] for number in range(wanted)]
    return [images[number] for number in sorted(chosen)]


def _index(
    shown: Sequence[Shown], categories: dict[int, str], confidence: float, within: int
) -> dict[str, Any]:
    """What the page knows from the start: the classes, and the filter values of each image."""
    number_of = {category: number for number, category in enumerate(categories)}
    return {
        "classes": list(categories.values()),
        "confidence": confidence,
        "pack": PACK,
        "within": within,
        "images": [_entry(item, number_of, confidence) for item in shown],
    }


def _entry(item: Shown, number_of: dict[int, int], confidence: float) -> dict[str, Any]:
    best: dict[int, float] = {}
    for record in item.detections:
        number = number_of[record.category_id]
        best[number] = max(best.get(number, 0), record.score)
    mistakes = item.mistakes(confidence)
    return {
        "part": item.part,
        "name": item.image.file_name,
        "shape": [item.image.width or 16, item.image.height or 9],
        "best": best,
        "truth": sorted({number_of[box["category_id"]] for box in item.truth}),
        "missed": mistakes[0] if mistakes else None,
        "wrong": mistakes[1] if mistakes else None,
    }


def _write_packs(
    shown: Sequence[Shown], folder: Path, categories: dict[int, str], threads: int
) -> list[str]:
    """Writes the packs that do not fit into the page and returns the text of those that do."""
    for old in folder.glob("pack*.js"):
        old.unlink()
    within: list[str] = []
    room = WITHIN_PAGE
    packs = track(_packs(shown, categories, threads), -(-len(shown) // PACK), "gallery", "packs")
    for number, pack in enumerate(packs):
        room -= len(pack)
        if room >= 0:
            within.append(pack)
        else:
            room = 0  # all later packs stay outside, so the embedded ones are the first
            with atomic_write(folder / f"pack{number}.js", "w") as file:
                file.write(f"parkdetPack({number},{pack});\n")
    return within


def _packs(shown: Sequence[Shown], categories: dict[int, str], threads: int) -> Iterator[str]:
    """The packs as JSON, one after another; images are scaled down on several threads."""
    number_of = {category: number for number, category in enumerate(categories)}
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(shown), PACK):
            pack = shown[start : start + PACK]
            pictures = pool.map(partial(_picture, number_of=number_of), pack)
            yield script_json(list(pictures))


def _picture(item: Shown, number_of: dict[int, int]) -> dict[str, Any]:
    """An image and its boxes, as flat lists of numbers.

    `boxes`: class, score, left, top, width, height, outcome of each detection.
    `truth`: class, left, top, width, height, score of the detection that found it.
    """
    small = thumbnail(item.path, SIDE)
    boxes = [
        value
        for record, outcome in zip(item.detections, item.outcomes, strict=True)
        for value in (number_of[record.category_id], record.score, *record.bbox, outcome)
    ]
    truth = [
        value
        for box, score in zip(item.truth, item.found, strict=True)
        for value in (number_of[box["category_id"]], *box["bbox"], score)
    ]
    width = small.width if small else item.image.width or SIDE
    height = small.height if small else item.image.height or SIDE
    picture = {"uri": small.uri if small else None, "width": width, "height": height}
    return {**picture, "boxes": boxes, "truth": truth}


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element: it contains no `<` to end it."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")
