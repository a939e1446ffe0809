"""What a run says to people at its start and at its end."""

from collections.abc import Iterator
from pathlib import Path

from parkdet.plan import Plan


def at_the_start(plan: Plan) -> Iterator[str]:
    """What this run is."""
    yield f"parkdet: run {plan.config.run!r}, data {plan.root}, results in {plan.results}/"
    if not plan.has_test_set:
        yield f"parkdet: {plan.root} has no test set: ends at the evaluation"


def after_success(plan: Plan, started: float) -> Iterator[str]:
    """The closing summary and the place of the report, as far as this run made them.

    Args:
        started: ``time.time()`` at the start of the run.
    """
    summary, page = Path(plan.results, "summary.txt"), Path(plan.results, "report/index.html")
    if summary.is_file() and summary.stat().st_mtime >= started:
        yield summary.read_text(encoding="utf-8")
    if page.is_file() and page.stat().st_mtime >= started:
        yield f"The report, for a browser: {page}"


def after_failure(plan: Plan) -> str:
    """Where to look and what to type."""
    return (
        f"parkdet: a step failed. Its messages are above and in {plan.results}/logs/; what was "
        "finished is kept. Run the same command again to go on. After a crash of Snakemake "
        "itself: `snakemake --unlock`, then the same command."
    )
