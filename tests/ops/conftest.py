"""What several of these tests want."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new folder, the current one meanwhile: there the shop's store has its file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
