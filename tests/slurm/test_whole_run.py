"""The graph end to end, and the resources its jobs request."""

import json
import re


def test_the_whole_graph_runs_on_slurm(finished):
    validation = finished.first / "submission/validation.json"
    assert json.loads(validation.read_text())["valid"] is True
    said = (finished.first / "said").read_text()
    assert (finished.first / "summary.txt").read_text() in said


def test_the_gpus_of_a_job_reach_its_script(finished):
    def machine(output: str) -> dict:
        return json.loads((finished.first / f"{output}.provenance.json").read_text())["machine"]

    training, cut = machine("weights/baseline_last.pt"), machine("submission/cut.json")
    assert training["cuda_visible_devices"] == "0"
    assert training["slurm_job"]
    assert cut["cuda_visible_devices"] is None
    assert cut["slurm_job"] not in (None, training["slurm_job"])


def test_a_training_requests_a_gpu_with_its_cpus_memory_and_time(run):
    run.hold()
    run.start("train_baseline")
    run.wait_for("held")
    asked = run.asked(run.job("train_baseline"))
    for wanted in ("Partition=gpu", "NumCPUs=2", "mem=1500M", "TimeLimit=00:30:00"):
        assert wanted in asked
    assert re.search("TresPerJob=gres[:/]gpu:1", asked)
    assert "GRES=gpu(IDX:0)" in asked or "GRES=gpu:1(IDX:0)" in asked


def test_steps_that_do_not_use_a_gpu_request_none(finished):
    jobs = (finished.first / "jobs").read_text().splitlines()
    (asked,) = (line for line in jobs if "Comment=rule_conf_cut " in line)
    assert "Partition=cpu" in asked
    assert "gpu" not in asked
