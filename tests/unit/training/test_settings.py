import dataclasses
from pathlib import Path

import pytest

from parkdet.errors import UserError
from parkdet.hyperparameters import Hyperparameters
from parkdet.training.settings import Settings, parse_hyperparameters

PLACES = {name: Path(name) for name in ("dataset", "state_dir", "last", "best", "metrics")}
SETTINGS = Settings(**PLACES, weights=None, arch="yolov5n", hyp=Hyperparameters(), epochs=3)


def test_hyperparameters_come_from_json_or_a_file(tmp_path):
    file = tmp_path / "hyp.yaml"
    file.write_text("lr0: 0.5  # a comment\n")
    inline = parse_hyperparameters('{"lr0": 0.5}')
    assert inline == parse_hyperparameters(str(file)) == Hyperparameters(lr0=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lr": 1}', "unknown key `lr`.*lr0"),
        ('{"lr0": "much"}', "`lr0`.*much"),
        ('{"lr0": -1, "mosaic": 2}', "`lr0`.*`mosaic`"),
        ('{"lr0": ', "neither a file nor a JSON object"),
        ("nowhere.yaml", "Cannot read nowhere.yaml"),
    ],
)
def test_wrong_hyperparameters_are_named(text, message):
    with pytest.raises(UserError, match=message):
        parse_hyperparameters(text)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"epochs": 4},
        {"stage": "tune"},
        {"clip_grad_norm": None},
        {"hyp": Hyperparameters(lr0=0.02)},
        {"val_period": 0},
    ],
)
def test_what_decides_the_result_is_decisive(change):
    assert dataclasses.replace(SETTINGS, **change).decisive() != SETTINGS.decisive()


@pytest.mark.parametrize(
    "change",
    [
        {"workers": 7},
        {"threads": 3},
        {"device": "cpu"},
        {"last": Path("elsewhere")},
        {"dataset": Path("moved")},
        {"cache_gb": 1.0},
        {"retrain": True},
        {"checkpoint_minutes": 1.0},
        {"deterministic": False},
        {"tensorboard": Path("board")},
        {"tracking": ("mlflow",), "tracking_dir": Path("files"), "run_name": "lot"},
    ],
)
def test_where_and_how_fast_is_not(change):
    assert dataclasses.replace(SETTINGS, **change).decisive() == SETTINGS.decisive()
