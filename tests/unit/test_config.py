"""The config: defaults, mistakes, and the pages made from it."""

import json
from pathlib import Path

import pytest
import yaml

from parkdet.config import validate
from parkdet.config_page import page, schema
from parkdet.errors import UserError
from parkdet.files import read_yaml
from parkdet.options import (
    inference_options,
    machine_options,
    tracking_options,
    training_options,
)
from parkdet.plan import Plan

PROJECT = Path(__file__).parents[2]
LEAST = {"run": "a", "data": {"root": "photos"}}


def test_two_keys_are_enough():
    config = validate(LEAST)
    assert (config.baseline.epochs, config.finetune.epochs) == (50, 15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baselin": {}}, "  baselin: unknown key; allowed here: run, data"),
        ({"baseline": {"epoch": 3}}, "  baseline.epoch: unknown key; allowed here: epochs"),
        ({"baseline": {"hyp": {"lr": 1}}}, "  baseline.hyp.lr: unknown key; allowed here: lr0"),
        ({"training": {"imgsz": 100}}, "  training.imgsz: Input should be a multiple of 32"),
        ({"infer": {"iou": 2}}, "  infer.iou: Input should be less than or equal to 1, found 2"),
        ({"training": {"batch_size": "x"}}, "  training.batch_size: must be a whole number"),
        ({"training": {"batch_size": 0}}, "at least 1, or auto, found 0"),
        ({"run": "../a"}, "  run: String should match pattern"),
        ({"baseline": {"hyp": "none.yaml"}}, "  baseline.hyp: Cannot read none.yaml"),
        ({"training": {"tracking": ["neptune"]}}, "should be 'mlflow' or 'wandb', found 'nep"),
        ({"training": {"workers": True}}, "  training.workers: Input should be a valid integer"),
        ({"infer": {"device": "cuda:0,1"}}, "  infer.device: String should match pattern"),
        ({"training": {"device": "cuda:0,"}}, "  training.device: String should match pattern"),
        ({"training": {"processes": 3}}, "  training: batch_size must be a multiple of the 3"),
        ({"training": {"device": "cuda:0,1", "processes": 4}}, "leave --processes out"),
        ({"baseline": {"patience": 3, "val_period": 0}}, "  baseline: patience needs"),
        ({"infer": None}, "  infer: must hold keys: weights, imgsz"),
        ({"data": {"root": "a", "group_pattern": "("}}, "data.group_pattern: not a regular"),
        ({"data": {"root": "a", "group_pattern": "a"}}, "data.group_pattern: has no group"),
        ({"data": {"root": "a", "split": "given"}}, "  data: `split: given` and val_json"),
        ({"data": {"root": "a", "names": ["a,b"]}}, "  data.names.0: String should match"),
    ],
)
def test_a_mistake_is_named_with_its_path_and_what_is_allowed(change, message):
    with pytest.raises(UserError) as caught:
        validate({**LEAST, **change})
    assert message in str(caught.value)


def test_a_part_of_the_second_training_keeps_its_other_defaults():
    config = validate({**LEAST, "finetune": {"hyp": {"lr0": 0.002}}})
    assert (config.finetune.epochs, config.finetune.hyp.lrf) == (15, 0.1)


@pytest.mark.parametrize(
    ("training", "processes"),
    [({}, 1), ({"device": "cuda:0,1"}, 2), ({"device": "cpu", "processes": 4}, 4)],
)
def test_the_number_of_processes_decides_the_result_and_is_passed(training, processes):
    config = validate({**LEAST, "training": training})
    assert config.training.world_size == processes
    options = training_options(config, config.baseline)
    assert ("--processes" in options) == (processes > 1)
    if processes > 1:
        assert options[options.index("--processes") + 1] == str(processes)


def test_every_mistake_has_its_line():
    with pytest.raises(UserError) as caught:
        validate({"run": "a", "data": {"root": 1, "x": 2}, "cut": {"max_bytes": 0}})
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("content", ["a: [", "- 1", "", "text"])
def test_a_yaml_file_that_is_no_mapping_is_named(tmp_path, content):
    path = tmp_path / "hyp.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"hyp\.yaml"):
        read_yaml(path)


def test_a_hyp_file_is_read_into_the_config(tmp_path):
    path = tmp_path / "hyp.yaml"
    path.write_text("# a remark\nlr0: 0.5\n")
    config = validate({**LEAST, "baseline": {"hyp": str(path)}})
    assert config.baseline.hyp.lr0 == 0.5


def test_the_challenge_preset_is_the_2022_recipe():
    preset = yaml.safe_load((PROJECT / "presets/challenge.yaml").read_text())
    config = validate(preset)
    tune = config.finetune.hyp
    assert (tune.lr0, tune.lrf, tune.momentum) == (0.0032, 0.12, 0.843)
    assert (tune.box, tune.cls, tune.cls_pw, tune.obj, tune.obj_pw) == (
        (0.0296, 0.243, 0.631, 0.301, 0.911)
    )
    assert (config.baseline.epoch_parts, config.finetune.epoch_parts) == (15, 15)
    assert (config.baseline.image_weights, config.finetune.image_weights) == (True, False)
    assert config.training.clip_grad_norm is None
    assert config.data.val_images == 3000


def test_what_does_not_decide_the_result_is_no_option_of_a_training():
    options = training_options(validate(LEAST), validate(LEAST).baseline)
    machine = machine_options(validate(LEAST)).split()
    assert machine == ["--device", "auto", "--workers", "2", "--checkpoint-minutes", "10.0"]
    assert not {*machine[::2], "--threads", "--no-deterministic"} & set(options)
    fast = validate({**LEAST, "training": {"deterministic": False}})
    assert "--no-deterministic" in machine_options(fast).split()
    assert training_options(fast, fast.baseline) == options


def test_trackers_are_no_option_that_decides_and_none_by_default():
    tracked = validate({**LEAST, "training": {"tracking": ["mlflow", "wandb"]}})
    expected = "--tracking mlflow,wandb --tracking-dir results/a/tracking --run-name a"
    assert tracking_options(Plan(tracked)) == expected
    assert tracking_options(Plan(validate(LEAST))) == ""
    assert training_options(tracked, tracked.baseline) == training_options(
        validate(LEAST), validate(LEAST).baseline
    )


def test_the_hours_for_both_trainings_are_shared_by_their_passes_over_the_images():
    stages = {"baseline": {"epochs": 40, "epoch_parts": 2}, "finetune": {"epochs": 10}}
    config = validate({**LEAST, "training": {"total_hours": 3}, **stages})
    budgets = []
    for stage in (config.baseline, config.finetune):
        options = training_options(config, stage)
        budgets.append(float(options[options.index("--time-budget") + 1]))
    assert budgets == [2, 1]
    without = validate({**LEAST, **stages})
    assert "--time-budget" not in training_options(without, without.baseline)


def test_switches_and_empty_values_become_flags_or_nothing():
    options = inference_options(validate({**LEAST, "infer": {"tta": False}}))
    assert "--tta" not in options
    assert "--tta" in inference_options(validate(LEAST))


@pytest.mark.parametrize(
    ("weights", "tta"), [(["a.pt", "b.pt"], False), (["a.pt", "b.pt"], True), (["a.pt"], True)]
)
def test_weighted_boxes_fusion_is_for_several_weights_or_views(weights, tta):
    several = validate({**LEAST, "infer": {"weights": weights, "tta": tta, "fuse": "wbf"}})
    assert inference_options(several)[-2:] == ["--fuse", "wbf"]


@pytest.mark.parametrize("weights", [[], ["a.pt"]])
def test_weighted_boxes_fusion_of_one_view_is_refused(weights):
    with pytest.raises(UserError, match=r"infer: .*needs two or more weights, or `tta: true`"):
        validate({**LEAST, "infer": {"weights": weights, "tta": False, "fuse": "wbf"}})


def test_schema_and_page_are_in_step_with_the_models():
    advice = "run `make docs` and commit the result"
    committed = json.loads((PROJECT / "schemas/config.schema.json").read_text())
    assert committed == schema(), advice
    assert (PROJECT / "docs/configuration.md").read_text() == page(), advice
