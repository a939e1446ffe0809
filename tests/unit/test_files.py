"""Files are written whole or not at all; what cannot be read is said in one clear paragraph."""

import os

import msgspec
import pytest

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_json, read_yaml, remove, sha256_file, write_json


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError), atomic_write(path, "w") as file:
        file.write("half")
        raise ValueError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path, "w") as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_permissions_follow_the_umask(tmp_path):
    path = tmp_path / "a.txt"
    old = os.umask(0o027)
    try:
        with atomic_write(path, "w") as file:
            file.write("x")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UserError, match=r"Cannot write .*a/b\.json"):
        write_json(tmp_path / "a/b.json", {})


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"[1, 2]", b"[" * 100_000])
def test_json_that_cannot_be_read_names_the_file(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json"):
        read_json(path)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_typed_json_names_the_place_of_a_wrong_type(tmp_path):
    class Point(msgspec.Struct):
        x: int

    path = tmp_path / "a.json"
    path.write_text('[{"x": 1}, {"x": "two"}]')
    with pytest.raises(UserError, match=r"\$\[1\]\.x"):
        read_json(path, list[Point])


def test_written_json_keeps_korean_and_the_order_of_keys(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": "맑음", "a": 1})
    assert path.read_text(encoding="utf-8") == '{"b":"맑음","a":1}'


def test_hash_of_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        sha256_file(tmp_path / "none")


@pytest.mark.parametrize("change", [remove, lambda path: write_json(path, {})])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_not_replaced(tmp_path, make, change):
    path = tmp_path / "a.json"  # as root, /dev/null would be
    make(path)
    before = path.stat()
    with pytest.raises(UserError, match=r"a\.json is not a regular file"):
        change(path)
    assert path.stat() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_name_that_is_not_utf8_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"udcff\.png' is not UTF-8"):
        write_json(tmp_path / "a.json", [os.fsdecode(b"\xff.png")])


@pytest.mark.parametrize(
    "content", ["a: 2020-99-99", f"a: {'9' * 5000}", f"a: {'[' * 2000}", "a: \t[", "- a"]
)
def test_yaml_that_cannot_be_read_names_the_file(tmp_path, content):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(UserError, match=r"a\.yaml"):
        read_yaml(tmp_path / "a.yaml")
