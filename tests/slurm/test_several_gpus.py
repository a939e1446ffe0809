"""Jobs running in parallel, and one job on several GPUs."""

import json
import re
import shutil
from pathlib import Path

import yaml

from parkdet.files import sha256_file
from slurm_node import slurm, wait_until
from slurm_run import CONFIG


def config(project, name, **sections) -> str:
    """Writes another config, with different values in some sections."""
    settings = CONFIG | {section: CONFIG[section] | own for section, own in sections.items()}
    (project.folder / name).write_text(yaml.safe_dump(settings))
    return name


def test_four_shards_on_two_gpus_give_the_same_bytes_as_one_job(project):
    """One of them is killed, and only that one runs again; never more than two run at once."""
    predictions = project.results / "predictions/best_preds.json"
    whole = sha256_file(predictions)
    sharded = config(project, "sharded.yaml", infer={"shards": 4})
    shutil.rmtree(project.results / "state/infer")
    project.hold()
    snakemake = project.start("--configfile", sharded, "--keep-going", "--", "infer")
    wait_until(
        lambda: sorted(project.jobs("infer_shard").values()) == ["PENDING"] * 2 + ["RUNNING"] * 2,
        300,
        "two shards compute, two wait",
    )
    killed = min(project.jobs("infer_shard"), key=int)
    slurm("scancel", "--signal=KILL", "--full", killed)
    project.release()
    assert snakemake.wait(400) != 0
    shards = {path.name for path in predictions.parent.glob("shards/*-of-4.json")}
    assert len(shards) == 3
    before = len(project.jobs("infer_shard"))
    project.finish("--configfile", sharded, "--", "infer")
    assert len(project.jobs("infer_shard")) == before + 1
    assert sha256_file(predictions) == whole


def test_one_training_on_two_gpus(run):
    run.site(resources={"train_baseline": {"mem_mb": 3000, "runtime": 30}})
    two = config(run, "two.yaml", training={"processes": 2, "device": "auto"})
    run.finish("--configfile", two, "--until", "train_baseline", "--", "train_baseline")
    (number,) = run.jobs("train_baseline")
    assert re.search("TresPerJob=gres[:/]gpu:2", run.asked(number))
    sidecar = Path(run.results, "weights/baseline_last.pt.provenance.json")
    assert json.loads(sidecar.read_text())["machine"]["cuda_visible_devices"] == "0,1"
