"""Config values that mean something to a shell: refused with one line, or passed on unchanged.

Each script is replaced by one that records its arguments and creates the requested outputs, so that
all commands of a run pass through the shell in seconds.
"""

import json
import re

import pytest

from parkdet.config import validate
from parkdet.errors import UserError
from parkdet.plan import Plan
from project import Project, copy_project
from skeletons import skeleton, stub_scripts

SIGNS = """주차 $(touch ran) `touch ran` ; touch ran & 'a" | touch ran #\\ * ~ > ran $9 !!"""


@pytest.fixture
def project(tmp_path) -> Project:
    """A copy of the project, itself at a hostile path, whose scripts only record their calls."""
    project = copy_project(tmp_path / f"project {SIGNS}")
    stub_scripts(project.folder)
    return project


def _settings(project: Project) -> dict:
    root = skeleton(project.folder.parent / f"photos {SIGNS}")
    for name in ("start.pt", "given.pt", "val.json"):
        (root / name).write_text("")
    return {
        "run": "주차장-1.a",
        "data": {
            "root": str(root),
            "split": "given",
            "val_json": str(root / "val.json"),
            "names": ["-rf", SIGNS, "a\nb"],
            "group_pattern": f"-({re.escape(SIGNS)})?\n{{1}}",
        },
        "training": {"pretrained": str(root / "start.pt")},
        "evaluate": {"test_truth": str(root / "test_ground_truth.json")},
    }


def _calls(project: Project, settings: dict) -> dict[str, list[list[str]]]:
    """The arguments of each script's calls in a complete run."""
    config = project.write_config(f"my {SIGNS}.yaml", settings)
    result = project.snakemake("--configfile", config)
    assert result.returncode == 0, result.stdout + result.stderr
    calls = {}
    for line in (project.folder / "calls.jsonl").read_text().splitlines():
        script, words = json.loads(line)
        calls.setdefault(script, []).append(words)
    (project.folder / "calls.jsonl").unlink()
    return calls


def _value(words: list[str], option: str) -> str:
    joined = [word for word in words if word.startswith(f"{option}=")]
    return joined[0].split("=", 1)[1] if joined else words[words.index(option) + 1]


def test_every_value_arrives_unchanged_and_none_is_executed(project):
    settings = _settings(project)
    data, root = settings["data"], settings["data"]["root"]
    calls = _calls(project, settings)
    (prepare,) = calls["prepare_dataset"]
    assert _value(prepare, "--data-root") == root
    assert _value(prepare, "--val-json") == data["val_json"]
    assert _value(prepare, "--names") == ",".join(data["names"])
    assert _value(prepare, "--group-pattern") == data["group_pattern"]
    assert _value(calls["pretrained"][0], "--source") == settings["training"]["pretrained"]
    assert f"{root}/test/images" in {_value(words, "--image-dir") for words in calls["infer"]}
    truths = {_value(words, "--truth") for words in calls["evaluate"]}
    assert settings["evaluate"]["test_truth"] in truths
    assert _value(calls["validate_submission"][0], "--train") == f"{root}/train/label/Train.json"
    assert [_value(words, "--stage") for words in calls["train"]] == ["baseline", "tune"]

    settings["run"], settings["infer"] = "given", {"weights": [f"{root}/given.pt"]}
    for words in _calls(project, settings)["infer"]:
        assert _value(words, "--weights") == f"{root}/given.pt"
    assert not list(project.folder.parent.rglob("ran"))


HOSTILE = ("$(touch ran)", "a; touch ran", "a b", "a\nb", "a\n", "-a", "'", "../a", "`a`", "a\0")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("section", "key"),
    [
        (None, "run"),
        ("training", "arch"),
        ("training", "device"),
        ("training", "pretrained_sha256"),
        ("infer", "device"),
        ("data", "split"),
        ("training", "precision"),
    ],
)
def test_a_setting_that_is_a_word_accepts_no_special_characters(section, key, value):
    settings = {"run": "a", "data": {"root": "photos"}}
    target = settings.setdefault(section, {}) if section else settings
    target[key] = value
    with pytest.raises(UserError) as raised:
        validate(settings)
    lines = str(raised.value).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"  {section}.{key}: " if section else f"  {key}: ")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("-photos", "starts with a dash"),
        ("pho\ntos", "contains a line break"),
        ("pho\0tos", "contains a line break"),
        ("pho\x1b[2Jtos", "unprintable character"),
        ("{photos}", "contains a brace"),
    ],
)
def test_a_path_that_cannot_be_passed_on_is_refused_with_one_line(path, reason):
    for sections, setting in (
        ({"data": {"root": path}}, "data.root"),
        ({"data": {"root": "a"}, "training": {"pretrained": path}}, "training.pretrained"),
        ({"data": {"root": "a"}, "infer": {"weights": [path]}}, "infer.weights"),
        ({"data": {"root": "a", "split": "given", "val_json": path}}, "data.val_json"),
    ):
        with pytest.raises(UserError, match=f"^{setting}: .*{reason}") as raised:
            Plan(validate({"run": "a", **sections})).check()
        assert str(raised.value).isprintable()


@pytest.mark.parametrize("key", ["names", "group_pattern"])
def test_a_nul_character_in_a_text_is_refused(key):
    value = ["a\0"] if key == "names" else "(a)\0"
    with pytest.raises(UserError, match=f"data.{key}"):
        validate({"run": "a", "data": {"root": "photos", key: value}})
