"""A step in a container or a conda environment, with stand-ins for apptainer and conda."""

import json
import os
import sys
from pathlib import Path

import pytest

from forked_snakemake import call
from project import Project, copy_project
from skeletons import skeleton

APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.3.6"; exit; fi
echo "$@" > "$(dirname "$0")/said"
while [ $# -gt 3 ]; do shift; done
exec "$@"
"""
# Makes an environment whose python records calls of pip and does the rest as usual.
CONDA = f"""#!{sys.executable}
import json, sys
from pathlib import Path

here, words = Path(__file__).parent, sys.argv[1:]
if words[0] == "info":
    print(json.dumps({{"conda_prefix": str(here.parent), "platform": "linux-64"}}))
elif words[0] == "--version":
    print("conda 25.1.0")
elif words[0] == "config":
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif words[:2] == ["env", "create"]:
    made = Path(words[words.index("--prefix") + 1], "bin")
    made.mkdir(parents=True)
    python = made / "python"
    python.write_text(
        '#!/bin/sh\\n'
        f'if [ "$2" = pip ]; then echo "$PWD" "$@" > {{here}}/said; exit; fi\\n'
        f'echo used > {{here}}/used; exec {sys.executable} "$@"\\n'
    )
    python.chmod(0o755)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A project with everything conf_cut reads."""
    project = copy_project(tmp_path_factory.mktemp("deployment") / "parkdet")
    skeleton(project.folder / "photos")
    settings = {"run": "a", "data": {"root": "photos"}, "cut": {"method": "global"}}
    project.write_config("mine.yaml", settings)
    predictions = project.folder / "results/a/predictions/best_preds.json"
    predictions.parent.mkdir(parents=True)
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    predictions.write_text(json.dumps([{**box, "segmentation": []}]))
    return project


def cut(project: Project, kind: str, *options: str) -> Path:
    """Runs conf_cut with a stand-in for ``kind``; returns the stand-in's folder."""
    folder = project.folder / "bin"
    folder.mkdir(exist_ok=True)
    programs = {"apptainer": APPTAINER, "conda": CONDA, "activate": "PATH=$1/bin:$PATH"}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    words = ["--cores", "1", "--configfile", "mine.yaml", "--allowed-rules", "conf_cut", "-f"]
    words += ["--sdm", kind, *options, "--", "conf_cut"]
    path = f"{folder}:{os.environ['PATH']}"
    result = call(project.folder, words, {**os.environ, "PATH": path})
    assert result.returncode == 0, result.stderr[-3000:]
    assert (project.folder / "results/a/submission/best_preds_cut.json").stat().st_size > 50
    return folder


def test_apptainer_runs_a_step_in_the_image_with_the_given_options(project):
    said = (cut(project, "apptainer", "--apptainer-args=--nv") / "said").read_text()
    assert "--nv" in said.split()
    assert " envs/parkdet.sif " in said
    assert "scripts/conf_cut.py --predictions results/a/predictions/best_preds.json" in said


def test_conda_creates_the_environment_from_the_lock_and_runs_a_step_in_it(project):
    folder = cut(project, "conda")
    place, *words = (folder / "said").read_text().split()
    assert place == str(project.folder)
    assert words[-2:] == ["-r", "envs/requirements.lock"]
    assert "--no-deps" in words and "--require-hashes" in words
    assert (folder / "used").exists()
