"""Prints which commands of the pages were parsed and not run."""

import pytest

ONLY_PARSED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def only_parsed(request) -> list[str]:
    """Lines for the end of the tests' output."""
    return request.config.stash.setdefault(ONLY_PARSED, [])


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash.get(ONLY_PARSED, [])
    if lines:
        terminalreporter.section("commands of the pages that were parsed and not run")
        for line in lines:
            terminalreporter.line(line)
