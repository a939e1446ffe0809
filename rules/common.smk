"""What the rules share: the checked config, the paths of a run, options and resources."""

import os
import sys
import time
from pathlib import Path
from shlex import quote

sys.path.insert(0, f"{workflow.basedir}/scripts")

from snakemake.exceptions import WorkflowError

from parkdet.code_hash import code_hash
from parkdet.config import Config, validate
from parkdet.errors import UserError
from parkdet.options import (
    cut_options,
    demo_options,
    inference_options,
    prepare_options,
    pretrained_options,
    training_options,
)

# `python` in the rules is the one that runs Snakemake, also where no environment was activated.
# A conda environment or container (--sdm) puts its own in front of it.
os.environ.update(PATH=f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}")


def stop(message: str) -> None:
    """Ends Snakemake with a message for people, without the place in the code."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    sys.exit(1)


def shell_word(text: str) -> str:
    """Text as one word of a shell command, with braces that Snakemake does not fill in."""
    return quote(text).replace("{", "{{").replace("}", "}}")


def checked_config() -> Config:
    """The config as typed sections, or the end of the run with one line a mistake."""
    try:
        return validate(config)
    except UserError as error:
        stop(str(error))


def data_root() -> str:
    """`data.root` with variables expanded; ends the run where the data is not there."""
    root = os.path.expandvars(CONFIG.data.root).rstrip("/")
    if root == DEMO_ROOT or Path(root, "train/label/Train.json").is_file():
        return root
    stop(
        f"data.root: no training data at {root}: expected {root}/train/label/Train.json, "
        f"{root}/train/images/ and, for a submission, {root}/Test_Images_Information.json, "
        f"{root}/test/images/. Set data.root in the config to the folder that holds them."
    )


def has_test_set() -> bool:
    """Whether there are test images to predict; the demo always has them."""
    return ROOT == DEMO_ROOT or Path(ROOT, "Test_Images_Information.json").is_file()


DEMO_ROOT = "data/demo"
CONFIG = checked_config()
ROOT = data_root()
R = f"results/{CONFIG.run}"
SCRIPTS = shell_word(f"{workflow.basedir}/scripts")
STARTED = time.time()
SCORED = CONFIG.evaluate.test_truth is not None and has_test_set()
PARTS = ["train", "val", "test"] if has_test_set() else ["train", "val"]


wildcard_constraints:
    weights="tune_best|start",


def sample_submission() -> list[str]:
    """The organisers' sample of a submission, if the data has one."""
    path = f"{ROOT}/sample_submission.json"
    return [path] if ROOT == DEMO_ROOT or Path(path).is_file() else []


def final_files() -> list[str]:
    """What `all` makes: with a test set a validated submission, without one the metrics."""
    submission = [f"{R}/submission/best_preds_cut.json", f"{R}/submission/validation.json"]
    return [*(submission if has_test_set() else []), f"{R}/metrics/val.json", f"{R}/summary.json"]


def inference_weights() -> list[str]:
    """The weights to predict with: given ones, or the end of this run's two trainings."""
    given = [os.path.expandvars(path) for path in CONFIG.infer.weights]
    missing = [path for path in given if not Path(path).is_file()]
    if missing:
        stop(f"infer.weights: no such file: {', '.join(missing)}.")
    return given or [f"{R}/weights/tune_best.pt"]


def pretrained_source(_wildcards) -> list[str]:
    """The file that the starting weights come from, if they are given as a path."""
    source = os.path.expandvars(CONFIG.training.pretrained or "")
    if source.endswith(".pt") and not Path(source).is_file():
        stop(f"training.pretrained: no such file: {source}.")
    return [source] if source.endswith(".pt") else []


def summary_files() -> dict[str, str]:
    """What the closing summary is made of."""
    files = {"val_metrics": f"{R}/metrics/val.json"}
    if has_test_set():
        files["submission"] = f"{R}/submission/best_preds_cut.json"
        files["cut"] = f"{R}/submission/cut.json"
        files["validation"] = f"{R}/submission/validation.json"
    if SCORED:
        files["test_metrics"] = f"{R}/metrics/test.json"
    if SCORED and CONFIG.evaluate.start_weights:
        files["start_metrics"] = f"{R}/metrics/start.json"
    return files


def summary_options() -> list[str]:
    """The same as options of summary.py: `test_metrics` becomes `--test-metrics`."""
    named = ((f"--{name.replace('_', '-')}", path) for name, path in summary_files().items())
    return [word for pair in named for word in pair]


def code_of(script: str) -> str:
    """Hash of a script's and its modules' parsed code, without comments and docstrings."""
    return code_hash(Path(workflow.basedir, f"scripts/{script}.py"))


def sidecar(path: str) -> str:
    """The file beside an output that says what it was made from."""
    return f"{path}.provenance.json"


def gpus(device: str) -> int:
    """GPUs that a job asks for: none on `cpu`, one for `auto`, else as many as are named."""
    return 0 if device == "cpu" else len(device.split(","))


def all_cores() -> int:
    """Threads of a job that uses the whole machine, so that two of them never run at once."""
    return workflow.resource_settings.cores or os.cpu_count() or 1


def export_retrain() -> None:
    """Sets PARKDET_RETRAIN_{rule} to `--retrain` for each training that the user forces.

    Without it a training that is started finds its finished state and uses that again. What is
    forced is known only after parsing; variables reach jobs on other machines too.
    """
    settings = workflow.dag_settings
    for name in ("train_baseline", "finetune"):
        targeted = settings.forcetargets and name in settings.targets
        if settings.forceall or name in settings.forcerun or targeted:
            os.environ.update({f"PARKDET_RETRAIN_{name}": "--retrain"})


def announce_start() -> None:
    """One line on what this run is; hands the wish to train anew to the jobs."""
    export_retrain()
    print(f"parkdet: run {CONFIG.run!r}, data {ROOT}, results in {R}/", file=sys.stderr)
    if not has_test_set():
        print(f"parkdet: {ROOT} has no test set: ends at the evaluation", file=sys.stderr)


def print_summary() -> None:
    """The closing summary, if this run made one."""
    summary = Path(f"{R}/summary.txt")
    if summary.is_file() and summary.stat().st_mtime >= STARTED:
        print(summary.read_text(encoding="utf-8"))


def explain_failure(log: str) -> None:
    """Where to look and what to type after a failure."""
    print(
        f"parkdet: a step failed. Its messages are above and in {R}/logs/; what was finished is "
        "kept. Run the same command again to go on. After a crash of Snakemake itself: "
        "`snakemake --unlock`, then the command with --rerun-incomplete.",
        file=sys.stderr,
    )
