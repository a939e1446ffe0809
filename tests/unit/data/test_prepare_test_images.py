"""Unreadable test images are found when the set is prepared, if that is asked for."""

import pytest
from PIL import Image

from parkdet.errors import UserError


def damage_pixels(path):
    """Damages neither the header nor the end."""
    Image.effect_noise((400, 300), 90).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:5000] + bytes(2000) + content[7000:])


def test_unreadable_test_images_are_an_error_that_lists_them(source, run_prepare):
    source.add_test("good_1.png", 901)
    source.add_test("empty_1.png", 902).write_bytes(b"")
    damage_pixels(source.add_test("damaged_1.png", 903))
    assert run_prepare().summary["unreadable_test_images"] == 1
    with pytest.raises(UserError, match=r"2 images of .*infer\.on_bad") as raised:
        run_prepare(on_bad_test="fail")
    listed = "empty_1.png (image file is empty); damaged_1.png (image file cannot be read)."
    assert listed in str(raised.value)


def test_many_unreadable_test_images_are_counted(source, run_prepare):
    for number in range(30):
        source.test_images = [*(source.test_images or []), {"id": number, "file_name": "no.png"}]
    with pytest.raises(UserError, match=r"30 images of .*and 10 more"):
        run_prepare(on_bad_test="fail")


def test_training_images_are_not_decoded_to_find_them(source, run_prepare):
    number = source.add("damaged_1.png", size=(400, 300))
    damage_pixels(source.root / "train/images/damaged_1.png")
    source.add_test("good_1.png", 901)
    assert number in run_prepare(on_bad_test="fail").images()
