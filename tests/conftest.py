"""What holds for all tests."""

from __future__ import annotations

import pytest

START_SERVERS = ("tests/faults/", "tests/incidents/", "tests/live/", "tests/stores/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what starts servers: `make check` leaves it out."""
    for item in items:
        if any(folder in item.path.as_posix() for folder in START_SERVERS):
            item.add_marker(pytest.mark.slow)
