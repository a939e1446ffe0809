"""Which files a run reads and makes: what the rules need to know before anything runs."""

import os
from dataclasses import dataclass
from pathlib import Path

from parkdet.config import Config
from parkdet.errors import UserError

DEMO_ROOT = "data/demo"


@dataclass(frozen=True)
class Plan:
    """The paths of one run."""

    config: Config

    def check(self) -> None:
        """Makes sure that what the config names is there.

        Raises:
            UserError: there is no training data at `data.root`, or weights are missing.
        """
        root = self.root
        if not self.is_demo and not Path(root, "train/label/Train.json").is_file():
            raise UserError(
                f"data.root: no training data at {root}: expected {root}/train/label/Train.json, "
                f"{root}/train/images/ and, for a submission, {root}/Test_Images_Information.json, "
                f"{root}/test/images/. Set data.root in the config to the folder that holds them."
            )
        for setting, paths in (
            ("training.pretrained", self.pretrained_file),
            ("infer.weights", self.given_weights),
        ):
            missing = [path for path in paths if not Path(path).is_file()]
            if missing:
                raise UserError(f"{setting}: no such file: {', '.join(missing)}.")

    @property
    def root(self) -> str:
        """`data.root` with variables expanded."""
        return os.path.expandvars(self.config.data.root).rstrip("/") or "/"

    @property
    def is_demo(self) -> bool:
        """Whether the data are the drawn scenes that the workflow makes itself."""
        return self.root == DEMO_ROOT

    @property
    def results(self) -> str:
        """Folder of everything that the run makes."""
        return f"results/{self.config.run}"

    @property
    def has_test_set(self) -> bool:
        """Whether there are test images to predict; the demo always has them."""
        return self.is_demo or Path(self.root, "Test_Images_Information.json").is_file()

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
        """Whether the starting weights are scored, too."""
        return self.test_truth is not None and self.config.evaluate.start_weights

    @property
    def final_files(self) -> list[str]:
        """What `all` makes: with a test set a validated submission, without one the metrics."""
        return [*self.summary_files.values(), f"{self.results}/summary.json"]

    @property
    def summary_files(self) -> dict[str, str]:
        """What the closing summary is made of, by the name of the option of summary.py."""
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
    def sample_submission(self) -> list[str]:
        """The organisers' sample of a submission, if the data have one."""
        path = f"{self.root}/sample_submission.json"
        return [path] if self.is_demo or Path(path).is_file() else []

    @property
    def pretrained_file(self) -> list[str]:
        """The file that the starting weights come from, if they are given as a path."""
        path = os.path.expandvars(self.config.training.pretrained or "")
        return [path] if path.endswith(".pt") else []

    @property
    def given_weights(self) -> list[str]:
        """Weights to predict with that no training of this run makes."""
        return [os.path.expandvars(path) for path in self.config.infer.weights]

    @property
    def inference_weights(self) -> list[str]:
        """The weights to predict with: given ones, or the end of this run's two trainings."""
        return self.given_weights or [f"{self.results}/weights/tune_best.pt"]
