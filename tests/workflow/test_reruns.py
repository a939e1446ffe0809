"""What runs again after which change, on a real tiny run: drawn scenes, 64 px, one epoch each.

Each test leaves the project as it found it, or works on results of its own.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from parkdet.files import sha256_file
from parkdet.report.section import FIGURES
from project import Project, copy_project

AFTER_CUT = {"conf_cut", "validate_submission", "summary", "report"}
AFTER_TUNE = {"infer", "infer_val", "evaluate", "evaluate_test"} | AFTER_CUT
MEGABYTE = 1_000_000


def draw_scenes(root: Path) -> None:
    """A small synthetic set whose Train.json is padded to 20 MB."""
    command = [sys.executable, "scripts/demo_data.py", "--out", str(root), "--seed", "5"]
    command += ["--train-images", "16", "--test-images", "4", "--size", "256x160"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    path = root / "train/label/Train.json"
    train = json.loads(path.read_text(encoding="utf-8"))
    train["info"] = {"padding": "x" * 20 * MEGABYTE}
    path.write_text(json.dumps(train), encoding="utf-8")


def tiny_settings(root: Path) -> dict:
    stage = {"epochs": 1, "val_period": 0, "hyp": "hyp.yaml"}
    return {
        "run": "tiny",
        "data": {"root": str(root), "val_images": 4, "split": "random"},
        "training": {"imgsz": 64, "batch_size": 4, "workers": 0, "device": "cpu"},
        "baseline": stage,
        "finetune": stage,
        "infer": {"imgsz": 64, "batch_size": 4, "tta": False, "device": "cpu", "confidence": 0.0},
        "cut": {"max_bytes": 5000},
        "evaluate": {"test_truth": str(root / "test_ground_truth.json")},
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("photos") / "주차장 lot's $(touch x)"
    draw_scenes(root)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory, root) -> Project:
    """A copy of the project in which the tiny run has been run."""
    project = copy_project(tmp_path_factory.mktemp("reruns") / "parkdet")
    (project.folder / "hyp.yaml").write_text("lr0: 0.01\nwarmup_epochs: 1.0\n")
    project.write_config("tiny.yaml", tiny_settings(root))
    result = project.snakemake("--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    return project


def changed(project: Project, root: Path, section: str, **values) -> str:
    """Name of a config like the tiny one but for some values of one section."""
    settings = tiny_settings(root)
    settings[section] = {**settings[section], **values}
    return project.write_config("changed.yaml", settings)


def test_a_finished_run_has_nothing_to_do(project):
    assert project.planned("--configfile", "tiny.yaml") == set()


def test_the_run_leaves_a_valid_submission_under_the_limit(project):
    results = project.folder / "results/tiny"
    assert json.loads((results / "submission/validation.json").read_text())["valid"] is True
    assert 2 < (results / "submission/best_preds_cut.json").stat().st_size < 5000


def test_snakemakes_own_report_holds_every_chart_and_the_page(project):
    result = project.snakemake("--configfile", "tiny.yaml", "--report", "own.html")
    assert result.returncode == 0, result.stderr
    page = (project.folder / "own.html").read_text(encoding="utf-8")
    for name, figure in FIGURES.items():
        assert f"results/tiny/report/figures/{name}.svg" in page
        assert figure.title in page
    assert "results/tiny/report/index.html" in page


def test_every_weights_and_json_output_has_a_sidecar(project):
    results = project.folder / "results/tiny"
    outputs = [*results.glob("weights/*.pt"), *results.glob("predictions/*.json")]
    outputs += [*results.glob("submission/*.json"), *results.glob("metrics/*.json")]
    outputs += [*results.glob("*.json"), *results.glob("dataset/*.json")]
    outputs = [path for path in outputs if not path.name.endswith(".provenance.json")]
    assert len(outputs) >= 10
    for path in outputs:
        record = json.loads(path.with_name(f"{path.name}.provenance.json").read_text())
        assert record["sha256"] == sha256_file(path), path
        assert record["versions"]["torch"]


def test_a_cut_parameter_cuts_again_and_infers_not(project, root):
    config = changed(project, root, "cut", max_bytes=4000)
    assert project.planned("--configfile", config) == AFTER_CUT


def test_an_inference_parameter_trains_not(project, root):
    config = changed(project, root, "infer", iou=0.5)
    assert project.planned("--configfile", config) == AFTER_TUNE


def test_a_finetune_hyperparameter_leaves_the_baseline(project, root):
    config = changed(project, root, "finetune", hyp={"lr0": 0.002})
    assert project.planned("--configfile", config) == {"finetune"} | AFTER_TUNE


def test_settings_of_the_machine_train_not(project, root):
    elsewhere = {"workers": 1, "device": "auto", "checkpoint_minutes": 1, "deterministic": False}
    config = changed(project, root, "training", **elsewhere)
    assert project.planned("--configfile", config) == set()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("scripts/conf_cut.py", "import argparse", "# a remark\nimport argparse"),
        ("scripts/train.py", "import argparse", "# a remark\nimport argparse"),
        ("hyp.yaml", "lr0: 0.01", "# a remark\nlr0: 0.01"),
        (
            "rules/submission.smk",
            '"python {SCRIPTS}/conf_cut.py ',
            '"python  {SCRIPTS}/conf_cut.py ',
        ),
        ("rules/train.smk", '"exec python {SCRIPTS}', '"exec  python {SCRIPTS}'),
        ("rules/train.smk", "rule finetune:", "# a remark\nrule finetune:"),
    ],
)
def test_cosmetic_changes_run_nothing(project, file, old, new):
    project.edit(file, old, new)
    try:
        assert project.planned("--configfile", "tiny.yaml") == set()
    finally:
        project.edit(file, new, old)


def test_a_change_of_code_runs_the_cheap_step_again_but_no_training(project):
    old, new = "import argparse", "import argparse, math"
    for script in ("conf_cut", "train"):
        project.edit(f"scripts/{script}.py", old, new)
    try:
        assert project.planned("--configfile", "tiny.yaml") == AFTER_CUT
    finally:
        for script in ("conf_cut", "train"):
            project.edit(f"scripts/{script}.py", new, old)


def test_a_touched_annotation_file_of_20_mb_runs_nothing(project, root):
    path = root / "train/label/Train.json"
    assert path.stat().st_size > 20 * MEGABYTE
    os.utime(path)
    assert project.planned("--configfile", "tiny.yaml") == set()


def test_preparing_again_with_equal_output_costs_no_training(project):
    weights = project.folder / "results/tiny/weights/tune_best.pt"
    before = weights.read_bytes()
    result = project.snakemake("--configfile", "tiny.yaml", "--forcerun", "prepare_dataset")
    assert result.returncode == 0, result.stdout + result.stderr
    assert weights.read_bytes() == before
    assert "already trained" in (project.folder / "results/tiny/logs/finetune.log").read_text()


def test_a_failed_rule_leaves_no_output_behind(project, root):
    settings = tiny_settings(root)
    settings["run"] = "failing"
    weights = project.folder / "broken.pt"
    weights.write_bytes(b"not a checkpoint")
    settings["training"]["pretrained"] = "broken.pt"
    project.write_config("failing.yaml", settings)
    result = project.snakemake("--configfile", "failing.yaml", "--", "pretrained")
    assert result.returncode != 0
    assert not list((project.folder / "results/failing/weights").glob("*"))
    assert "broken.pt" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_rules_run_on_another_cluster_too(project, tmp_path):
    queue = f"{sys.executable} {Path(__file__).with_name('job_queue.py')}"
    submit = f"{queue} submit {tmp_path} {{rule}} {{resources.mem_mb}} {{resources.runtime}}"
    result = project.snakemake(
        *("--configfile", "tiny.yaml", "-f", "conf_cut", "--executor", "cluster-generic"),
        *("--cluster-generic-submit-cmd", submit, "--jobs", "1"),
        *("--cluster-generic-status-cmd", f"{queue} status {tmp_path}"),
        *("--seconds-between-status-checks", "1"),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "jobs").read_text() == "conf_cut 4000 30\n"
    assert "gpu=" not in result.stderr  # a cluster knows its GPUs


def test_on_a_workstation_no_more_gpu_jobs_run_than_there_are_gpus(project):
    forced = ("--configfile", "tiny.yaml", "-f", "conf_cut")
    said = r"Provided resources: gpu=\D*(\d+)"
    limits = {
        gpus: re.findall(said, project.snakemake(*forced, CUDA_VISIBLE_DEVICES=gpus).stderr)
        for gpus in ("", "0", "0,1")
    }
    assert limits == {"": ["1"], "0": ["1"], "0,1": ["2"]}
