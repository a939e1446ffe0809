"""What a run says at its start and when it fails."""

import json

import pytest

from parkdet import gpu_slots, messages
from parkdet.config import validate
from parkdet.errors import CONTINUE
from parkdet.gpu_slots import VISIBLE
from parkdet.messages import after_failure, after_success, at_the_start, of_other_code
from parkdet.plan import Plan

CHAIN = ("prepare_dataset", "pretrained", "train_baseline", "finetune", "infer_val", "infer", "all")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with labelled photographs and a test set, on a machine without GPUs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VISIBLE, "")
    (tmp_path / "photos/train/label").mkdir(parents=True)
    labels = {"images": [{"id": n} for n in range(1200)], "annotations": [{}] * 3}
    (tmp_path / "photos/train/label/Train.json").write_text(json.dumps(labels))
    test = {"images": [{"id": 1}, {"id": 2}]}
    (tmp_path / "photos/Test_Images_Information.json").write_text(json.dumps(test))
    return tmp_path


def start(jobs=CHAIN, cores=2, **sections) -> dict[str, str]:
    """What is said at the start, by its heading."""
    plan = Plan(validate({"run": "lot", "data": {"root": "photos"}, **sections}))
    counted = {name: jobs.count(name) for name in jobs}
    first, *lines = at_the_start(plan, counted, cores)
    assert first == "parkdet: run 'lot', results in results/lot/"
    return {line.split()[0]: line[10:] for line in lines}


def test_the_start_names_steps_data_device_and_where_to_watch():
    assert start() == {
        "steps": "prepare_dataset, pretrained, train_baseline, finetune, infer_val, infer",
        "data": "photos: 1,200 labelled images with 3 boxes, 2 test images",
        "device": "the CPU, 2 cores; no GPU is visible",
        "watch": "tail -F results/lot/logs/train_baseline.log (each step has its own)",
    }


def test_several_jobs_of_a_step_are_counted():
    told = start(("infer_shard",) * 4, infer={"shards": 4})
    assert told["steps"] == "infer_shard (4 jobs)"
    assert told["watch"].startswith("tail -F results/lot/logs/infer_1-of-4.log")


def test_a_prepared_set_is_told_by_its_parts(folder):
    (folder / "results/lot/dataset").mkdir(parents=True)
    summary = {"images": {"train": 1100, "val": 100, "test": 2}}
    (folder / "results/lot/dataset/summary.json").write_text(json.dumps(summary))
    assert start(("finetune",))["data"] == "photos: 1,100 train, 100 val, 2 test images"
    assert "1,200 labelled" in start()["data"]  # that is about to be prepared anew


def test_data_that_cannot_be_read_are_left_to_the_step_that_reads_them(folder):
    (folder / "photos/train/label/Train.json").write_text("{")
    assert start()["data"] == "photos: not counted"


def test_the_demo_is_drawn(folder):
    assert "drawn by this run" in start(("demo_data", *CHAIN))["data"]


def test_without_a_test_set_the_end_is_told(folder):
    (folder / "photos/Test_Images_Information.json").unlink()
    plan = Plan(validate({"run": "lot", "data": {"root": "photos"}}))
    assert "no test set" in "\n".join(at_the_start(plan, {"all": 1}, 2))


@pytest.mark.parametrize(
    ("visible", "devices", "cores", "told"),
    [
        ("0,1", ("auto", "auto"), 8, "1 of 2 GPUs (T4)"),
        ("0,1", ("cuda:0,1", "cuda:1"), 8, "training on cuda:0,1 (T4), detection on cuda:1 (T4)"),
        ("0", ("auto", "cpu"), 8, "training on 1 of 1 GPUs (T4), detection on the CPU, 8 cores"),
        ("", ("cpu", "cpu"), 8, "the CPU, 8 cores"),
        ("", ("auto", "auto"), None, "the cluster's nodes"),
    ],
)  # fmt: skip
def test_the_device_is_resolved(folder, monkeypatch, visible, devices, cores, told):
    card = folder / "driver/0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t T4\nIRQ:   \t\t 33\n")
    models = gpu_slots.gpu_models(folder / "driver")
    monkeypatch.setattr(messages, "gpu_models", lambda: models)
    monkeypatch.setenv(VISIBLE, visible)
    training, infer = devices
    sections = {"training": {"device": training}, "infer": {"device": infer}}
    assert start(cores=cores, **sections)["device"] == told


@pytest.mark.parametrize(
    ("sidecar", "told"),
    [('{"code": "old"}', True), ('{"code": "new"}', False), ("{}", False), ('{"code', False)],
)
def test_weights_of_other_code_are_told(folder, sidecar, told):
    (folder / "results/lot/weights").mkdir(parents=True)
    (folder / "results/lot/weights/tune_last.pt.provenance.json").write_text(sidecar)
    plan = Plan(validate({"run": "lot", "data": {"root": "photos"}}))
    lines = [*of_other_code(plan, lambda: "new")]
    assert [line.endswith("use --forcerun finetune") for line in lines] == [True] * told


def failure(failed, started=0.0, command=("snakemake", "--cores", "all")) -> str:
    return "\n".join(after_failure(failed, started, command))


def test_a_failed_step_shows_the_end_of_its_log(folder):
    (folder / "infer.log").write_text("".join(f"line {number}\n" for number in range(40)))
    text = failure([("infer", ["infer.log"])])
    assert text.startswith("parkdet: infer failed.\nThe end of infer.log:\n  line 25\n")
    assert "  line 39\nWhat was finished is kept" in text


def test_a_log_of_an_earlier_attempt_is_not_shown(folder):
    (folder / "infer.log").write_text("an old fault\n")
    text = failure([("infer", ["infer.log"])], started=2**40)
    assert "an old fault" not in text
    assert "wrote nothing to infer.log" in text


def test_a_step_that_saved_and_stopped_has_not_failed(folder):
    (folder / "infer.log").write_text(f"infer.py: SIGTERM: 3 of 9 images are left. {CONTINUE}\n")
    text = failure([("infer", ["infer.log"])])
    assert text.startswith("parkdet: infer was stopped.\n")
    assert "To continue, run the same command again:" in text


def test_the_next_commands_can_be_pasted():
    command = ["snakemake", "--cores", "all", "--configfile", "my lot.yaml", "--", "infer"]
    told = failure([("infer", [])], command=command)
    assert "\n  snakemake --cores all --configfile 'my lot.yaml' -- infer\n" in told
    assert told.endswith("  snakemake --unlock --cores all --configfile 'my lot.yaml' -- infer")


def test_a_run_that_was_stopped_names_no_step():
    assert failure([]).startswith("parkdet: the run was stopped.\n")


def test_success_shows_only_what_this_run_made(folder):
    plan = Plan(validate({"run": "lot", "data": {"root": "photos"}}))
    (folder / "results/lot/report").mkdir(parents=True)
    (folder / "results/lot/summary.txt").write_text("AP 0.5")
    (folder / "results/lot/report/index.html").write_text("")
    assert list(after_success(plan, 0.0)) == [
        "AP 0.5",
        "The report, for a browser: results/lot/report/index.html",
    ]
    assert list(after_success(plan, 2.0**40)) == []
