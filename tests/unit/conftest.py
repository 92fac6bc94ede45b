"""What the tests of the program's commands have in common."""

from __future__ import annotations

import pytest

from tests.terminal import Ran


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


@pytest.fixture(name="plain_environment")
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what would change how text is shown."""
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "PAGER", "LESS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BCD_PAGER", "BCD_STORE"):
        monkeypatch.delenv(name, raising=False)
