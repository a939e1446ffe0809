"""Data folders and scripts with just enough in them for Snakemake to plan and execute a run."""

from pathlib import Path

STUB = """
import json, pathlib, sys

from parkdet.report.section import FIGURES

OUTPUTS = ("--out", "--last", "--best", "--metrics", "--stats", "--analysis")
script, words = pathlib.Path(sys.argv[0]).stem, sys.argv[1:]
with open("calls.jsonl", "a") as file:
    file.write(json.dumps([script, words]) + "\\n")
for option, value in zip(words, words[1:]):
    out = pathlib.Path(value)
    if option == "--out" and script == "prepare_dataset":
        for name in ("images", "labels"):
            (out / name).mkdir(parents=True)
        parts = ("train", "val", "test")
        files = [out / f"{part}.{end}" for part in parts for end in ("json", "txt")]
        files += [out / name for name in ("dataset.yaml", "issues.csv", "summary.json")]
    elif option == "--out" and script == "report":
        (out / "gallery").mkdir(exist_ok=True)
        files = [out / "index.html", *(out / f"figures/{name}.svg" for name in FIGURES)]
    else:
        files = [out] if option in OUTPUTS else []
    for file in files:
        file.write_text("")
        pathlib.Path(f"{file}.provenance.json").write_text("{}")
"""


def skeleton(root: Path, test_set: bool = True) -> Path:
    """An empty data set in the challenge's layout."""
    (root / "train/label").mkdir(parents=True)
    (root / "train/images").mkdir()
    (root / "train/label/Train.json").write_text('{"images": [], "annotations": []}')
    (root / "test_ground_truth.json").write_text('{"images": [], "annotations": []}')
    if test_set:
        (root / "test/images").mkdir(parents=True)
        (root / "Test_Images_Information.json").write_text('{"images": []}')
    return root


def stub_scripts(project: Path) -> None:
    """Makes each script only record its arguments and create the requested outputs."""
    for script in (project / "scripts").glob("*.py"):
        script.write_text(STUB)
