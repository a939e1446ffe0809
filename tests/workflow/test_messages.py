"""What a user reads when a run fails."""

from project import copy_project
from skeletons import skeleton


def test_a_failing_run_says_what_it_was_what_failed_and_what_to_type(tmp_path):
    project = copy_project(tmp_path / "parkdet")
    root = skeleton(tmp_path / "photos")
    (project.folder / "broken.pt").write_bytes(b"not a checkpoint")
    settings = {"run": "failing", "data": {"root": str(root)}}
    settings["training"] = {"pretrained": "broken.pt", "device": "cpu"}
    config = project.write_config("failing.yaml", settings)
    result = project.snakemake("--configfile", config, "--", "pretrained")
    assert result.returncode != 0
    start, end = result.stderr.split("Error in rule pretrained")
    assert "run 'failing', results in results/failing/\n  steps   pretrained\n" in start
    assert f"  data    {root}: 0 labelled images with 0 boxes, 0 test images\n" in start
    told = end[end.index("parkdet: pretrained failed.\nThe end of results/failing/logs/") :]
    assert "ERROR pretrained.py: broken.pt" in told
    assert "  snakemake --cores 2 --configfile failing.yaml -- pretrained\n" in told
    assert "  snakemake --unlock --cores 2 --configfile failing.yaml -- pretrained\n" in told
