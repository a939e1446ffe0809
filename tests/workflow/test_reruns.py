"""What runs again after which change, on a tiny real run: synthetic scenes, 64 px, one epoch each.

Each test leaves the project as it found it or works on its own results.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from parkdet.files import sha256_file
from parkdet.report.section import FIGURES
from project import PARTS, Project, copy_project
from usage_page import rules, table

MEGABYTE = 1_000_000
RULES = [
    f"rules/{name}.smk"
    for name in ("prepare", "train", "infer", "submission", "evaluate", "report")
]


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


# A change to the finished project: a context manager that gives the name of the config to run.
Change = Callable[[Project, Path], AbstractContextManager[str]]


def setting(section: str, **values) -> Change:
    """Changes values in a section of the config."""

    @contextmanager
    def change(project: Project, root: Path) -> Iterator[str]:
        settings = tiny_settings(root)
        settings[section] = {**settings[section], **values}
        yield project.write_config("changed.yaml", settings)

    return change


def text(rewrite: Callable[[str], str], *files: str) -> Change:
    """Rewrites files of the project."""

    @contextmanager
    def change(project: Project, root: Path) -> Iterator[str]:
        before = {path: path.read_text() for path in (project.folder / file for file in files)}
        try:
            for path, content in before.items():
                path.write_text(rewrite(content))
                assert path.read_text() != content
            yield "tiny.yaml"
        finally:
            for path, content in before.items():
                path.write_text(content)

    return change


def code(*files: str) -> list[Change]:
    """Adds a statement to each of the files, one file per change."""
    return [text(lambda content: f"{content}\nCHANGED = 1\n", f"scripts/{file}") for file in files]


def cosmetics(content: str) -> str:
    """Adds a comment and changes a docstring and the layout."""
    content = content.replace('"""', '"""In other words: ', 1).replace("\n\n", "\n\n\n\n", 1)
    return f"{content}\n# a remark\n"


@contextmanager
def touched(project: Project, root: Path) -> Iterator[str]:
    """New modification times for the whole project and for the annotations."""
    assert (root / "train/label/Train.json").stat().st_size > 20 * MEGABYTE
    for part in (*PARTS, "hyp.yaml", "tiny.yaml"):
        for path in (project.folder / part, *(project.folder / part).rglob("*")):
            os.utime(path)
    for path in root.rglob("*.json"):
        os.utime(path)
    yield "tiny.yaml"


STEPS = {
    "prepare_dataset": "data/prepare",
    "infer": "inference/resume",
    "conf_cut": "submission/cut",
    "evaluate": "evaluation/error_kinds",
}
TRAINING = ("train.py", "parkdet/training/loop.py")
HARMLESS = {"workers": 1, "device": "auto", "checkpoint_minutes": 1, "deterministic": False}
CHANGES = {
    "modification times alone": [touched],
    "comments, docstrings or formatting": [
        text(
            cosmetics,
            *(f"scripts/{script}.py" for script in (*STEPS, "report", "train")),
            *(f"scripts/parkdet/{module}.py" for module in STEPS.values()),
        ),
        text(lambda rule: rule.replace("python {SCRIPTS}", "python  {SCRIPTS}"), *RULES),
        text(lambda rule: rule.replace("\nrule ", "\n# a remark\nrule "), *RULES),
        text(lambda values: f"# a remark\n{values}", "hyp.yaml"),
    ],
    "code of the training": code(*TRAINING),
    **{
        f"code of `{step}.py`": code(f"{step}.py", f"parkdet/{module}.py")
        for step, module in STEPS.items()
    },
    "code of `report.py`": [
        *code("report.py", "parkdet/report/page.py"),
        text(lambda page: f"{page}<!-- new -->", "scripts/parkdet/report/templates/page.html"),
    ],
    "code of a module that all steps use": code("parkdet/files.py"),
    "`cut.max_bytes`": [setting("cut", max_bytes=4000)],
    "`infer.iou`": [setting("infer", iou=0.5)],
    "`infer.shards`": [setting("infer", shards=2)],
    "`infer.on_bad`": [setting("infer", on_bad="skip")],
    "`finetune.hyp`": [setting("finetune", hyp={"lr0": 0.002})],
    "`training.workers`": [setting("training", **HARMLESS)],
}


def cases() -> Iterator[tuple]:
    """Each change of a kind that the page names, and the rules that the page says then run."""
    for kind, said in table("change, when all is finished"):
        (changes,) = (changes for start, changes in CHANGES.items() if kind.startswith(start))
        for number, change in enumerate(changes):
            yield pytest.param(change, rules(said), id=f"{kind} {number}")


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


@pytest.mark.parametrize(("change", "expected"), list(cases()))
def test_a_change_runs_what_the_page_says(project, root, change, expected):
    if expected & {"infer", "evaluate"}:
        expected = expected | {"evaluate_test"}
    with change(project, root) as config:
        assert project.planned("--configfile", config) == expected


def test_every_kind_of_change_is_on_the_page():
    kinds = [kind for kind, _ in table("change, when all is finished")]
    assert len(kinds) == len(CHANGES)


@pytest.mark.parametrize("file", TRAINING)
def test_changed_training_code_is_reported_at_the_start(project, root, file):
    (change,) = code(file)
    with change(project, root):
        result = project.snakemake("--configfile", "tiny.yaml")  # nothing to do, but not a dry run
    assert "Nothing to be done" in result.stderr
    assert "trained with code that has since changed" in result.stderr
    assert "--forcerun train_baseline finetune" in result.stderr
    assert "since changed" not in project.snakemake("--configfile", "tiny.yaml").stderr


def test_preparing_again_with_the_same_output_costs_no_training(project, root):
    """Nor any inference, even when the training code has changed."""
    results = project.folder / "results/tiny"
    outputs = [results / "weights/tune_best.pt", results / "predictions/best_preds.json"]
    before = [path.read_bytes() for path in outputs]
    (change,) = code("parkdet/training/loop.py")
    with change(project, root) as config:
        forced = ("--configfile", config, "--forcerun", "prepare_dataset", "--", "infer")
        result = project.snakemake(*forced)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.read_bytes() for path in outputs] == before
    for rule in ("train_baseline", "finetune"):
        assert "already trained" in (results / f"logs/{rule}.log").read_text()
    assert "4 of 4 images have been processed already" in (results / "logs/infer.log").read_text()
    assert project.planned("--configfile", "tiny.yaml") == set()


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
