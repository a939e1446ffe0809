"""Data sets whose files and folders are named differently from the challenge's."""

import shutil

import pytest

from parkdet.config import validate
from parkdet.data.prepare import PrepareSettings, prepare
from parkdet.data.sources import CHALLENGE, Layout
from parkdet.errors import UserError
from parkdet.options import prepare_options
from parkdet.plan import Plan

ELSEWHERE = Layout("annotations/instances.json", "photos", "test.json", "more photos")


@pytest.fixture
def moved(source):
    """The source with every file and folder under another name."""
    source.add_test("test_1.png", 1)
    source.save()
    (source.root / "annotations").mkdir()
    for old, new in zip(CHALLENGE, ELSEWHERE, strict=True):
        shutil.move(source.root / old, source.root / new)
    return source.root


def test_other_names_give_the_same_set(moved, tmp_path):
    settings = PrepareSettings(moved, tmp_path / "moved", val_images=2, layout=ELSEWHERE)
    prepare(settings)
    for old, new in zip(CHALLENGE, ELSEWHERE, strict=True):
        shutil.move(moved / new, moved / old)
    prepare(settings._replace(out=tmp_path / "usual", layout=CHALLENGE))
    for name in ("train.json", "val.json", "test.json", "train.txt", "summary.json"):
        assert (tmp_path / "moved" / name).read_bytes() == (tmp_path / "usual" / name).read_bytes()


def test_a_prepared_set_may_lie_next_to_annotations_at_the_root(moved):
    (moved / "annotations/instances.json").rename(moved / "all.json")
    layout = ELSEWHERE._replace(train_json="all.json")
    prepare(PrepareSettings(moved, moved / "prepared", val_images=2, layout=layout))
    assert (moved / "prepared/dataset.yaml").is_file()


def test_a_missing_file_is_named_with_the_options(moved, tmp_path):
    settings = PrepareSettings(moved, tmp_path / "out")
    with pytest.raises(UserError, match=r"no train/label/Train\.json.*--train-json"):
        prepare(settings)


def test_the_config_gives_the_names(moved):
    data = {"root": str(moved), **ELSEWHERE._asdict()}
    plan = Plan(validate({"run": "x", "data": data}))
    plan.check()
    assert plan.train_json == f"{moved}/annotations/instances.json"
    assert (plan.test_json, plan.test_images) == (
        [f"{moved}/test.json"],
        [f"{moved}/more photos"],
    )
    options = prepare_options(plan)
    assert options[options.index("--test-images") + 1] == "more photos"


def test_a_brace_in_a_name_is_refused(moved):
    data = {"root": str(moved), **ELSEWHERE._asdict(), "test_json": "{a}.json"}
    with pytest.raises(UserError, match=r"data\.test_json"):
        Plan(validate({"run": "x", "data": data})).check()
