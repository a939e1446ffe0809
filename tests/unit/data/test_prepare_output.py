import os

import pytest
from PIL import Image

from parkdet.data.output_folder import MANIFEST, replaced_folder
from parkdet.errors import UserError


def tree(folder):
    """Every path below a folder with its content; links with their target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path] = str(path.readlink())
        elif path.is_file():
            found[path] = path.read_bytes()
    return found


def test_second_run_replaces_the_first_and_nothing_remains(source, run_prepare):
    first = run_prepare(val_images=4)
    old = set(first.content())
    gone = source.images.pop(0)["file_name"]
    second = run_prepare(val_images=4)
    assert not any(gone[:-4] in path for path in second.content())
    assert any(gone[:-4] in path for path in old)
    assert second.content() == run_prepare(out=source.root.parent / "fresh", val_images=4).content()


@pytest.mark.parametrize("link", ["symlink", "copy", "hard"])
def test_source_is_never_changed(source, run_prepare, link):
    source.save()
    before = tree(source.root)
    run_prepare(link=link)
    run_prepare(link="symlink")
    assert tree(source.root) == before


@pytest.mark.parametrize("name", ["notes.txt", "images/train/mine.png", "labels/train.cache"])
def test_foreign_file_in_the_output_folder_is_refused_and_kept(run_prepare, name):
    out = run_prepare().out
    (out / name).write_text("mine")
    before = tree(out)
    with pytest.raises(UserError, match=name):
        run_prepare()
    assert tree(out) == before


def test_a_yolo_set_of_the_user_s_is_not_overwritten(run_prepare, tmp_path):
    mine = tmp_path / "out/images/train/mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    (tmp_path / "out/train.txt").write_text("./images/train/mine.png\n")
    with pytest.raises(UserError, match="did not write"):
        run_prepare()
    assert mine.read_bytes() == b"mine"


def test_link_to_the_source_in_the_output_folder_is_not_followed(source, run_prepare):
    out = run_prepare().out
    for path in (out / "images").rglob("*.png"):
        path.unlink()
    (out / "images/train").rmdir()
    (out / "images/train").symlink_to(source.root / "train/images")
    with pytest.raises(UserError, match="images/train"):
        run_prepare()
    assert len(list((source.root / "train/images").iterdir())) == 12


def test_what_snakemake_leaves_in_the_output_folder_is_no_obstacle(run_prepare):
    out = run_prepare().out
    for name in ("train.json", "summary.json"):
        (out / name).unlink()
    for name in ("images", "labels"):
        (out / name / ".snakemake_timestamp").touch()
    again = run_prepare()
    assert (again.out / "summary.json").is_file()
    assert not (again.out / "images/.snakemake_timestamp").exists()


def test_empty_folders_are_no_obstacle(run_prepare, tmp_path):
    (tmp_path / "out/images/train").mkdir(parents=True)
    assert run_prepare().lines("train")


def test_failure_leaves_an_earlier_set_as_it_was(source, run_prepare):
    out = run_prepare().out
    before = tree(out)
    source.box(1, [1, 1, 0, 0])
    with pytest.raises(UserError, match="without width"):
        run_prepare(on_bad="fail")
    assert tree(out) == before


def test_failure_leaves_no_folder_where_there_was_none(source, run_prepare, tmp_path):
    source.box(1, [1, 1, 0, 0])
    with pytest.raises(UserError):
        run_prepare(on_bad="fail")
    assert not (tmp_path / "out").exists()


def test_output_folder_may_be_a_link(run_prepare, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    run_prepare()
    assert (tmp_path / "disk/train.json").is_file() and (tmp_path / "out").is_symlink()


def test_manifest_names_every_file(tmp_path):
    with replaced_folder(tmp_path / "out") as staging:
        (staging / "a").mkdir()
        (staging / "a/가.txt").write_text("1")
        (staging / "link").symlink_to("/nowhere")
    assert (tmp_path / "out" / MANIFEST).read_text().split() == ["a/가.txt", "link"]
    with replaced_folder(tmp_path / "out"):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MANIFEST]


def test_hash_cache_saves_reading_unchanged_images(source, run_prepare, tmp_path, monkeypatch):
    cache = tmp_path / "state/cache.json"
    first = run_prepare(hash_cache=cache).images()
    changed = source.draw(source.images[0]["file_name"], color=(255, 255, 255))
    os.utime(changed, ns=(1, 1))
    opened = []
    original = Image.open
    monkeypatch.setattr(
        "PIL.Image.open", lambda file, **kw: (opened.append(file.name), original(file, **kw))[1]
    )
    second = run_prepare(hash_cache=cache).images()
    assert opened == [str(changed)]
    assert second[1]["sha256"] != first[1]["sha256"]
    assert {k: v for k, v in second.items() if k != 1} == {k: v for k, v in first.items() if k != 1}
