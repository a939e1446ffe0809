"""Fixtures shared by several suites."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real photographs and weights: $PARKDET_DATA. In CI its absence is a failure."""
    place = os.environ.get("PARKDET_DATA")
    if place and Path(place).is_dir():
        return Path(place)
    reason = "needs real photographs: set PARKDET_DATA to a folder with data/ and weights/"
    if place or os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
