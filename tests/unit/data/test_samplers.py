import importlib

import numpy as np
import pytest

from parkdet.data.samplers import EpochBatches, EpochOrder, Sample, class_weights, image_weights


def boxes(*classes):
    return np.array([[label, 0.5, 0.5, 0.1, 0.1] for label in classes], np.float32).reshape(-1, 5)


def test_a_plain_epoch_shows_every_image_once():
    order = EpochOrder(10, seed=1, stage="baseline")
    assert sorted(order(0)) == list(range(10))
    assert order(0) != list(range(10))


def test_order_is_a_function_of_seed_stage_and_epoch():
    order = EpochOrder(50, seed=1, stage="baseline")
    first, second = order(0), order(1)
    assert first != second
    assert order(0) == first == EpochOrder(50, seed=1, stage="baseline")(0)
    assert EpochOrder(50, seed=2, stage="baseline")(0) != first
    assert EpochOrder(50, seed=1, stage="tune")(0) != first


def test_epoch_parts_draw_a_share_with_replacement():
    order = EpochOrder(21650, seed=0, stage="tune", parts=15)
    assert len(order) == len(order(0)) == 1443  # 722 batches of 2
    small = EpochOrder(40, seed=0, stage="tune", parts=2)
    assert any(len(set(small(epoch))) < 20 for epoch in range(5))


def test_image_weights_draw_rare_classes_more_often():
    labels = [boxes(0)] * 9 + [boxes(1)]
    order = EpochOrder(10, seed=0, stage="baseline", weights=image_weights(labels, 2))
    drawn = [index for epoch in range(100) for index in order(epoch)]
    assert 0.4 < drawn.count(9) / len(drawn) < 0.6


def test_class_weights_are_inverse_frequencies():
    assert class_weights([boxes(0, 0, 0), boxes(1)], 2) == pytest.approx([0.25, 0.75])


def test_a_class_without_boxes_counts_as_one():
    assert class_weights([boxes(0, 0), boxes(1)], 3) == pytest.approx([0.2, 0.4, 0.4])


def test_image_weights_sum_the_class_weights_of_the_boxes():
    weights = image_weights([boxes(0, 0), boxes(1), boxes()], 2)
    assert weights[2] == 0
    assert weights[0] / weights[1] == pytest.approx(1.0)


def test_image_weights_equal_yolov5():
    importlib.import_module("parkdet.detector.compat")  # before yolov5
    from yolov5.utils.general import labels_to_class_weights, labels_to_image_weights

    generator = np.random.default_rng(0)
    labels = [boxes(*generator.integers(0, 5, n)) for n in (3, 0, 7, 1)]
    theirs = labels_to_image_weights(labels, 5, labels_to_class_weights(labels, 5).numpy())
    assert image_weights(labels, 5) == pytest.approx(theirs / theirs.sum(), rel=1e-5)


def test_the_last_batch_may_be_partial():
    order = EpochOrder(10, seed=0, stage="baseline")
    batches = EpochBatches(order, 4)
    batches.start_at(3)
    made = list(batches)
    assert [len(batch) for batch in made] == [4, 4, 2]
    assert len(batches) == 3
    assert [sample.index for batch in made for sample in batch] == order(3)
    assert made[1][0] == Sample(epoch=3, position=4, index=order(3)[4])


def test_batches_can_start_within_an_epoch():
    batches = EpochBatches(EpochOrder(10, seed=0, stage="baseline"), 4)
    batches.start_at(2)
    whole = list(batches)
    batches.start_at(2, batch=1)
    assert list(batches) == whole[1:]
    assert len(batches) == 3


def test_a_batch_is_no_larger_than_the_epoch():
    assert len(EpochBatches(EpochOrder(3, seed=0, stage="baseline"), 16)) == 1


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_shares_of_all_ranks_make_up_the_batches_of_one(ranks):
    order = EpochOrder(13, seed=0, stage="baseline", weights=[1.0] * 13)
    whole = EpochBatches(order, 6)
    shares = [EpochBatches(order, 6, rank, ranks) for rank in range(ranks)]
    for batches in (whole, *shares):
        batches.start_at(2, 1)
    for batch, (samples, *given) in enumerate(zip(whole, *shares, strict=True), start=1):
        assert samples == whole.samples(2, batch)
        counted = []
        for share, images in zip(shares, given, strict=True):
            own, size = share.sizes(batch)
            assert images and size == len(samples)  # no rank is left without an image
            counted += images[:own]
        assert sorted(counted) == sorted(samples)
    assert [share.sizes(2) for share in shares] == [(1, 1)] + [(0, 1)] * (ranks - 1)
