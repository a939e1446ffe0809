"""Dirty and hostile data: refused with a clear message, or repaired and listed."""

import json
import os
import struct
import unicodedata
from itertools import product
from pathlib import Path
from zlib import crc32

import cv2
import pytest
from PIL import Image

from parkdet.data.annotations import read_raw
from parkdet.data.links import link_names
from parkdet.errors import UserError

PNG_HEADER = b"\x89PNG\r\n\x1a\n"
NFC, NFD = (unicodedata.normalize(form, "주차_1.png") for form in ("NFC", "NFD"))


def bomb(path):
    """A PNG of a few bytes that claims to have 30000 x 30000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunks = ((13, header), (0, b"IDAT"))
    parts = (struct.pack(">I", n) + data + struct.pack(">I", crc32(data)) for n, data in chunks)
    path.write_bytes(PNG_HEADER + b"".join(parts))


FILES = {
    "missing": (lambda path: None, "missing"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "text": (lambda path: path.write_bytes(b"not an image"), "cannot be read"),
    "header alone": (lambda path: path.write_bytes(PNG_HEADER), "cannot be read"),
    "folder": (lambda path: path.mkdir(), "not a regular file"),
    "pipe": (os.mkfifo, "not a regular file"),
    "link to itself": (lambda path: path.symlink_to(path), "cannot be read"),
    "dangling link": (lambda path: path.symlink_to("/nowhere"), "missing"),
    "too many pixels": (bomb, "pixels"),
}


@pytest.mark.parametrize(("make", "problem"), FILES.values(), ids=FILES)
def test_unusable_image_file_is_left_out_with_its_boxes(source, run_prepare, make, problem):
    number = source.add("bad_1.png", [(3, 1, 1, 5, 5)] * 2)
    (source.root / "train/images/bad_1.png").unlink()
    make(source.root / "train/images/bad_1.png")
    done = run_prepare()
    assert number not in done.images() and len(done.boxes()) == 12
    (issue,) = done.issues()
    assert issue.startswith(f"bad_1.png,{number},,") and problem in issue
    assert issue.endswith("left out with its 2 boxes")


@pytest.mark.parametrize(("make", "problem"), FILES.values(), ids=FILES)
def test_unusable_image_file_is_an_error_on_request(source, run_prepare, make, problem):
    source.add("bad_1.png")
    (source.root / "train/images/bad_1.png").unlink()
    make(source.root / "train/images/bad_1.png")
    with pytest.raises(UserError, match=rf"bad_1\.png.*{problem}"):
        run_prepare(on_bad="fail")


NAMES = {
    "above the folder": "../secret.png",
    "above and back": "a/../../secret.png",
    "absolute": "/etc/secret.png",
    "null character": "a\0.png",
    "newline": "a\nb.png",
    "unicode line separator": "a\u2028b.png",
    "lone surrogate": "a\ud800.png",
    "empty": "",
    "no text": 7,
    "null": None,
    "list": ["a.png"],
    "dot": "./a.png",
    "double slash": "a//b.png",
    "no suffix": "image",
    "suffix alone": ".png",
    "other suffix": "script.sh",
    "too long": f"{'a' * 300}.png",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_unusable_name_is_left_out_and_listed_on_one_line(source, run_prepare, name):
    source.draw("secret.png", part=".")  # where ../ would lead
    source.images.append({"id": 77, "file_name": name})
    done = run_prepare()
    assert 77 not in done.images()
    assert len(done.issues()) == 1 and ",77,," in done.issues()[0]


FINE_NAMES = [
    "two.dots_1.tar.png",
    "UPPER_1.PNG",
    "-rf_1.png",
    "$(touch x)_1.png",
    "a b;c'd\"e,f_1.png",
    "sub/folder_1.png",
    "가" * 83 + "_1.png",  # 255 bytes
    "images/labels/x_1.png",
    "a\\b_1.png",
]


@pytest.mark.parametrize("name", FINE_NAMES)
def test_odd_but_sound_name_is_used(source, run_prepare, name):
    number = source.add(name, [(3, 4, 5, 10, 8)])
    done = run_prepare(split="random", val_images=1)
    image = done.images()[number]
    part = "val" if image in done.json("val")["images"] else "train"
    path = done.out / f"./images/{part}/{image['file_name']}"
    assert f"./images/{part}/{image['file_name']}" in done.lines(part)
    label = done.out / f"labels/{part}/{image['file_name'].rpartition('.')[0]}.txt"
    assert path.read_bytes() == (source.root / "train/images" / name).read_bytes()
    assert label.read_text().startswith("0 0.225000")


@pytest.mark.parametrize(("listed", "on_disk"), [(NFC, NFD), (NFD, NFC)])
def test_name_in_another_unicode_form_is_found(source, run_prepare, listed, on_disk):
    number = source.add(on_disk)
    source.images[-1]["file_name"] = listed
    done = run_prepare()
    assert done.images()[number]["file_name"] == listed
    assert "another Unicode form,used" in done.issues()[0]


def test_images_that_would_share_a_label_file_get_names_of_their_own(source, run_prepare):
    names = ["x_1.png", "x_1.jpg", "X_1.png", "x_1-2.png", NFC, NFD]
    numbers = [source.add(name, [(3, k, 0, 5, 5)]) for k, name in enumerate(names)]
    done = run_prepare(split="random")
    images = done.images()
    stems = {images[number]["file_name"].rpartition(".")[0].lower() for number in numbers}
    assert len(stems) == len(names)
    assert images[numbers[0]]["file_name"] == "x_1.png"
    assert sum("named" in issue for issue in done.issues()) == 3
    for k, number in enumerate(numbers):
        stem = images[number]["file_name"].rpartition(".")[0]
        (label,) = done.out.glob(f"labels/*/{stem}.txt")
        assert label.read_text().split()[1] == f"{(k + 2.5) / 40:.6f}"


def test_many_clashing_names_are_told_apart_quickly():
    forms = ["".join(letters) for letters in product("aA", repeat=14)]
    links = link_names(f"{form}.png" for form in forms)
    assert len({link.casefold() for link in links.values()}) == len(forms) == 2**14


def test_image_listed_twice_counts_once(source, run_prepare):
    source.images.append(dict(source.images[0]))
    done = run_prepare(val_images=4)
    assert len(done.images()) == 12 and len(done.boxes()) == 12
    assert "image is listed twice" in done.issues()[0]


def test_id_of_two_images_is_left_out_as_its_boxes_are_ambiguous(source, run_prepare):
    source.add("other_1.png", number=1)
    done = run_prepare()
    assert 1 not in done.images() and len(done.issues()) == 2
    assert all("same id" in issue for issue in done.issues())


def test_second_id_of_a_file_is_left_out(source, run_prepare):
    source.images.append({**source.images[0], "id": 50})
    source.box(50, [1, 1, 3, 3])
    done = run_prepare()
    assert 50 not in done.images()
    assert done.issues()[0].endswith("two ids have the same file_name,left out with its 1 boxes")


@pytest.mark.parametrize("number", ["12", None, True, 1.5, 2**63, [1], float("nan")])
def test_image_id_must_be_a_whole_number(source, run_prepare, number):
    source.add("odd_1.png")
    source.images[-1]["id"] = number
    done = run_prepare()
    assert len(done.images()) == 12 and "whole number" in done.issues()[0]


@pytest.mark.parametrize("size", [(20, 40), (7, 7), ("40", 20), (None, 20), (float("nan"), -1)])
def test_declared_size_gives_way_to_that_of_the_file(source, run_prepare, size):
    source.images[0].update(width=size[0], height=size[1])
    done = run_prepare()
    image = done.images()[1]
    assert (image["width"], image["height"]) == (40, 20)
    assert "used the file's 40x20" in done.issues()[0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_size_is_that_after_exif_rotation_as_opencv_reads_it(source, run_prepare, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    number = source.add(f"turned_1.{suffix}", exif=exif)
    done = run_prepare(split="random")
    image = done.images()[number]
    shape = cv2.imread(str(source.root / "train/images" / f"turned_1.{suffix}")).shape
    assert (image["height"], image["width"]) == shape[:2] == (40, 20)
    assert "EXIF" in done.issues()[0]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("P", "png"), ("RGBA", "png"), ("I;16", "png"), ("CMYK", "jpg"), ("1", "bmp")],
)
def test_every_pixel_format_is_measured(source, run_prepare, mode, suffix):
    number = source.add(f"odd_1.{suffix}")
    Image.new(mode, (40, 20)).save(source.root / "train/images" / f"odd_1.{suffix}")
    assert number in run_prepare(verify="full").images()


def test_damage_behind_the_header_is_found_by_full_verification(source, run_prepare, tmp_path):
    number = source.add("cut_1.png", [(3, 0, 0, 5, 5)], size=(400, 300))
    path = source.root / "train/images/cut_1.png"
    Image.effect_noise((400, 300), 90).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    cache = tmp_path / "cache.json"
    assert number in run_prepare(hash_cache=cache).images()
    assert number not in run_prepare(hash_cache=cache, verify="full").images()


def test_unreadable_test_image_keeps_its_id_and_is_marked(source, run_prepare):
    source.add_test("good_1.png", 901)
    source.add_test("bad_1.png", 902, width=40, height=20).write_bytes(b"")
    source.test_images.append({"id": 903, "file_name": "../good_1.png", "width": "x"})
    done = run_prepare()
    good, bad, unsound = done.json("test")["images"]
    assert "unreadable" not in good
    assert bad["unreadable"] and (bad["width"], bad["height"]) == (40, 20)
    assert unsound["unreadable"] and unsound["id"] == 903
    assert done.lines("test") == ["./images/test/good_1.png"]
    assert len(done.issues()) == 2 and done.summary["unreadable_test_images"] == 2


def test_test_image_ids_stay_unique(source, run_prepare):
    for number in (901, 901, "902", 903):
        source.add_test("t_1.png", number)
    done = run_prepare()
    assert [image["id"] for image in done.json("test")["images"]] == [901, 903]
    assert len(done.issues()) == 2


JSON_TEXTS = {
    "truncated": '{"images": [{"id": 1',
    "not JSON": "<html>",
    "empty": "",
    "a list": "[]",
    "no images": '{"annotations": []}',
    "images no list": '{"images": {"a": 1}}',
    "image no object": '{"images": [5]}',
    "deep nesting": '{"images": ' + "[" * 100_000,
    "deep nesting aside": '{"images": [], "x": ' + "[" * 100_000,
    "no usable image": '{"images": [{"id": 1, "file_name": "no.png"}], "categories": []}',
    "invalid UTF-8": b'{"images": [{"id": 1, "file_name": "\xff.png"}]}',
}


@pytest.mark.parametrize("text", JSON_TEXTS.values(), ids=JSON_TEXTS)
def test_unusable_train_json_is_refused_by_name(source, tmp_path, text):
    from parkdet.data.prepare import PrepareSettings, prepare

    source.save()
    path = source.root / "train/label/Train.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=r"Train\.json"):
        prepare(PrepareSettings(source.root, tmp_path / "out", val_images=2, names=["a"]))
    assert not (tmp_path / "out").exists()


def test_byte_order_mark_and_nan_are_read(tmp_path):
    path = tmp_path / "a.json"
    images = [{"id": 1, "file_name": "a.png", "width": float("nan")}]
    path.write_text("\ufeff" + json.dumps({"images": images, "info": {"x": float("inf")}}))
    assert read_raw(path).images[0].file_name == "a.png"


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 99, "files": {}}', b"\xff\xfe"])
def test_damaged_hash_cache_is_ignored(source, run_prepare, tmp_path, content):
    cache = tmp_path / "cache.json"
    cache.write_bytes(content)
    assert run_prepare(hash_cache=cache).images() == run_prepare().images()
    assert len(json.loads(cache.read_text())["files"]) == 12


def test_nothing_is_written_outside_the_output_folder(source, run_prepare, tmp_path):
    for name in ("../../escape.png", "/tmp/escape.png", "..", "a/../../x.png"):
        source.images.append({"id": len(source.images) + 1, "file_name": name})
    run_prepare(link="copy")
    assert {path.name for path in tmp_path.iterdir()} == {"root", "out"}
    assert not Path("/tmp/escape.png").exists()
