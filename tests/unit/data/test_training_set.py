import dataclasses
import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from parkdet.data.image_cache import SharedImageCache
from parkdet.data.samplers import EpochBatches, EpochOrder, Sample
from parkdet.data.training_set import Recipe, TrainingSet, collate, read_split
from parkdet.detector.augment import seeded
from parkdet.errors import UserError
from parkdet.hyperparameters import Hyperparameters
from parkdet.training.loader import build_loader

SIZES = [(60, 40), (40, 60), (64, 64), (100, 30), (33, 47), (128, 96)]
EVERYTHING = Hyperparameters(degrees=5, shear=3, perspective=0.0005, flipud=0.3, mixup=0.4)


@pytest.fixture
def dataset(tmp_path) -> Path:
    generator = np.random.default_rng(0)
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    images, lines = [], []
    for number, (width, height) in enumerate(SIZES):
        name = f"맑음_{number}.png"
        cv2.imwrite(
            str(tmp_path / "images/train" / name),
            generator.integers(0, 255, (height, width, 3), dtype=np.uint8),
        )
        rows = [
            f"{generator.integers(0, 3)} {x:.6f} {y:.6f} 0.300000 0.400000"
            for x, y in generator.uniform(0.25, 0.75, (number, 2))  # the first has no box
        ]
        label = tmp_path / "labels/train" / f"맑음_{number}.txt"
        label.write_text("\n".join(rows) + "\n" * bool(rows))
        images.append(
            {"id": number, "file_name": name, "width": width, "height": height, "sha256": "0"}
        )
        lines.append(f"./images/train/{name}")
    categories = [{"id": 10 * k, "name": f"class {k}"} for k in range(3)]
    (tmp_path / "train.json").write_text(json.dumps({"images": images, "categories": categories}))
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "dataset.yaml").write_text("train: train.txt\n")
    return tmp_path / "dataset.yaml"


def make(dataset, hyp=EVERYTHING, cache=10**8, seed=7, mosaic_epochs=99):
    split = read_split(dataset, "train")
    recipe = Recipe(imgsz=64, hyp=hyp, mosaic_epochs=mosaic_epochs, seed=seed, stage=0)
    order = EpochOrder(len(split.images), seed, "baseline")
    return TrainingSet(split, recipe, order, cache)


def batches_of(dataset, workers, epochs=(0, 1)):
    training_set = make(dataset)
    batches = EpochBatches(EpochOrder(len(training_set), 7, "baseline"), 4)
    loader = build_loader(training_set, batches, workers, torch.device("cpu"))
    made = []
    for epoch in epochs:
        batches.start_at(epoch)
        made += list(loader)
    return made


def as_yolov5(training_set, sample):
    """The picture that yolov5's own data set makes of the same images under the same seed."""
    from yolov5.utils.dataloaders import LoadImagesAndLabels

    theirs = LoadImagesAndLabels.__new__(LoadImagesAndLabels)
    split, recipe = training_set.split, training_set.recipe
    loaded = [training_set._load(index) for index in range(len(training_set))]
    theirs.ims = [image for image, _ in loaded]
    theirs.im_hw0 = theirs.im_hw = [image.shape[:2] for image, _ in loaded]
    theirs.labels = [labels for _, labels in loaded]
    theirs.segments = [[] for _ in loaded]
    theirs.im_files = theirs.npy_files = split.paths
    theirs.indices, theirs.n = training_set._order(sample.epoch), len(loaded)
    theirs.img_size, theirs.hyp = recipe.imgsz, recipe.hyp.model_dump()
    theirs.augment = theirs.mosaic = True
    theirs.rect, theirs.mosaic_border = False, [-recipe.imgsz // 2, -recipe.imgsz // 2]
    theirs.albumentations = lambda image, labels: (image, labels)
    with seeded(recipe.seed, recipe.stage, sample.epoch, sample.position):
        image, targets, _, _ = theirs[theirs.indices.index(sample.index)]
    return image, targets


@pytest.mark.parametrize("mosaic", [0.0, 0.5, 1.0])
def test_pictures_equal_yolov5(dataset, mosaic):
    training_set = make(dataset, EVERYTHING.model_copy(update={"mosaic": mosaic}))
    for position in range(12):
        sample = Sample(epoch=2, position=position, index=position % len(SIZES))
        image, targets = training_set[sample]
        expected_image, expected_targets = as_yolov5(training_set, sample)
        assert torch.equal(image.permute(2, 0, 1), expected_image)
        torch.testing.assert_close(targets, expected_targets, rtol=0, atol=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(dataset, workers):
    for one, other in zip(batches_of(dataset, 0), batches_of(dataset, workers), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)


def test_a_picture_depends_on_epoch_position_and_seed(dataset):
    training_set = make(dataset)
    image = training_set[Sample(0, 0, 3)][0]
    assert torch.equal(image, training_set[Sample(0, 0, 3)][0])
    assert not torch.equal(image, training_set[Sample(1, 0, 3)][0])
    assert not torch.equal(image, training_set[Sample(0, 1, 3)][0])
    assert not torch.equal(image, make(dataset, seed=8)[Sample(0, 0, 3)][0])


def test_making_a_picture_leaves_the_global_generators_alone(dataset):
    training_set = make(dataset)
    before = random.getstate(), np.random.get_state()[1].tolist()
    training_set[Sample(0, 0, 1)]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_small_cache_gives_the_same_pictures(dataset):
    whole, none = make(dataset), make(dataset, cache=0)
    for position in range(6):
        sample = Sample(0, position, position)
        for _ in range(2):  # the second time from the cache, which augmentation must not touch
            assert torch.equal(whole[sample][0], none[sample][0])


def test_an_image_is_decoded_once(monkeypatch):
    made = []
    cache = SharedImageCache([(2, 3), (4, 5)], max_bytes=20)

    def decode(index):
        made.append(index)
        return np.full(((2, 3, 3), (4, 5, 3))[index], index + 1, np.uint8)

    for _ in range(3):
        assert (cache.get(0, decode) == 1).all()
        assert (cache.get(1, decode) == 2).all()
    assert cache.kept == 1
    assert made == [0, 1, 1, 1]


def test_no_mosaics_after_mosaic_epochs(dataset):
    plain = EVERYTHING.model_copy(update={"mixup": 0.0, "scale": 0.0, "translate": 0.0})
    closed = make(dataset, plain, mosaic_epochs=1)
    sample = Sample(epoch=1, position=0, index=0)
    assert len(closed[sample][1]) == 0  # a picture made of image 0 alone has no box
    assert any(len(make(dataset, plain)[Sample(1, p, 0)][1]) for p in range(5))


def test_collate_numbers_the_targets_and_stores_channels_last():
    items = [(torch.zeros(8, 8, 3, dtype=torch.uint8), torch.ones(n, 6)) for n in (2, 0, 1)]
    batch = collate(items)
    assert batch.targets[:, 0].tolist() == [0, 0, 2]
    assert batch.images.shape == (3, 3, 8, 8)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_the_digest_follows_labels_images_and_classes(dataset):
    split = read_split(dataset, "train")
    first = split.images[0]
    changed = type(first)(first.id, first.file_name, first.width, first.height, sha256="1")
    digests = {
        split.digest(),
        dataclasses.replace(split, images=[changed, *split.images[1:]]).digest(),
        dataclasses.replace(split, categories=split.categories[::-1]).digest(),
    }
    label = dataset.parent / "labels/train/맑음_5.txt"
    label.write_text(label.read_text().replace("0.300000", "0.300001", 1))
    digests.add(read_split(dataset, "train").digest())
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3 0.5 0.5 0.1 0.1", "class must be one of 0 to 2"),
        ("0.5 0.5 0.5 0.1 0.1", "class must be"),
        ("1 0.5 1.5 0.1 0.1", "values between 0 and 1"),
        ("1 0.5 -0.5 0.1 0.1", "values between 0 and 1"),
        ("1 nan 0.5 0.1 0.1", "values between 0 and 1"),
        ("1 0.5 0.5 0.1", "five numbers"),
        ("car 0.5 0.5 0.1 0.1", "five numbers"),
    ],
)
def test_a_bad_label_is_refused_by_file_and_line(dataset, row, message):
    label = dataset.parent / "labels/train/맑음_1.txt"
    label.write_text(f"0 0.5 0.5 0.1 0.1\n{row}\n")
    with pytest.raises(UserError, match=message) as error:
        _ = read_split(dataset, "train").labels
    assert str(label.name) in str(error.value)


def test_lists_that_do_not_fit_are_refused(dataset):
    (dataset.parent / "train.txt").write_text("./images/train/a.png\n")
    with pytest.raises(UserError, match="lists 1 images"):
        read_split(dataset, "train")


def test_a_damaged_image_is_refused_by_name(dataset):
    (dataset.parent / "images/train/맑음_2.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cannot be decoded.*data\.verify: full.*--verify full"):
        make(dataset)[Sample(0, 0, 2)]
