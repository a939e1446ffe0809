"""Which files a run reads and writes: what the rules need to know before anything runs."""

import os
from dataclasses import dataclass
from pathlib import Path

from parkdet.config import Config
from parkdet.data.sources import CHALLENGE
from parkdet.demo import DESCRIPTION
from parkdet.errors import UserError
from parkdet.releases import find_release

DEMO_ROOT = "data/demo"
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Plan:
    """The paths of one run."""

    config: Config

    def check(self) -> None:
        """Makes sure, before anything runs, that what the config names is there.

        Raises:
            UserError: Snakemake cannot handle a path, a variable is not set, there is no training
                data at `data.root`, someone's own data are where the demo would be drawn, or a
                named file is missing.
        """
        named = {
            "training.pretrained": self.pretrained_file,
            "infer.weights": self.given_weights,
            "data.val_json": self.val_json,
        }
        if self.test_truth and not self.is_demo:  # the demo's is drawn with its images
            named["evaluate.test_truth"] = [self.test_truth]
        parts = {f"data.{part}": [self._place(part)] for part in CHALLENGE._fields}
        places = {"project folder": [str(PROJECT)], "data.root": [self.root]}
        for setting, paths in {**places, **parts, **named}.items():
            _check_names(setting, paths)
        self._check_data()
        for setting, paths in named.items():
            missing = [path for path in paths if not Path(path).is_file()]
            if missing:
                raise UserError(f"{setting}: no such file: {', '.join(missing)}.{_unset(missing)}")

    def _check_data(self) -> None:
        root, labels = self.root, Path(self.train_json)
        if not self.is_demo and not labels.is_file():
            raise UserError(
                f"data.root: no training data at {root}: expected {self.train_json}, "
                f"{self.train_images}/ and, for a submission, {self._place('test_json')}, "
                f"{self._place('test_images')}/. Set data.root in the config to the folder that "
                "holds them, and data.train_json and so on if they have other names."
                f"{_unset([root])}"
            )
        if self.is_demo and labels.is_file() and DESCRIPTION.encode() not in labels.read_bytes():
            raise UserError(
                f"data.root: {root} is where the demo is drawn, but {labels} is not the demo's. "
                "Move your data to another folder and set data.root to it; nothing was changed."
            )

    @property
    def root(self) -> str:
        """`data.root` with variables expanded."""
        return os.path.expandvars(self.config.data.root).rstrip("/") or "/"

    def _place(self, part: str) -> str:
        """Path of a part of the data set; the demo's are fixed."""
        layout = CHALLENGE if self.is_demo else self.config.data
        return str(Path(self.root, getattr(layout, part)))

    @property
    def train_json(self) -> str:
        """The COCO file of the training images."""
        return self._place("train_json")

    @property
    def train_images(self) -> str:
        """The folder of the training images."""
        return self._place("train_images")

    @property
    def is_demo(self) -> bool:
        """Whether the data are the scenes that the workflow draws itself."""
        return self.root == DEMO_ROOT

    @property
    def results(self) -> str:
        """Folder for everything that the run makes."""
        return f"results/{self.config.run}"

    @property
    def has_test_set(self) -> bool:
        """Whether there are test images to predict; the demo always has them."""
        return self.is_demo or Path(self._place("test_json")).is_file()

    @property
    def test_json(self) -> list[str]:
        """The file that lists the test images, if there is a test set."""
        return [self._place("test_json")] if self.has_test_set else []

    @property
    def test_images(self) -> list[str]:
        """The folder of the test images, if there is a test set."""
        return [self._place("test_images")] if self.has_test_set else []

    @property
    def parts(self) -> list[str]:
        """The parts of the prepared set."""
        return ["train", "val", "test"] if self.has_test_set else ["train", "val"]

    @property
    def test_truth(self) -> str | None:
        """Truth of the test set, if it is to be scored."""
        truth = self.config.evaluate.test_truth
        return os.path.expandvars(truth) if truth and self.has_test_set else None

    @property
    def scores_start(self) -> bool:
        """Whether the starting weights are scored, too: only if training starts from them."""
        trains = not self.given_weights
        return trains and self.test_truth is not None and self.config.evaluate.start_weights

    @property
    def final_files(self) -> list[str]:
        """What `all` makes: metrics, the report and, given a test set, a validated submission."""
        results = self.results
        return [
            *self.summary_files.values(),
            f"{results}/summary.json",
            f"{results}/report/index.html",
        ]

    @property
    def report_files(self) -> list[str]:
        """What the report is made from: the result files that it shows."""
        files = [f"dataset/{name}" for name in ("summary.json", "issues.csv")]
        files += [f"dataset/{part}.json" for part in self.parts]
        predicted = ["val", "best"] if self.has_test_set else ["val"]
        files += [f"predictions/{name}_preds.json" for name in predicted]
        files += [f"metrics/{name}_analysis.json" for name in self._scored]
        if not self.given_weights:
            files += [f"metrics/{stage}.csv" for stage in ("baseline", "tune")]
        return [*(f"{self.results}/{name}" for name in files), *self.summary_files.values()]

    @property
    def _scored(self) -> list[str]:
        """What is scored: detections on val, on test, and by the starting weights on test."""
        wanted = {"val": True, "test": bool(self.test_truth), "start": self.scores_start}
        return [name for name, is_wanted in wanted.items() if is_wanted]

    @property
    def summary_files(self) -> dict[str, str]:
        """What the closing summary is made from, by the name of summary.py's option."""
        files = {"val-metrics": f"{self.results}/metrics/val.json"}
        if self.has_test_set:
            folder = f"{self.results}/submission"
            files["submission"] = f"{folder}/best_preds_cut.json"
            files["cut"] = f"{folder}/cut.json"
            files["validation"] = f"{folder}/validation.json"
        if self.test_truth:
            files["test-metrics"] = f"{self.results}/metrics/test.json"
        if self.scores_start:
            files["start-metrics"] = f"{self.results}/metrics/start.json"
        return files

    @property
    def cut_files(self) -> dict[str, str]:
        """What the cut learns from, by the name of conf_cut.py's option; only per-class does."""
        if self.config.cut.method != "per-class":
            return {}
        predictions = f"{self.results}/predictions/val_preds.json"
        return {"val-predictions": predictions, "val-truth": f"{self.results}/dataset/val.json"}

    @property
    def sample_submission(self) -> list[str]:
        """The organisers' sample submission, if the data include one."""
        path = f"{self.root}/sample_submission.json"
        return [path] if self.is_demo or Path(path).is_file() else []

    @property
    def pretrained(self) -> str | None:
        """The starting weights: a path, or the name of a release; None: random."""
        return os.path.expandvars(self.config.training.pretrained or "") or None

    @property
    def pretrained_file(self) -> list[str]:
        """The file that the starting weights come from; none for a release.

        A release has a known checksum, so nothing depends on its file's time, and the file exists
        only once the rule has fetched it.
        """
        source = self.pretrained
        return [source] if source and not find_release(source) else []

    @property
    def val_json(self) -> list[str]:
        """The COCO file of a given val set, if there is one."""
        path = self.config.data.val_json
        return [os.path.expandvars(path)] if path else []

    @property
    def given_weights(self) -> list[str]:
        """Weights to predict with that are not trained by this run."""
        return [os.path.expandvars(path) for path in self.config.infer.weights]

    @property
    def inference_weights(self) -> list[str]:
        """The weights to predict with: given ones, or the outcome of this run's two trainings."""
        return self.given_weights or [f"{self.results}/weights/tune_best.pt"]


def _check_names(setting: str, paths: list[str]) -> None:
    for path in paths:
        if "{" in path or "}" in path:
            raise UserError(
                f"{setting}: {path} contains a brace, which Snakemake takes for a wildcard. Rename "
                "it, or give a link to it without one."
            )
        if path.startswith("-"):
            raise UserError(f"{setting}: {path} starts with a dash, as options do: write ./{path}")
        if not path.isprintable():
            raise UserError(
                f"{setting}: {path!a} contains a line break or another unprintable character. "
                "Rename it, or give a link to it without one."
            )


def _unset(paths: list[str]) -> str:
    """A hint if a variable in a path is not set, else nothing."""
    unset = any("$" in path for path in paths)
    return " The variable in it is not set in the environment." if unset else ""
