"""Prepares a data set in the challenge layout: checks, splits, links and labels its images."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from parkdet.data.annotations import Category, Dataset
from parkdet.data.collect import UNREADABLE, Collected, Photos, collect
from parkdet.data.duplicates import find_near_duplicates
from parkdet.data.holdout import SplitSettings, hold_out
from parkdet.data.issues import Issues
from parkdet.data.labels import label_text
from parkdet.data.links import label_name, link_names, place
from parkdet.data.output_folder import replaced_folder
from parkdet.data.sources import CHALLENGE, Layout, Sources, locate, refuse_overlap
from parkdet.data.summary import summarize
from parkdet.data.threads import map_in_threads
from parkdet.errors import UserError
from parkdet.files import atomic_write, write_json
from parkdet.provenance import write_provenance

log = logging.getLogger("parkdet")

SHOWN = 20  # test images named in a message


class PrepareSettings(NamedTuple):
    """The options of prepare_dataset.py, under their names."""

    data_root: Path
    out: Path
    val_images: int | None = None
    split: str = "auto"
    val_json: Path | None = None
    group_pattern: str | None = None
    seed: int = 100
    backgrounds: str = "keep"
    link: str = "auto"
    names: list[str] | None = None
    on_bad: str = "drop"
    on_bad_test: str = "skip"
    verify: str = "header"
    hash_cache: Path | None = None
    near_duplicates: bool = False
    layout: Layout = CHALLENGE


def prepare(settings: PrepareSettings) -> dict[str, Any]:
    """Writes the prepared data set to ``settings.out`` and returns its summary.

    Afterwards the folder is either complete or as it was. What cannot be used is left out and
    listed in issues.csv, unless ``on_bad`` is "fail"; test images that cannot be used are marked as
    unreadable, unless ``on_bad_test`` is "fail".

    Raises:
        UserError: the source, the options or the output folder cannot be used.
    """
    started = time.time()
    sources = locate(settings.data_root, settings.layout)
    refuse_overlap(sources, settings.out)
    issues = Issues(strict=settings.on_bad == "fail")
    with replaced_folder(settings.out) as folder:
        decode = _decoded_splits(settings)
        collected = collect(sources, settings.names, decode, settings.hash_cache, issues)
        if settings.on_bad_test == "fail":
            _require_test_images(sources, issues)
        if settings.backgrounds == "drop":
            _drop_backgrounds(collected, issues)
        _require_images(collected, sources, issues)
        split = _split_settings(settings)
        names = {number: image.file_name for number, image in collected.train.images.items()}
        holdout = hold_out(split, collected.listed_ids, names, collected.boxes, issues)
        near = None
        if settings.near_duplicates:
            near = find_near_duplicates(collected.train.paths, names, holdout.val)
        _rename(collected.train, issues)
        splits = _datasets(collected, holdout.val)
        summary = summarize(splits, split, holdout, near, issues)

        _write_images(folder, splits, collected, settings.link)
        _write_tables(folder, splits, issues, summary)
        _write_yaml(folder, settings.out, splits)
        _write_sidecars(folder, sources, settings, started)
    _report(summary, sources, settings.layout, settings.out, time.time() - started)
    return summary


def _split_settings(settings: PrepareSettings) -> SplitSettings:
    return SplitSettings(
        settings.split,
        settings.val_images,
        settings.seed,
        settings.group_pattern,
        settings.val_json,
    )


def _drop_backgrounds(collected: Collected, issues: Issues) -> None:
    """Leaves out images without a box from both train and val, as was done in 2022."""
    for number in [number for number, boxes in collected.boxes.items() if not boxes]:
        image = collected.train.images.pop(number)
        del collected.train.paths[number], collected.boxes[number]
        issues.add("image without boxes", "left out on request", image.file_name, number)


def _decoded_splits(settings: PrepareSettings) -> set[str]:
    if settings.verify == "full":
        return {"train", "test"}
    return {"test"} if settings.on_bad_test == "fail" else set()


def _require_test_images(sources: Sources, issues: Issues) -> None:
    """Raises UserError if a test image cannot be used; names the first ones."""
    bad = [row for row in issues.rows if row.action == UNREADABLE]
    if bad:
        shown = "; ".join(f"{row.file} ({row.problem})" for row in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise UserError(
            f"{len(bad)} images of {sources.test_json} cannot be used: {shown}{more}. Restore "
            "them, or list them in issues.csv and leave them without detections: --on-bad-test "
            "skip (infer.on_bad)."
        )


def _require_images(collected: Collected, sources: Sources, issues: Issues) -> None:
    if len(collected.train.images) >= 2:
        return
    found = "; ".join(f"{problem}: {count}" for problem, count in issues.counts().items())
    raise UserError(
        f"{sources.train_json} lists {len(collected.listed_ids)} images, of which "
        f"{len(collected.train.images)} can be used; at least 2 are needed. "
        f"Problems found: {found or 'none'}."
    )


def _rename(photos: Photos, issues: Issues) -> None:
    """Renames images whose label file would be another image's or would not be found."""
    links = link_names(image.file_name for image in photos.images.values())
    for image in photos.images.values():
        link = links[image.file_name]
        if link != image.file_name:
            problem = "label file would clash with another image's, or not be found"
            issues.add(problem, f"named {link} in the prepared set", image.file_name, image.id)
            image.file_name = link


def _datasets(collected: Collected, val: set[int]) -> dict[str, Dataset]:
    """The splits, with images in file order and boxes in the order of their images."""
    splits = {}
    for name, wanted in (("train", False), ("val", True)):
        images = [
            image for number, image in collected.train.images.items() if (number in val) is wanted
        ]
        boxes = [box for image in images for box in collected.boxes[image.id]]
        splits[name] = Dataset(images, boxes, collected.categories)
        if not images:
            raise UserError(
                f"No image is left for {name}: each of its images is unusable or has no box. "
                "Choose another --val-images or --seed (data.val_images, data.seed)."
            )
    if collected.test is not None:
        splits["test"] = Dataset(list(collected.test.images.values()), [], collected.categories)
    return splits


class _Task(NamedTuple):
    source: str
    link: str
    label: str  # empty: no label file
    text: str


def _write_images(
    folder: Path, splits: Mapping[str, Dataset], collected: Collected, link: str
) -> None:
    """Links the images and writes the label files: images/{split}/NAME, labels/{split}/STEM.txt."""
    tasks: dict[str, _Task] = {}
    numbers = {category.id: number for number, category in enumerate(collected.categories)}
    for name, split in splits.items():
        photos = collected.test if name == "test" and collected.test else collected.train
        for image in split.images:
            if image.unreadable:
                continue
            target = f"{folder}/images/{name}/{image.file_name}"
            label = text = ""
            if name != "test":
                label = f"{folder}/labels/{name}/{label_name(image.file_name)}"
                text = label_text(image, collected.boxes[image.id], numbers)
            tasks[target] = _Task(photos.paths[image.id], target, label, text)
    files = [path for task in tasks.values() for path in (task.link, task.label) if path]
    for parent in {Path(path).parent for path in files}:
        parent.mkdir(parents=True, exist_ok=True)
    work = list(tasks.values())
    ways = set(map_in_threads(lambda task: _write_image(task, link), work, "linking"))
    log.info("Images were added by: %s", ", ".join(sorted(ways)))


def _write_image(task: _Task, link: str) -> str:
    if task.label:
        with open(task.label, "x", encoding="ascii") as file:
            file.write(task.text)
    return place(task.source, task.link, link)


def _write_tables(
    folder: Path, splits: Mapping[str, Dataset], issues: Issues, summary: dict[str, Any]
) -> None:
    for name, split in splits.items():
        write_json(folder / f"{name}.json", split)
        with atomic_write(folder / f"{name}.txt", "w") as file:
            file.writelines(
                f"./images/{name}/{image.file_name}\n"
                for image in split.images
                if not image.unreadable
            )
    issues.write(folder / "issues.csv")
    write_json(folder / "summary.json", summary, indent=2)


def _write_yaml(folder: Path, out: Path, splits: Mapping[str, Dataset]) -> None:
    """dataset.yaml as YOLO tools read it; the only file with an absolute path."""
    categories: list[Category] = splits["train"].categories
    content = {
        "path": str(out.resolve()),
        **{name: f"{name}.txt" for name in splits},
        "nc": len(categories),
        "names": {number: category.name for number, category in enumerate(categories)},
    }
    with atomic_write(folder / "dataset.yaml", "w") as file:
        yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False)


def _write_sidecars(
    folder: Path, sources: Sources, settings: PrepareSettings, started: float
) -> None:
    inputs = [*sources.annotation_files(), *([settings.val_json] if settings.val_json else [])]
    options = msgspec.to_builtins(settings._asdict(), enc_hook=str)
    for path in sorted(folder.glob("*.json")):
        write_provenance(path, inputs, options, started)


def _report(
    summary: dict[str, Any], sources: Sources, layout: Layout, out: Path, seconds: float
) -> None:
    images, boxes = summary["images"], summary["boxes"]
    log.info(
        "%s: %d train images with %d boxes, %d val images with %d boxes, %s (split: %s; %.1f s)",
        out,
        images["train"],
        boxes["train"],
        images["val"],
        boxes["val"],
        f"{images['test']} test images" if "test" in images else "no test set",
        summary["split"]["used"],
        seconds,
    )
    if sources.test_json is None:
        log.info("There is no %s, so no test set is prepared.", layout.test_json)
    elif not images["test"]:
        log.warning("Warning: %s lists no images: the test set is empty.", sources.test_json)
    for warning in summary["warnings"]:
        log.warning("Warning: %s", warning)
    if summary["issues"]:
        log.warning("Left out or repaired, listed in %s/issues.csv:", out)
        for problem, count in summary["issues"].items():
            log.warning("  %6d  %s", count, problem)
