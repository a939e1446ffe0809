"""Data folders with just enough in them for Snakemake to plan a run."""

from pathlib import Path


def skeleton(root: Path, test_set: bool = True) -> Path:
    """An empty set in the challenge lay-out."""
    (root / "train/label").mkdir(parents=True)
    (root / "train/images").mkdir()
    (root / "train/label/Train.json").write_text('{"images": [], "annotations": []}')
    (root / "test_ground_truth.json").write_text('{"images": [], "annotations": []}')
    if test_set:
        (root / "test/images").mkdir(parents=True)
        (root / "Test_Images_Information.json").write_text('{"images": []}')
    return root
