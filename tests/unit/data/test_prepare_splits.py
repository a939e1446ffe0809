import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkdet.data.splits import (
    choose_given,
    default_val_images,
    draw_groups,
    draw_random,
    group_key,
    groups_of,
)
from parkdet.errors import UserError


def test_random_draw_equals_that_of_2022():
    ids = [7 * number + 3 for number in range(24650)]
    random.seed(100)
    expected = random.sample(tuple(ids), 3000)
    assert draw_random(ids, 3000, 100) == set(expected)


def test_random_draw_leaves_the_global_generator_alone():
    random.seed(5)
    state = random.getstate()
    draw_random(range(10), 3, 1)
    assert random.getstate() == state


@pytest.mark.parametrize("val_images", [0, 10, 11])
def test_train_and_val_each_need_an_image(val_images):
    with pytest.raises(UserError, match="--val-images"):
        draw_random(range(10), val_images, 100)


@pytest.mark.parametrize(
    ("images", "held_out"), [(24650, 3000), (24000, 3000), (23999, 2999), (16, 2), (15, 1), (2, 1)]
)
def test_an_eighth_is_held_out_at_most_the_3000_of_2022(images, held_out):
    assert default_val_images(images) == held_out


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        (
            "20201102_경기도_-_-_맑음_주간_실외_right_000079_0088055.png",
            "20201102_경기도_-_-_맑음_주간_실외_right_000079_0088056.png",
            True,
        ),
        ("a_000079_01.png", "a_000080_01.png", False),
        ("a_1.mp4.jpg", "a_1.mp3.jpg", True),  # the last number is the frame
        ("rec1/frame_1.png", "rec2/frame_1.png", False),
        ("\u1100\u1161_1.png", "가_2.png", True),  # decomposed and composed Korean
    ],
)
def test_recording_is_the_name_without_its_last_number(name, other, same):
    key = group_key(None)
    assert (key(name) == key(other)) is same


def test_suffix_digits_are_not_a_frame_number():
    assert group_key(None)("photo.jp2") is None


def test_group_pattern_names_the_recording():
    assert group_key(r"_(\d+)_\d+\.png$")("x_12_0001.png") == "12"
    assert group_key(r"_(\d+)_\d+\.png$")("other.png") is None


@pytest.mark.parametrize("pattern", ["(", r"\d+"])
def test_useless_group_pattern_is_refused(pattern):
    with pytest.raises(UserError, match="group"):
        group_key(pattern)


def test_images_without_a_recording_are_recordings_of_their_own():
    groups = groups_of({1: "a.png", 2: "b.png", 3: "r_1.png", 4: "r_2.png"}, group_key(None))
    assert len(set(groups.values())) == 3


group_sizes = st.lists(st.integers(1, 30), min_size=2, max_size=40)


@settings(max_examples=40)
@given(group_sizes, st.data())
def test_group_draw_keeps_recordings_whole_and_meets_the_size(sizes, data):
    groups = {}
    for group, size in enumerate(sizes):
        groups |= {len(groups) + frame: str(group) for frame in range(size)}
    shows = st.sets(st.integers(0, 4), max_size=2)
    classes = {number: data.draw(shows) for number in groups}
    wanted = data.draw(st.integers(1, len(groups) - 1))
    seed = data.draw(st.integers(0, 5))

    val = draw_groups(groups, classes, wanted, seed)

    train = groups.keys() - val
    assert val and train
    assert not {groups[n] for n in val} & {groups[n] for n in train}
    taken = [size for group, size in enumerate(sizes) if str(group) in {groups[n] for n in val}]
    left = [size for group, size in enumerate(sizes) if str(group) in {groups[n] for n in train}]
    short = wanted - len(val)
    if short > 0:
        assert 2 * short <= min(left) or len(left) == 1
    elif short < 0:
        assert -2 * short < max(taken) or (taken == [min(sizes)] and min(sizes) >= 2 * wanted)
    assert draw_groups(groups, classes, wanted, seed) == val


def test_group_draw_depends_on_the_seed():
    groups = {number: str(number // 2) for number in range(60)}
    draws = {frozenset(draw_groups(groups, {}, 10, seed)) for seed in range(5)}
    assert len(draws) > 1


@pytest.mark.parametrize("seed", range(10))
def test_rare_class_is_in_train_and_val(seed):
    groups = {number: str(number // 5) for number in range(100)}
    classes = {number: {0} for number in groups} | {12: {0, 9}, 77: {0, 9}, 50: {0, 8}}
    val = draw_groups(groups, classes, 20, seed)
    assert len(val & {12, 77}) == 1
    assert 50 not in val, "the only recording of a class stays in train"


def test_one_recording_cannot_be_split_by_recording():
    with pytest.raises(UserError, match="random"):
        draw_groups({1: "a", 2: "a"}, {}, 1, 0)


def test_given_images_are_found_by_name_or_else_by_id():
    names = {1: "가.png", 2: "b.png", 3: "c.png"}
    wanted = [(3, "\u1100\u1161.png"), (2, None), (9, "x.png")]
    assert choose_given(names, wanted) == ({1, 2}, [(9, "x.png")])
