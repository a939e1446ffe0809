"""How things are repaired, where the table of cases (hostile/) only says that they are."""

import json
import unicodedata
from itertools import product

import pytest

from hostile.images import animated, damaged
from parkdet.data.links import link_names

NFC, NFD = (unicodedata.normalize(form, "주차_1.png") for form in ("NFC", "NFD"))


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


def test_damage_among_the_pixels_is_found_by_full_verification(source, run_prepare, tmp_path):
    number = source.add("damaged_1.png", size=(400, 300))
    damaged(source.root / "train/images/damaged_1.png")
    cache = tmp_path / "cache.json"
    assert number in run_prepare(hash_cache=cache).images()
    assert number not in run_prepare(hash_cache=cache, verify="full").images()


def test_frames_are_listed_again_when_the_hash_cache_saves_reading(source, run_prepare, tmp_path):
    animated("png")(source)
    runs = [run_prepare(hash_cache=tmp_path / "cache.json").issues() for _ in range(2)]
    assert runs[0] == runs[1] == ["odd_1.png,13,,image has several frames,used the first"]


def test_names_made_too_long_are_shortened_and_stay_apart():
    long = "가" * 83
    names = [f"{long}_1.png", f"{long}_1.jpg", f"{long}_1.bmp", f"images/{long}_1.webp"]
    links = link_names(names)
    assert links[names[0]] == names[0] and len(set(links.values())) == 4
    assert all(len(link.encode()) <= 255 for link in links.values())
    assert [link[-4:] for link in links.values()] == [".png", ".jpg", ".bmp", "webp"]


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


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 99, "files": {}}', b"\xff\xfe"])
def test_damaged_hash_cache_is_ignored(source, run_prepare, tmp_path, content):
    cache = tmp_path / "cache.json"
    cache.write_bytes(content)
    assert run_prepare(hash_cache=cache).images() == run_prepare().images()
    assert len(json.loads(cache.read_text())["files"]) == 12
