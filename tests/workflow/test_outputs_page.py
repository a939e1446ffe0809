"""docs/outputs.md names every file that the rules declare, and who writes and reads it."""

import pytest

from outputs_page import SIDECAR, Job, declared_rows, matching, planned_jobs
from project import copy_project, rule_names


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> list[Job]:
    """All jobs of the demo, which uses every rule: without shards and with them."""
    project = copy_project(tmp_path_factory.mktemp("outputs") / "parkdet")
    shards = project.write_config("shards.yaml", {"infer": {"shards": 2}})
    whole = planned_jobs(project, "config.yaml")
    return [*whole, *planned_jobs(project, "config.yaml", shards)]


def test_the_demo_uses_every_rule(jobs):
    assert {job.rule for job in jobs} == rule_names()


def test_every_declared_file_is_on_the_page_once_with_its_writer(jobs):
    page = declared_rows()
    for job in jobs:
        for path in job.outputs:
            found = matching(path.removesuffix(SIDECAR), page)
            assert [job.rule in row.writers for row in found] == [True], (job.rule, path)


def test_every_file_on_the_page_is_declared_and_read_by_the_rules_named(jobs):
    for row in declared_rows():
        of_row = {path for job in jobs for path in job.outputs if matching(path, [row])}
        assert of_row, row.pattern
        assert {job.rule for job in jobs if job.inputs & of_row} == row.readers, row.pattern


def test_exactly_the_weights_and_json_files_have_sidecars(jobs):
    outputs = {path for job in jobs for path in job.outputs if path.startswith("R/")}
    sidecars = {path for path in outputs if path.endswith(SIDECAR)}
    files = {path for path in outputs - sidecars if path.endswith((".pt", ".json"))}
    assert sidecars == {f"{path}{SIDECAR}" for path in files}


def test_logs_and_benchmarks_are_named_after_their_rules(jobs):
    for job in jobs:
        name = job.rule
        if name == "infer_shard":
            (shard,) = (path for path in job.outputs if not path.endswith(SIDECAR))
            name = f"infer_{shard.rpartition('/')[2].removesuffix('.json')}"
        assert job.logs == {f"R/logs/{name}.log"}
        assert job.benchmarks == {f"R/benchmarks/{name}.tsv"}
