"""Prints which commands on the pages were parsed but not run."""

from collections.abc import Callable
from functools import partial

import pytest

ONLY_PARSED = "only parsed"


@pytest.fixture
def only_parsed(record_property) -> Callable[[str], None]:
    """Records a line for the end of the test output, even from another worker process."""
    return partial(record_property, ONLY_PARSED)


def pytest_terminal_summary(terminalreporter):
    noted = [
        note for report in terminalreporter.getreports("passed") for note in report.user_properties
    ]
    lines = [line for name, line in noted if name == ONLY_PARSED]
    if lines:
        terminalreporter.section("commands of the pages that were parsed and not run")
        for line in lines:
            terminalreporter.line(line)
