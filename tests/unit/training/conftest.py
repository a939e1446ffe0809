"""A data set and a detector so small that a training takes about a second."""

import dataclasses
import json
import logging
import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import parkdet
from parkdet.hyperparameters import Hyperparameters
from parkdet.training.settings import Settings

TRAIN, VAL = 9, 4


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def forks() -> ForkServerContext:
    """Makes launchers and ranks from a process that has imported everything once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["parkdet.training.launch", "parkdet.training.run"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(parkdet.__file__).parents[1]))
        forkserver.ensure_running()
    return context


@pytest.fixture
def messages(caplog):
    logging.getLogger("parkdet").propagate = True
    caplog.set_level(logging.INFO, "parkdet")
    return caplog


def write_part(root: Path, part: str, images: int) -> None:
    """Grey noise with a bright and a dark rectangle, the classes, in each image."""
    generator = np.random.default_rng(len(part))
    for folder in (f"images/{part}", f"labels/{part}"):
        (root / folder).mkdir(parents=True)
    records, annotations, lines = [], [], []
    for number in range(images):
        image = generator.integers(90, 130, (48, 64, 3), dtype=np.uint8)
        rows = []
        for label, shade in enumerate((250, 10)):
            left, top = int(generator.integers(0, 40)), int(generator.integers(0, 24))
            image[top : top + 20, left : left + 20] = shade
            rows.append(f"{label} {(left + 10) / 64:.6f} {(top + 10) / 48:.6f} 0.312500 0.416667")
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": 3 + 4 * label,
                    "bbox": [left, top, 20, 20],
                    "area": 400,
                    "iscrowd": 0,
                }
            )
        name = f"{part}_{number}.png"
        cv2.imwrite(str(root / f"images/{part}" / name), image)
        (root / f"labels/{part}" / f"{part}_{number}.txt").write_text("\n".join(rows) + "\n")
        records.append(
            {"id": number + 1, "file_name": name, "width": 64, "height": 48, "sha256": f"{number}"}
        )
        lines.append(f"./images/{part}/{name}")
    categories = [{"id": 3, "name": "bright"}, {"id": 7, "name": "dark"}]
    truth = {"images": records, "annotations": annotations, "categories": categories}
    (root / f"{part}.json").write_text(json.dumps(truth))
    (root / f"{part}.txt").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="session", name="write_part")
def _write_part() -> Callable[[Path, str, int], None]:
    return write_part


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    write_part(root, "train", TRAIN)
    write_part(root, "val", VAL)
    (root / "dataset.yaml").write_text("train: train.txt\nval: val.txt\n")
    return root / "dataset.yaml"


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """yolov5n with half its width."""
    from parkdet.detector.build import build_model, read_architecture
    from parkdet.detector.checkpoints import checkpoint_of, save_checkpoint

    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    model = build_model(read_architecture("yolov5n") | {"width_multiple": 0.125}, 2, seed=1)
    save_checkpoint(path, checkpoint_of(model, ["bright", "dark"], [3, 7], 64))
    return path


def small_training(dataset: Path, weights: Path, root: Path) -> Settings:
    return Settings(
        dataset=dataset,
        weights=weights,
        arch=None,
        hyp=Hyperparameters(warmup_bias_lr=0.01),
        state_dir=root / "state",
        last=root / "last.pt",
        best=root / "best.pt",
        metrics=root / "metrics.csv",
        epochs=4,
        imgsz=64,
        batch_size=4,
        nominal_batch=8,
        precision="fp32",
        device="cpu",
        workers=0,
        val_period=2,
    )


@pytest.fixture
def settings(dataset, weights, tmp_path) -> Settings:
    return small_training(dataset, weights, tmp_path)


@pytest.fixture(scope="session")
def uninterrupted(dataset, weights, tmp_path_factory) -> Settings:
    """The training of ``settings``, run once without interruption."""
    from parkdet.training.run import train

    whole = small_training(dataset, weights, tmp_path_factory.mktemp("uninterrupted"))
    train(dataclasses.replace(whole, threads=1))
    return whole
