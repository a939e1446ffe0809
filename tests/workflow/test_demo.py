"""The full demo as committed, and the scores it must reach. Its time is printed, not checked."""

import json
import time

import pytest

from outputs_page import not_on_the_page
from project import copy_project


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_learns_and_writes_a_valid_submission(tmp_path):
    project = copy_project(tmp_path / "parkdet")
    started = time.monotonic()
    result = project.snakemake()
    minutes = (time.monotonic() - started) / 60
    assert result.returncode == 0, result.stderr[-3000:]
    results = project.folder / "results/demo"
    ap50 = {
        name: json.loads((results / f"metrics/{name}.json").read_text())["ap50"]
        for name in ("test", "start")
    }
    print(f"demo: {minutes:.1f} minutes, AP50 {ap50['test']:.3f}, before {ap50['start']:.3f}")
    assert ap50["test"] >= 0.60
    assert ap50["test"] - ap50["start"] >= 0.20
    size = (results / "submission/best_preds_cut.json").stat().st_size
    assert json.loads((results / "submission/validation.json").read_text())["valid"]
    assert str(size) in (results / "summary.txt").read_text().replace(",", "")
    assert (results / "summary.txt").read_text().strip() in result.stdout
    assert not not_on_the_page(results)
