import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkdet.data import duplicates
from parkdet.data.duplicates import DISTANCE, difference_hash, find_near_duplicates, nearest


def scene(seed, width=320, height=180):
    """Coarse random shapes, which is what the hash's cells see of a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write(path, image, *options):
    path.write_bytes(cv2.imencode(path.suffix, image, list(options))[1].tobytes())
    return str(path)


def bits_between(*paths):
    one, other = map(difference_hash, paths)
    return (one ^ other).bit_count()


def test_hash_has_64_bits_from_the_top_left_cell_on(tmp_path):
    image = np.zeros((8, 9), np.uint8)
    image[0, 1:] = 200  # brighter than its left neighbour in one place
    assert difference_hash(write(tmp_path / "a.png", image)) == 1 << 63


def test_hash_survives_scaling_compression_and_brightness(tmp_path):
    image = scene(0)
    original = write(tmp_path / "원본.png", image)
    small = cv2.resize(image, (160, 90), interpolation=cv2.INTER_AREA)
    brighter = cv2.convertScaleAbs(image, alpha=0.8, beta=30)
    for changed in (
        write(tmp_path / "a.jpg", image, cv2.IMWRITE_JPEG_QUALITY, 60),
        write(tmp_path / "b.png", small),
        write(tmp_path / "c.png", brighter),
    ):
        assert bits_between(original, changed) <= DISTANCE


def test_hashes_of_other_scenes_differ(tmp_path):
    paths = [write(tmp_path / f"{seed}.png", scene(seed)) for seed in range(6)]
    distances = [bits_between(a, b) for a in paths for b in paths if a < b]
    assert min(distances) > DISTANCE


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n damaged"])
def test_an_image_that_cannot_be_decoded_has_no_hash(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert difference_hash(str(path)) is None


hashes = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 31), max_size=12)


@settings(max_examples=40, deadline=None)
@given(hashes, hashes, st.integers(0, 8), st.integers(1, 40))
def test_nearest_agrees_with_comparing_one_by_one(val, train, distance, at_a_time):
    expected = []
    for position, value in enumerate(val):
        bits = [(value ^ other).bit_count() for other in train]
        if bits and min(bits) <= distance:
            expected.append((position, bits.index(min(bits)), min(bits)))
    arrays = np.array(val, np.uint64), np.array(train, np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "HASHES_AT_A_TIME", at_a_time)
        assert nearest(*arrays, distance) == expected


def test_val_images_that_nearly_equal_a_train_image_are_counted_and_named(tmp_path):
    paths = {seed: write(tmp_path / f"{seed}.png", scene(seed)) for seed in range(6)}
    paths[10] = write(tmp_path / "10.jpg", scene(1))  # nearly equals 1, which is in train
    paths[11] = write(tmp_path / "11.jpg", scene(5))  # nearly equals 5, which is in val, too
    (tmp_path / "12.png").write_bytes(b"damaged")
    paths[12] = str(tmp_path / "12.png")
    names = {number: f"사진{number}" for number in paths}

    found = find_near_duplicates(paths, names, {5, 10, 11})

    assert (found["val_images"], found["not_decoded"]) == (1, 1)
    assert [(pair["val"], pair["train"]) for pair in found["examples"]] == [("사진10", "사진1")]


def test_the_summary_counts_them_when_asked_and_warns(run_prepare):
    summary = run_prepare(near_duplicates=True).summary
    assert summary["near_duplicates"]["val_images"] == 2  # plain colours all have the same hash
    assert any("2 val images nearly equal a train" in warning for warning in summary["warnings"])
    assert run_prepare().summary["near_duplicates"] is None
