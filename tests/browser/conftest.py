"""Chromium, and pages opened in it that may not complain or ask anybody for anything."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcd.report.html import page
from bcd.snapshot import from_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Dialog, Page

    from bcd.snapshot.model import Snapshot

ROOT = Path(__file__).parents[2]


@dataclass
class Watched:
    """What a page did that it must not do."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(name="browser", scope="module")  # Playwright's event loop runs until it ends
def _browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing("there is no Chromium: install the package chromium")
    from playwright.sync_api import sync_playwright  # not for those who have no browser

    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which root cannot have
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(name="axe", scope="module")
def _axe() -> str:
    found = sorted((ROOT / ".browser").glob("axe-core-*.js"))
    if not found:
        missing("there is no axe-core: .ci/axe-core .browser brings it")
    return found[-1].read_text()


def missing(reason: str) -> None:
    """Skip a test for want of a program; fail with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(name="sample", scope="session")
def _sample() -> Snapshot:
    document = ROOT / "tests" / "samples" / "checkout.bcd.json"
    return from_dict(json.loads(document.read_bytes()))


def _note(opened: Watched, dialog: Dialog) -> None:
    opened.complaints.append(f"a dialog: {dialog.message}")
    dialog.dismiss()


@pytest.fixture(name="show")
def _show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a snapshot as a file; afterwards nothing was complained of or asked for."""
    watched: list[Watched] = []

    def show(snapshot: Snapshot, **context: Any) -> Page:
        file = tmp_path / f"{len(watched)}.html"
        file.write_text(page(snapshot), encoding="utf-8")
        opened = Watched(browser.new_context(**context).new_page())
        opened.page.set_default_timeout(10_000)
        watched.append(opened)
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("dialog", lambda dialog: _note(opened, dialog))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(file.as_uri())
        return opened.page

    yield show
    for each in watched:
        each.page.context.close()
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in each.requests if url.startswith("file:")]) == 1
