"""How long until the page of the largest snapshot can be used, and how large is it?

The snapshot is as large as the limits admit: 4 MiB, 100 threads of 30 frames, no two alike, and
2,000 tasks. The page is a file that Chromium opens, each time anew. It can be used once it was
drawn and has answered a click.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bcd.report.html import page
from bcd.snapshot import encode, from_dict
from tests.bench.tables import print_table, verdict
from tests.large import large

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
ROUNDS = 5
GOAL = 1000  # ms
WANTED = "worker-73"
MEBIBYTE = 1 << 20
USABLE = """() => new Promise((done) => {
    document.querySelector(".thread > summary").click();
    requestAnimationFrame(() => setTimeout(() => done(performance.now())));
})"""
SEARCH = """(text) => new Promise((done) => {
    const field = document.getElementById("query"), began = performance.now();
    new MutationObserver(() => requestAnimationFrame(() => done(performance.now() - began)))
        .observe(document.getElementById("count"), { childList: true });
    field.value = text;
    field.dispatchEvent(new Event("input"));
})"""


class Opened(NamedTuple):
    """Milliseconds until the page can be used, of its thread's processor, and for a search."""

    usable: float
    processor: float
    search: float


def opened(browser: Browser, file: Path) -> Opened:
    """Open the page as for the first time."""
    context = browser.new_context()
    try:
        view = context.new_page()
        inside = context.new_cdp_session(view)
        inside.send("Performance.enable", {"timeDomain": "threadTicks"})
        view.goto(file.as_uri(), wait_until="commit")
        view.wait_for_load_state("domcontentloaded")
        usable = view.evaluate(USABLE)
        metrics = inside.send("Performance.getMetrics")["metrics"]
        processor = {each["name"]: each["value"] for each in metrics}["ThreadTime"]
        return Opened(usable, processor * 1000, view.evaluate(SEARCH, WANTED))
    finally:
        context.close()


def main() -> int:
    """Make the page, open it some times, and print what it took."""
    program = shutil.which("chromium")
    if program is None:
        print("there is no Chromium: install the package chromium")
        return 1
    from playwright.sync_api import sync_playwright  # not for those who have no browser

    snapshot = large(from_dict(json.loads(SAMPLE.read_bytes())))
    started = time.perf_counter()
    html = page(snapshot)
    made = time.perf_counter() - started
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which root cannot have
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "page.html")
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        rounds = [opened(browser, file) for _ in range(ROUNDS)]
        browser.close()
    found = Opened(*(statistics.median(times) for times in zip(*rounds, strict=True)))
    size = len(gzip.decompress(encode(snapshot)))
    print_table(
        f"the page of a snapshot of {size / MEBIBYTE:.1f} MiB: {len(snapshot.threads)} threads, "
        f"{len(snapshot.tasks):,} tasks",
        ("", "median", "goal"),
        [
            ("until it can be used", f"{found.usable:.0f} ms", verdict(found.usable, GOAL)),
            ("of that, processor time", f"{found.processor:.0f} ms", ""),
            ("a search through all of it", f"{found.search:.0f} ms", ""),
            ("to make it", f"{made * 1000:.0f} ms", ""),
            ("its size", f"{len(html.encode()) / MEBIBYTE:.1f} MiB", ""),
            ("compressed", f"{len(gzip.compress(html.encode())) / MEBIBYTE:.2f} MiB", ""),
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
