"""What Snakemake plans for each preset and each kind of user config, without running it."""

import subprocess
import sys
from pathlib import Path

import pytest

from project import SOURCE, Project, copy_project, planned_rules
from skeletons import skeleton

TRAININGS = {"pretrained", "train_baseline", "finetune"}
PREPARATION = {"prepare_dataset"}
SCORES = {"infer_val", "evaluate", "summary", "report"}
SUBMISSION = {"infer", "conf_cut", "validate_submission"}
WHOLE_CHAIN = PREPARATION | TRAININGS | SUBMISSION | SCORES
PRESETS = sorted(path.name for path in (SOURCE / "presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("plans") / "parkdet")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Stands in for $PARKDET_DATA: every set that a preset names, and the weights."""
    folder = tmp_path_factory.mktemp("skeletons")
    for preset in PRESETS:
        skeleton(folder / "data" / preset.removesuffix(".yaml"))
    (folder / "weights").mkdir()
    (folder / "weights/yolov5n.pt").write_bytes(b"")
    return folder


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plans_the_whole_chain(project, data, preset):
    configs = [f"presets/{preset}"]
    if preset == "challenge.yaml":
        settings = {"data": {"root": str(data / "data/challenge")}}
        configs.append(project.write_config("skeleton.yaml", settings))
    result = project.dry_run("-p", "--configfile", *configs, PARKDET_DATA=str(data))
    assert planned_rules(result.stdout) - {"evaluate_test"} == WHOLE_CHAIN
    assert f"--preset {project.folder}/presets/{preset} " in result.stdout


def test_the_committed_config_plans_the_demo_with_scores_and_without_heavy_imports(project):
    """Runs in a process of its own, because a fork starts with modules already imported."""
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", "-n", "--cores", "2"]
    result = subprocess.run(command, cwd=project.folder, capture_output=True, text=True)
    scores = {"evaluate_test", "start_weights", "infer_start", "evaluate_start"}
    assert planned_rules(result.stdout) == WHOLE_CHAIN | scores | {"demo_data"}
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "parkdet.plan" in imported
    assert not imported & {"torch", "cv2", "scipy", "matplotlib", "yolov5"}


def test_a_preset_without_its_data_names_the_setting_and_the_tree(project):
    result = project.dry_run("--configfile", "presets/challenge.yaml")
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if "data.root" in line]
    assert len(lines) == 1
    assert "data/challenge/train/label/Train.json" in lines[0]
    assert "Traceback" not in result.stderr


def test_a_three_line_config_takes_no_value_from_the_demo(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    config = project.write_config("mine.yaml", {"run": "mine", "data": {"root": str(root)}})
    output = project.dry_run("--configfile", config).stdout
    assert "Training the baseline: 50 epochs at 640 px" in output
    assert "Cutting the detections to less than 20000000 bytes" in output
    assert "demo" not in output


def test_run_is_required_in_a_users_config(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    config = project.write_config("nameless.yaml", {"data": {"root": str(root)}})
    result = project.dry_run("--configfile", config)
    assert result.returncode != 0
    assert "run: required" in result.stderr


def test_a_wrong_config_gives_one_line_per_mistake(project):
    settings = {"run": "a", "data": {"root": "x", "rot": 1}, "cut": {"method": "guess"}}
    result = project.dry_run("--configfile", project.write_config("wrong.yaml", settings))
    assert result.returncode != 0
    assert "  data.rot: unknown key; allowed here: root, train_json" in result.stderr
    assert (
        "  cut.method: Input should be 'per-class', 'global' or 'threshold', found 'guess'"
        in result.stderr
    )
    assert "Traceback" not in result.stderr


def test_given_weights_leave_no_training_in_the_plan(project, data, tmp_path):
    root = skeleton(tmp_path / "photos")
    weights = [str(data / "weights/yolov5n.pt"), str(tmp_path / "b c.pt")]
    (tmp_path / "b c.pt").write_bytes(b"")
    infer = {"weights": weights, "fuse": "wbf"}
    settings = {"run": "given", "data": {"root": str(root)}, "infer": infer}
    result = project.dry_run("-p", "--configfile", project.write_config("given.yaml", settings))
    assert planned_rules(result.stdout) == WHOLE_CHAIN - TRAININGS
    assert f"--weights {weights[0]} '{weights[1]}' " in result.stdout
    assert "--fuse wbf" in result.stdout


def test_given_weights_that_are_missing_are_named(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    settings = {"run": "a", "data": {"root": str(root)}, "infer": {"weights": ["none.pt"]}}
    result = project.dry_run("--configfile", project.write_config("none.yaml", settings))
    assert result.returncode != 0
    assert "infer.weights: no such file: none.pt" in result.stderr


def test_without_a_test_set_the_plan_ends_at_the_evaluation(project, tmp_path):
    root = skeleton(tmp_path / "photos", test_set=False)
    config = project.write_config("notest.yaml", {"run": "a", "data": {"root": str(root)}})
    assert project.planned("--configfile", config) == PREPARATION | TRAININGS | SCORES


def test_asking_for_conf_cut_plans_no_scores(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    cut = {"method": "global"}
    config = project.write_config("cut.yaml", {"run": "a", "data": {"root": str(root)}, "cut": cut})
    rules = project.planned("--configfile", config, "--", "conf_cut")
    assert rules == PREPARATION | TRAININGS | {"infer", "conf_cut"}


def test_a_cut_by_worth_needs_the_detections_on_the_val_set(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    cut = {"ap": 75}
    config = project.write_config("cut.yaml", {"run": "a", "data": {"root": str(root)}, "cut": cut})
    result = project.dry_run("-p", "--configfile", config, "--", "conf_cut")
    rules = planned_rules(result.stdout)
    assert rules == PREPARATION | TRAININGS | {"infer", "infer_val", "conf_cut"}
    assert "--method per-class --max-bytes 20000000 --ap 75 " in result.stdout


def test_a_release_name_as_starting_weights_is_not_a_file_in_the_plan(project, tmp_path):
    root = skeleton(tmp_path / "photos")
    settings = {"run": "a", "data": {"root": str(root)}, "training": {"pretrained": "yolov5x6"}}
    config = project.write_config("release.yaml", settings)
    assert project.planned("--configfile", config) == WHOLE_CHAIN


def test_spaces_in_paths_and_braces_in_patterns_are_taken_literally(project, tmp_path):
    root = skeleton(tmp_path / "my lot")
    settings = {
        "run": "literal",
        "data": {"root": str(root), "group_pattern": r"_(\d{6})_\d+\.png$"},
        "evaluate": {"test_truth": str(root / "test_ground_truth.json")},
    }
    config = project.write_config("literal.yaml", settings)
    result = project.dry_run("-p", "--configfile", config)
    assert result.returncode == 0, result.stderr
    assert rf"--data-root '{root}'" in result.stdout
    assert r"--group-pattern '_(\d{6})_\d+\.png$'" in result.stdout
    assert f"--truth '{root}/test_ground_truth.json'" in result.stdout


def test_the_demo_never_replaces_a_users_photographs(tmp_path):
    project = copy_project(tmp_path / "parkdet")
    root = skeleton(project.folder / "data/demo")
    result = project.snakemake("--", "demo_data")
    assert result.returncode != 0
    assert "is not the demo's" in result.stderr
    assert (root / "train/label/Train.json").is_file()


def test_scoring_the_starting_weights_adds_no_training_to_given_weights(project, data, tmp_path):
    root = skeleton(tmp_path / "photos")
    settings = {
        "run": "given",
        "data": {"root": str(root)},
        "infer": {"weights": [str(data / "weights/yolov5n.pt")]},
        "evaluate": {
            "test_truth": str(root / "test_ground_truth.json"),
            "start_weights": True,
        },
    }
    rules = project.planned("--configfile", project.write_config("scored.yaml", settings))
    assert rules == WHOLE_CHAIN - TRAININGS | {"evaluate_test"}
