import json

import PIL.Image
import pytest

from parkdet.errors import UserError
from parkdet.inference.sources import read_images, shard


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "sub/c.png"):
        PIL.Image.new("RGB", (8, 4)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def _file(path, images, **more):
    path.write_text(json.dumps({"images": images, **more}), encoding="utf-8")
    return path


def test_ids_and_order_are_those_of_the_file(folder, tmp_path):
    file = _file(
        tmp_path / "test.json",
        [{"id": 90, "file_name": "b.png"}, {"id": 7, "file_name": "sub/c.png"}],
        categories=[{"id": 3, "name": "car"}],
    )
    found = read_images(file, folder)
    assert [(source.id, source.path) for source in found.sources] == [
        (90, folder / "b.png"),
        (7, folder / "sub/c.png"),
    ]
    assert [(category.id, category.name) for category in found.categories] == [(3, "car")]


def test_images_are_beside_the_file_unless_told(folder):
    file = _file(folder / "test.json", [{"id": 1, "file_name": "b.png"}])
    assert read_images(file, None).sources[0].path == folder / "b.png"


def test_images_marked_unreadable_are_left_out(folder, tmp_path):
    images = [{"id": 1, "file_name": "x.png", "unreadable": True}, {"id": 2, "file_name": "b.png"}]
    found = read_images(_file(tmp_path / "test.json", images), folder)
    assert [source.id for source in found.sources] == [2]


def test_folder_gives_sorted_images_numbered_from_one(folder):
    found = read_images(folder, None)
    assert [(source.id, source.path.name) for source in found.sources] == [
        (1, "a.JPG"),
        (2, "b.png"),
        (3, "c.png"),
    ]
    assert found.categories == []


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "lists no images"),
        ([{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "more than once: 1"),
        ([{"id": "1", "file_name": "a"}], "Cannot read"),
        ([{"id": 2**63, "file_name": "a"}], "Cannot read"),
        ([{"file_name": "a"}], "Cannot read"),
    ],
)
def test_unusable_files_are_clear_errors(images, message, folder, tmp_path):
    with pytest.raises(UserError, match=message):
        read_images(_file(tmp_path / "test.json", images), folder)


def test_folders_that_are_empty_or_missing(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in"):
        read_images(tmp_path / "empty", None)
    file = _file(tmp_path / "test.json", [{"id": 1, "file_name": "b.png"}])
    with pytest.raises(UserError, match="--image-dir"):
        read_images(file, tmp_path / "missing")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_concatenated_shards_are_the_whole(count):
    shards = [shard(23, number, count) for number in range(1, count + 1)]
    assert [place for one in shards for place in one] == list(range(23))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_checksums_in_the_file_are_passed_on(folder):
    file = _file(folder / "test.json", [{"id": 1, "file_name": "b.png", "sha256": "ab"}])
    assert read_images(file, None).sources[0].sha256 == "ab"
