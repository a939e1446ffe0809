import logging

import pytest

from parkdet.errors import UserError
from parkdet.inference.parts import ImageRecords, PartStore
from parkdet.submission.records import detection

HERE = {"host": "a", "threads": 2}


def images(places):
    """Records that encode the position of their image; every third image has none."""
    return [
        ImageRecords([detection(place, 1, (0, 0, 9.5, 9), 0.1234)] * (place % 3), place % 2)
        for place in places
    ]


@pytest.fixture
def store(tmp_path):
    return PartStore(tmp_path / "state", "code", HERE)


@pytest.fixture
def messages(caplog):
    logging.getLogger("parkdet").propagate = True
    caplog.set_level(logging.INFO, "parkdet")
    return caplog


def files(store):
    return sorted(path.name for path in store.folder.glob("*"))


def test_an_empty_store_has_no_places(store):
    assert store.places(range(10)) == set()


def test_what_is_saved_is_read_in_order(store):
    store.save(4, images(range(4, 9)))
    store.save(0, images(range(4)))
    assert store.places(range(9)) == set(range(9))
    assert list(store.read(range(9))) == images(range(9))


def test_a_shard_sees_its_own_places_only(store):
    store.save(0, images(range(6)))
    store.save(6, images(range(6, 12)))
    assert store.places(range(4, 8)) == {4, 5, 6, 7}
    assert list(store.read(range(4, 8))) == images(range(4, 8))


def test_parts_that_overlap_give_each_image_once(store):
    for first, stop in ((0, 5), (2, 4), (3, 9)):
        store.save(first, images(range(first, stop)))
    assert list(store.read(range(9))) == images(range(9))


@pytest.mark.parametrize("gap", [0, 3, 5])
def test_an_image_without_records_is_an_error_unless_known(store, gap):
    for place in set(range(6)) - {gap}:
        store.save(place, images([place]))
    with pytest.raises(UserError, match=f"image {gap + 1} of the list"):
        list(store.read(range(6)))
    expected = images(place for place in range(6) if place != gap)
    assert list(store.read(range(6), without={gap})) == expected


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-9], lambda c: c[:-9] + b"x" + c[-8:], lambda c: b""]
)
def test_a_damaged_part_is_reported_and_its_images_are_missing(store, messages, damage):
    store.save(0, images(range(3)))
    store.save(3, images(range(3, 6)))
    path = store.folder / files(store)[0]
    path.write_bytes(damage(path.read_bytes()))
    assert store.places(range(6)) == {3, 4, 5}
    assert f"{path} is damaged" in messages.text
    assert len(files(store)) == 1


def test_a_part_damaged_after_it_was_checked_is_an_error(store):
    store.save(0, images(range(3)))
    (store.folder / files(store)[0]).write_bytes(b"")
    with pytest.raises(UserError, match="Run it again"):
        list(store.read(range(3)))


def test_parts_of_other_code_are_not_used(store, messages):
    PartStore(store.folder, "other", HERE).save(0, images(range(3)))
    store.save(3, images(range(3, 6)))
    assert store.places(range(6)) == {3, 4, 5}
    assert "3 images were processed by other code" in messages.text


def test_parts_made_elsewhere_are_used_with_a_warning(store, messages):
    PartStore(store.folder, "code", {"host": "b", "threads": 2}).save(0, images(range(3)))
    assert store.places(range(3)) == {0, 1, 2}
    assert "not bit-identical: host was b, is a" in messages.text


def test_what_was_delivered_stays_until_it_is_forgotten(store):
    for first in (0, 3, 6):
        store.save(first, images(range(first, first + 3)))
    store.forget_delivered(range(9))
    assert store.places(range(9)) == set(range(9))
    store.deliver(range(3, 6))
    assert store.places(range(9)) == set(range(9))
    store.forget_delivered(range(3, 9))
    assert store.places(range(9)) == {0, 1, 2}


def test_what_is_saved_after_a_delivery_is_not_delivered(store):
    store.deliver(range(3))
    store.save(0, images(range(2)))
    store.forget_delivered(range(3))
    assert store.places(range(3)) == {0, 1}


def test_a_delivery_removes_half_written_parts_and_what_other_settings_delivered(tmp_path, store):
    others = {name: PartStore(tmp_path / name, "code", HERE) for name in ("done", "unfinished")}
    for other in (store, *others.values()):
        other.save(0, images(range(3)))
    half_written = [store.folder / f".part-000000{first}-0000009.json.abc" for first in (0, 3)]
    for path in half_written:
        path.touch()
    others["done"].deliver(range(3))
    store.deliver(range(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "unfinished"]
    assert [path.exists() for path in half_written] == [False, True]
    assert store.places(range(3)) == {0, 1, 2}
