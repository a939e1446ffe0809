"""What is known of a run before it runs, and what is refused then."""

from pathlib import Path

import pytest

from parkdet.config import validate
from parkdet.errors import UserError
from parkdet.options import prepare_options, pretrained_options
from parkdet.plan import Plan


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder with training data in `photos`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/train/label").mkdir(parents=True)
    (tmp_path / "photos/train/label/Train.json").write_text("{}")
    return tmp_path


def plan(root: str = "photos", **sections) -> Plan:
    data = {"root": root, **sections.pop("data", {})}
    return Plan(validate({"run": "a", "data": data, **sections}))


def test_data_that_are_there_pass():
    plan().check()


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("PHOTOS", raising=False)
    with pytest.raises(UserError, match="variable in it is not set"):
        plan("$PHOTOS/lot").check()


def test_variables_and_a_last_slash_are_resolved(monkeypatch):
    monkeypatch.setenv("PHOTOS", "photos")
    assert plan("$PHOTOS/").root == "photos"


@pytest.mark.parametrize(
    ("sections", "setting"),
    [
        ({"training": {"pretrained": "none.pth"}}, "training.pretrained"),
        ({"infer": {"weights": ["none.pt"]}}, "infer.weights"),
        ({"data": {"split": "given", "val_json": "none.json"}}, "data.val_json"),
    ],
)
def test_a_missing_file_is_named_with_its_setting(sections, setting):
    with pytest.raises(UserError, match=f"{setting}: no such file: none"):
        plan(**sections).check()


@pytest.mark.parametrize("name", ["yolov5x6", "yolov5n-v7.0"])
def test_a_release_is_no_file_of_the_plan_and_stays_so_once_it_is_there(folder, name):
    released = plan(training={"pretrained": name})
    released.check()
    options = pretrained_options(released)
    assert options[:2] == ["--source", name]
    (folder / "weights").mkdir()
    (folder / f"weights/{name.removesuffix('-v7.0')}.pt").write_bytes(b"")
    assert released.pretrained_file == []
    assert pretrained_options(released) == options


def test_a_release_whose_checksum_is_not_known_needs_one():
    with pytest.raises(UserError, match=r"training: the sha256 of yolov5x6-v6.1 is not known"):
        plan(training={"pretrained": "yolov5x6-v6.1"})
    plan(training={"pretrained": "yolov5x6-v6.1", "pretrained_sha256": "0" * 64}).check()


def test_a_val_set_of_the_users_has_its_variables_expanded(monkeypatch):
    monkeypatch.setenv("PHOTOS", "photos")
    given = plan(data={"split": "given", "val_json": "$PHOTOS/val.json"})
    assert prepare_options(given)[-2:] == ["--val-json", "photos/val.json"]


def test_photographs_where_the_demo_is_drawn_are_refused(folder):
    (folder / "data/demo/train/label").mkdir(parents=True)
    (folder / "data/demo/train/label/Train.json").write_text('{"images": []}')
    with pytest.raises(UserError, match="not the demo's"):
        plan("data/demo").check()


@pytest.mark.parametrize(
    ("sections", "setting"),
    [
        ({"root": "lot {a}"}, "data.root"),
        ({"infer": {"weights": ["{a}.pt"]}}, "infer.weights"),
    ],
)
def test_braces_which_snakemake_cannot_take_are_refused(folder, sections, setting):
    (folder / "lot {a}/train/label").mkdir(parents=True)
    (folder / "lot {a}/train/label/Train.json").write_text("{}")
    with pytest.raises(UserError, match=f"{setting}: .* contains a brace"):
        plan(**sections).check()


def test_a_brace_in_the_projects_own_path_is_refused(monkeypatch):
    monkeypatch.setattr("parkdet.plan.PROJECT", Path("/home/lot{1}/parkdet"))
    with pytest.raises(UserError, match=r"project folder: /home/lot\{1\}/parkdet contains a brace"):
        plan().check()
